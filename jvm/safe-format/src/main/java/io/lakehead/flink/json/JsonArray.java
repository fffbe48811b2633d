package io.lakehead.flink.json;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonStreamContext;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.table.data.GenericArrayData;

/** A JSON array, whose elements may be null. */
final class JsonArray extends JsonType {

  private static final long serialVersionUID = 1L;

  private final JsonType element;

  JsonArray(JsonType element) {
    super("array");
    this.element = element;
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    if (token != JsonToken.START_ARRAY) {
      return in.refuse(this);
    }
    List<Object> elements = new ArrayList<>();
    while (in.parser.nextToken() != JsonToken.END_ARRAY) {
      elements.add(in.value(element));
    }
    return new GenericArrayData(elements.toArray());
  }

  @Override
  JsonType member(JsonStreamContext context, StringBuilder path) {
    path.append('[').append(context.getCurrentIndex()).append(']');
    return element;
  }
}
