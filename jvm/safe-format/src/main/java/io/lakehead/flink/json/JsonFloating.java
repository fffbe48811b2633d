package io.lakehead.flink.json;

import java.io.IOException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;

/**
 * A JSON number, rounded as binary floating point does, or a string that names what JSON has no
 * number for. A number too large to be finite is refused.
 */
final class JsonFloating extends JsonType {

  private static final long serialVersionUID = 1L;

  private final boolean isDouble;

  private JsonFloating(String name, boolean isDouble) {
    super(name);
    this.isDouble = isDouble;
  }

  static JsonFloating ofFloat() {
    return new JsonFloating("float", false);
  }

  static JsonFloating ofDouble() {
    return new JsonFloating("double", true);
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    if (token.isNumeric()) {
      return number(in);
    }
    boolean named =
        token == JsonToken.VALUE_STRING
            && switch (in.parser.getText()) {
              case "NaN", "Infinity", "-Infinity" -> true;
              default -> false;
            };
    if (!named) {
      return in.refuse(this);
    }
    double value = Double.parseDouble(in.parser.getText());
    return isDouble ? (Object) value : (Object) (float) value;
  }

  private Object number(RecordReader in) throws IOException {
    if (isDouble) {
      double value = in.parser.getDoubleValue();
      return Double.isFinite(value) ? (Object) value : in.refuse(this);
    }
    // Not by way of a double, which would round twice.
    float value = Float.parseFloat(in.parser.getText());
    return Float.isFinite(value) ? (Object) value : in.refuse(this);
  }
}
