package io.lakehead.flink.json;

import java.io.IOException;
import java.util.Base64;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;

/** A string in Base64: the standard alphabet, with padding. */
final class JsonBinary extends JsonType {

  private static final long serialVersionUID = 1L;

  private static final int QUANTUM = 4;

  JsonBinary() {
    super("binary");
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    if (token != JsonToken.VALUE_STRING) {
      return in.refuse(this);
    }
    String text = in.parser.getText();
    if (text.length() % QUANTUM != 0) {
      return in.refuse(this);
    }
    try {
      return Base64.getDecoder().decode(text);
    } catch (IllegalArgumentException notBase64) {
      return in.refuse(this);
    }
  }
}
