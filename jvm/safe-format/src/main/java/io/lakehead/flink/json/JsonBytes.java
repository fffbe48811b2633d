package io.lakehead.flink.json;

import javax.annotation.Nullable;

/** What the bytes of a record tell before they are parsed as JSON. */
public final class JsonBytes {

  private JsonBytes() {}

  /**
   * Returns why the record cannot be a JSON object in UTF-8, judged by its first bytes, or null.
   */
  @Nullable
  public static String refusal(byte[] record) {
    if (isUtf16OrUtf32(record)) {
      return "not UTF-8: the record looks like UTF-16 or UTF-32";
    }
    int start = start(record);
    if (start == record.length) {
      return "blank: the record is white space only";
    }
    if (record[start] != '{') {
      return String.format(
          "not a JSON object: byte %d of the record is 0x%02x", start, record[start]);
    }
    return null;
  }

  /** Returns that something follows the JSON text, which ends before {@code end}, or null. */
  @Nullable
  public static String trailing(byte[] record, int end) {
    int trailing = skipWhitespace(record, end);
    return trailing == record.length
        ? null
        : "trailing content: the JSON text ends before byte " + trailing + " of " + record.length;
  }

  /** Where the JSON text begins. */
  static int start(byte[] record) {
    return skipWhitespace(record, hasUtf8Mark(record) ? 3 : 0);
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
