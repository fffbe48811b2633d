package io.lakehead.flink.json;

import java.io.IOException;
import java.io.Serializable;
import javax.annotation.Nullable;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonStreamContext;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;

/** A type of a contract, and how a JSON value is read as one of it. */
abstract class JsonType implements Serializable {

  private static final long serialVersionUID = 1L;

  private final String name;

  /**
   * @param name what contracts call the type
   */
  JsonType(String name) {
    this.name = name;
  }

  final String name() {
    return name;
  }

  /**
   * Returns the value at the parser's token, which is not null, as Flink's internal data, and
   * leaves the parser at the value's last token. Refuses the value where it is not of this type.
   */
  @Nullable
  abstract Object read(RecordReader in, JsonToken token) throws IOException;

  /**
   * Adds to {@code path} where in a value of this type {@code context} is, and returns the type
   * there; null where there is none.
   */
  @Nullable
  JsonType member(JsonStreamContext context, StringBuilder path) {
    throw new IllegalStateException(name + " has no members");
  }
}
