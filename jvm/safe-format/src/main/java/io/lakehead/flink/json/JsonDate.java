package io.lakehead.flink.json;

import java.io.IOException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;

/** A string {@code YYYY-MM-DD}. */
final class JsonDate extends JsonType {

  private static final long serialVersionUID = 1L;

  JsonDate() {
    super("date");
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    if (token != JsonToken.VALUE_STRING) {
      return in.refuse(this);
    }
    JsonParser parser = in.parser;
    char[] chars = parser.getTextCharacters();
    TimeText text = new TimeText(chars, parser.getTextOffset(), parser.getTextLength());
    int day = text.date();
    return text.failed() || !text.isAtEnd() ? in.refuse(this) : (Object) day;
  }
}
