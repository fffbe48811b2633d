package io.lakehead.flink.json;

import java.io.IOException;
import java.util.regex.Pattern;
import javax.annotation.Nullable;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactoryBuilder;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;

/**
 * Decodes one JSON object in UTF-8 to one row. Throws a {@link RefusedRecordException} for every
 * record that is anything else, or that holds a value which is not of its column's type.
 */
final class StrictJsonDeserializationSchema implements DeserializationSchema<RowData> {

  private static final long serialVersionUID = 1L;

  private static final int MAX_REASON_CHARS = 500;

  /** Where in which source, which is this record, and how the limits are set. */
  private static final Pattern FOR_PROGRAMMERS =
      Pattern.compile(
          " \\((?:start marker|for \\w+ starting) at \\[Source: .*?\\]\\)|, from `[^`]*`");

  private final JsonObject type;
  private final TypeInformation<RowData> producedType;
  @Nullable private final int[] columns;

  private transient JsonFactory json;

  /**
   * @param columns position in the record's row of each column to produce, or null for the row as
   *     it is
   */
  StrictJsonDeserializationSchema(
      JsonObject type, TypeInformation<RowData> producedType, @Nullable int[] columns) {
    this.type = type;
    this.producedType = producedType;
    this.columns = columns;
  }

  @Override
  public void open(InitializationContext context) {
    json =
        new JsonFactoryBuilder()
            // UTF-16 after white space would be taken for JSON.
            .disable(JsonFactory.Feature.CHARSET_DETECTION)
            // Keys of maps are without number: they have no place in a table that lives forever.
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            // Whether a record is valid must not depend on the keys of those before it.
            .disable(JsonFactory.Feature.FAIL_ON_SYMBOL_HASH_OVERFLOW)
            .build();
  }

  @Override
  @Nullable
  public RowData deserialize(@Nullable byte[] record) throws IOException {
    if (record == null) {
      return null;
    }
    String refusal = JsonBytes.refusal(record);
    if (refusal != null) {
      throw new RefusedRecordException(refusal);
    }
    int invalid = Utf8.firstInvalid(record);
    if (invalid >= 0) {
      throw new RefusedRecordException(
          String.format("not UTF-8: byte %d of the record is 0x%02x", invalid, record[invalid]));
    }
    GenericRowData row = parse(record, JsonBytes.start(record));
    return columns == null ? row : pick(row);
  }

  private GenericRowData parse(byte[] record, int start) throws IOException {
    try (JsonParser parser = json.createParser(record, start, record.length - start)) {
      RecordReader in = new RecordReader(parser, record, start, type);
      GenericRowData row = read(in);
      String trailing = JsonBytes.trailing(record, in.end());
      if (trailing != null) {
        throw new RefusedRecordException(trailing);
      }
      if (!in.failures().isEmpty()) {
        throw new RefusedRecordException(in.failures().toString());
      }
      return row;
    }
  }

  private GenericRowData read(RecordReader in) throws IOException {
    try {
      in.parser.nextToken();
      return (GenericRowData) in.value(type);
    } catch (JsonProcessingException e) {
      String reason = FOR_PROGRAMMERS.matcher(e.getOriginalMessage()).replaceAll("");
      throw new RefusedRecordException(
          "malformed JSON: " + Printable.line(reason, MAX_REASON_CHARS) + " at byte " + in.at(e));
    }
  }

  private RowData pick(GenericRowData row) {
    GenericRowData picked = new GenericRowData(columns.length);
    for (int i = 0; i < columns.length; i++) {
      picked.setField(i, row.getField(columns[i]));
    }
    return picked;
  }

  @Override
  public boolean isEndOfStream(RowData row) {
    return false;
  }

  @Override
  public TypeInformation<RowData> getProducedType() {
    return producedType;
  }
}
