package io.lakehead.flink.json;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonStreamContext;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.io.SerializedString;
import org.apache.flink.table.data.GenericRowData;

/**
 * A JSON object with fields that the schema names. Other keys are ignored, and what stands in them
 * is only parsed; but no key may be repeated.
 *
 * <p>A field may have aliases: further keys that fill it where its own name is absent.
 */
final class JsonObject extends JsonType {

  private static final long serialVersionUID = 1L;

  private static final int UNKNOWN = -1;

  private final SerializedString[] names;
  private final JsonType[] types;

  /** Numbers of fields by key; those of aliases begin where those of fields end. */
  private final HashMap<String, Integer> numbers = new HashMap<>();

  /** The field that each alias fills. */
  private final int[] aliased;

  JsonObject(List<String> names, List<JsonType> types) {
    this(names, types, Map.of());
  }

  /**
   * @param aliases names of fields by further keys for them
   */
  JsonObject(List<String> names, List<JsonType> types, Map<String, String> aliases) {
    super("object");
    this.names = names.stream().map(SerializedString::new).toArray(SerializedString[]::new);
    this.types = types.toArray(JsonType[]::new);
    this.aliased = new int[aliases.size()];
    names.forEach(name -> numbers.put(name, numbers.size()));
    aliases.forEach(
        (alias, name) -> {
          aliased[numbers.size() - names.size()] = numbers.get(name);
          numbers.put(alias, numbers.size());
        });
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    if (token != JsonToken.START_OBJECT) {
      return in.refuse(this);
    }
    JsonParser parser = in.parser;
    GenericRowData row = new GenericRowData(types.length);
    KeysSeen seen = new KeysSeen(types.length + aliased.length);
    AliasedValues aliasedValues = null;
    int next = 0;
    while (true) {
      int number;
      // Producers mostly write fields in one order: comparing bytes is faster than a look-up.
      if (next < names.length && parser.nextFieldName(names[next])) {
        number = next;
      } else {
        JsonToken key = next < names.length ? parser.currentToken() : parser.nextToken();
        if (key != JsonToken.FIELD_NAME) {
          break;
        }
        number = numbers.getOrDefault(parser.currentName(), UNKNOWN);
      }
      boolean isNew = number == UNKNOWN ? seen.add(parser.currentName()) : seen.add(number);
      if (!isNew) {
        in.refuseRepeated();
      }
      if (!isNew || number == UNKNOWN) {
        parser.nextToken();
        parser.skipChildren();
      } else if (number < types.length) {
        parser.nextToken();
        row.setField(number, in.value(types[number]));
        next = number + 1;
      } else {
        if (aliasedValues == null) {
          aliasedValues = new AliasedValues(types.length);
        }
        int field = aliased[number - types.length];
        aliasedValues.read(in, field, types[field]);
      }
    }
    if (aliasedValues != null) {
      aliasedValues.fill(in, row, seen);
    }
    return row;
  }

  @Override
  JsonType member(JsonStreamContext context, StringBuilder path) {
    String key = context.getCurrentName();
    int number = numbers.getOrDefault(key, UNKNOWN);
    int field = number < types.length ? number : aliased[number - types.length];
    path.append(path.length() == 0 ? "" : ".");
    path.append(field == UNKNOWN ? key : names[field].getValue());
    return field == UNKNOWN ? null : types[field];
  }
}
