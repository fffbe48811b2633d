package io.lakehead.flink.json;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonStreamContext;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.table.data.GenericMapData;
import org.apache.flink.table.data.StringData;

/** A JSON object with keys that the schema does not name; its values may be null. */
final class JsonMap extends JsonType {

  private static final long serialVersionUID = 1L;

  private final JsonType value;

  JsonMap(JsonType value) {
    super("map");
    this.value = value;
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    if (token != JsonToken.START_OBJECT) {
      return in.refuse(this);
    }
    JsonParser parser = in.parser;
    Map<StringData, Object> values = new LinkedHashMap<>();
    for (String key = parser.nextFieldName(); key != null; key = parser.nextFieldName()) {
      StringData stored = StringData.fromString(key);
      if (!JsonString.isWhole(key)) {
        in.refuseKey(key);
      } else if (values.containsKey(stored)) {
        in.refuseRepeated();
      }
      parser.nextToken();
      values.put(stored, in.value(value));
    }
    return new GenericMapData(values);
  }

  @Override
  JsonType member(JsonStreamContext context, StringBuilder path) {
    path.append('[').append(Printable.quoted(context.getCurrentName())).append(']');
    return value;
  }
}
