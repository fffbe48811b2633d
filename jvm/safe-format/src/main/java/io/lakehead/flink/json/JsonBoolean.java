package io.lakehead.flink.json;

import java.io.IOException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;

/** {@code true} or {@code false}. */
final class JsonBoolean extends JsonType {

  private static final long serialVersionUID = 1L;

  JsonBoolean() {
    super("boolean");
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    return switch (token) {
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      default -> in.refuse(this);
    };
  }
}
