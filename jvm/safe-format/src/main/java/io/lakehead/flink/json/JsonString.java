package io.lakehead.flink.json;

import java.io.IOException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.table.data.StringData;

/** A JSON string. */
final class JsonString extends JsonType {

  private static final long serialVersionUID = 1L;

  private final int maxCharacters;

  JsonString(int maxCharacters) {
    super(
        maxCharacters == Integer.MAX_VALUE
            ? "string"
            : "string of at most " + maxCharacters + " characters");
    this.maxCharacters = maxCharacters;
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    if (token != JsonToken.VALUE_STRING) {
      return in.refuse(this);
    }
    String text = in.parser.getText();
    boolean fits =
        text.length() <= maxCharacters || text.codePointCount(0, text.length()) <= maxCharacters;
    return fits && isWhole(text) ? StringData.fromString(text) : in.refuse(this);
  }

  /**
   * An escape may stand for half a character, which has no UTF-8: it would be stored as a question
   * mark.
   */
  static boolean isWhole(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (Character.isSurrogate(c)) {
        boolean pair =
            Character.isHighSurrogate(c)
                && i + 1 < text.length()
                && Character.isLowSurrogate(text.charAt(i + 1));
        if (!pair) {
          return false;
        }
        i++;
      }
    }
    return true;
  }
}
