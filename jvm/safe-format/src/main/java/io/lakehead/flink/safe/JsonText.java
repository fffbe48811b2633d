package io.lakehead.flink.safe;

import io.lakehead.flink.json.JsonBytes;
import javax.annotation.Nullable;

/**
 * Checks on a JSON record that Flink's JSON format does not make: it takes UTF-16 for JSON, and
 * stops reading at the end of the first object, so that it takes {@code {"a":1}{"a":2}} for {@code
 * {"a":1}} and loses an event without a word.
 */
final class JsonText implements RecordSyntax {

  private static final long serialVersionUID = 1L;

  @Override
  @Nullable
  public String beforeDecoding(byte[] record) {
    return JsonBytes.refusal(record);
  }

  /** Returns that something follows the leading, well-formed object, or null. */
  @Override
  @Nullable
  public String afterDecoding(byte[] record) {
    return JsonBytes.trailing(record, endOfFirstValue(record));
  }

  private static int endOfFirstValue(byte[] record) {
    int depth = 0;
    boolean inString = false;
    for (int i = 0; i < record.length; i++) {
      byte b = record[i];
      if (inString) {
        if (b == '\\') {
          i++;
        } else if (b == '"') {
          inString = false;
        }
      } else if (b == '"') {
        inString = true;
      } else if (b == '{' || b == '[') {
        depth++;
      } else if ((b == '}' || b == ']') && --depth == 0) {
        return i + 1;
      }
    }
    return record.length;
  }
}
