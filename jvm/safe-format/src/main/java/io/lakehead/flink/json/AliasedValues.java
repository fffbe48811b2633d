package io.lakehead.flink.json;

import java.io.IOException;
import org.apache.flink.table.data.GenericRowData;

/**
 * Values of one JSON object that came under a field's alias. They count, and so does what is wrong
 * with them, only if the field's own name turns out to be absent.
 */
final class AliasedValues {

  private final Object[] values;
  private final TypeFailures[] failures;

  AliasedValues(int fields) {
    values = new Object[fields];
    failures = new TypeFailures[fields];
  }

  /** Reads the value of the key at the parser's token for a field. */
  void read(RecordReader in, int field, JsonType type) throws IOException {
    TypeFailures ofRecord = in.failures();
    boolean several = failures[field] != null;
    if (!several) {
      failures[field] = new TypeFailures();
    }
    in.collectInto(failures[field]);
    if (several) {
      in.refuseRepeated();
    }
    in.parser.nextToken();
    values[field] = in.value(type);
    in.collectInto(ofRecord);
  }

  /** Fills the fields of the row whose own names the object did not have. */
  void fill(RecordReader in, GenericRowData row, KeysSeen seen) {
    for (int field = 0; field < values.length; field++) {
      if (failures[field] != null && !seen.has(field)) {
        row.setField(field, values[field]);
        in.failures().addAll(failures[field]);
      }
    }
  }
}
