package io.lakehead.flink.json;

import java.io.IOException;
import java.math.BigDecimal;
import javax.annotation.Nullable;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;

/** A JSON number without a fraction, however it is written: {@code 100}, {@code 1e2}. */
final class JsonInteger extends JsonType {

  private static final long serialVersionUID = 1L;

  /** As many fit into a long whatever they are. */
  private static final int SURE_CHARS = 18;

  private final boolean isLong;

  private JsonInteger(String name, boolean isLong) {
    super(name);
    this.isLong = isLong;
  }

  static JsonInteger ofInt() {
    return new JsonInteger("int", false);
  }

  static JsonInteger ofLong() {
    return new JsonInteger("long", true);
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    Long value = integral(in.parser, token);
    if (value == null) {
      return in.refuse(this);
    }
    if (isLong) {
      return value;
    }
    int small = value.intValue();
    return small == value ? (Object) small : in.refuse(this);
  }

  @Nullable
  private static Long integral(JsonParser parser, JsonToken token) throws IOException {
    if (token == JsonToken.VALUE_NUMBER_INT && parser.getTextLength() <= SURE_CHARS) {
      return parser.getLongValue();
    }
    if (!token.isNumeric()) {
      return null;
    }
    try {
      return new BigDecimal(parser.getText()).longValueExact();
    } catch (ArithmeticException | NumberFormatException notLong) {
      return null;
    }
  }
}
