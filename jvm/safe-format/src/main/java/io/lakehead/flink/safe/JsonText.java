package io.lakehead.flink.safe;

import javax.annotation.Nullable;

/**
 * Checks on a JSON record that Flink's JSON format does not make: it takes UTF-16 for JSON, and
 * stops reading at the end of the first object, so that it takes {@code {"a":1}{"a":2}} for {@code
 * {"a":1}} and loses an event without a word.
 */
final class JsonText implements RecordSyntax {

  private static final long serialVersionUID = 1L;

  /**
   * Returns why the record cannot be a JSON object in UTF-8, judged by its first bytes, or null.
   */
  @Override
  @Nullable
  public String beforeDecoding(byte[] record) {
    if (isUtf16OrUtf32(record)) {
      return "not UTF-8: the record looks like UTF-16 or UTF-32";
    }
    int start = skipWhitespace(record, hasUtf8Mark(record) ? 3 : 0);
    if (start == record.length) {
      return "blank: the record is white space only";
    }
    if (record[start] != '{') {
      return String.format(
          "not a JSON object: byte %d of the record is 0x%02x", start, record[start]);
    }
    return null;
  }

  /** Returns that something follows the leading, well-formed object, or null. */
  @Override
  @Nullable
  public String afterDecoding(byte[] record) {
    int trailing = skipWhitespace(record, endOfFirstValue(record));
    return trailing == record.length
        ? null
        : "trailing content: the JSON text ends before byte " + trailing + " of " + record.length;
  }

  /**
   * JSON begins with two ASCII characters, so that a zero among them gives the wide encodings away.
   */
  private static boolean isUtf16OrUtf32(byte[] record) {
    if (record.length < 2) {
      return false;
    }
    int first = record[0] & 0xff;
    int second = record[1] & 0xff;
    boolean byteOrderMark = (first == 0xfe && second == 0xff) || (first == 0xff && second == 0xfe);
    return byteOrderMark || first == 0 || second == 0;
  }

  private static boolean hasUtf8Mark(byte[] record) {
    return record.length >= 3
        && record[0] == (byte) 0xef
        && record[1] == (byte) 0xbb
        && record[2] == (byte) 0xbf;
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

  private static int skipWhitespace(byte[] record, int from) {
    int i = from;
    while (i < record.length && isWhitespace(record[i])) {
      i++;
    }
    return i;
  }

  private static boolean isWhitespace(byte b) {
    return b == ' ' || b == '\n' || b == '\r' || b == '\t';
  }
}
