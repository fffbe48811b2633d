package io.lakehead.flink.json;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LocalZonedTimestampType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.MapType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.TimestampType;
import org.apache.flink.table.types.logical.VarBinaryType;
import org.apache.flink.table.types.logical.VarCharType;

/** Finds the contract type for each of Flink's types, or says that there is none. */
final class JsonTypes {

  private static final String SUPPORTED =
      "STRING, BOOLEAN, INT, BIGINT, FLOAT, DOUBLE, DECIMAL, DATE, TIMESTAMP, TIMESTAMP_LTZ, BYTES,"
          + " ARRAY, ROW and MAP with keys of type STRING";

  private JsonTypes() {}

  static JsonObject ofRecord(RowType row, Map<String, String> aliases) {
    return new JsonObject(row.getFieldNames(), ofFields(row, ""), aliases);
  }

  private static List<JsonType> ofFields(RowType row, String path) {
    List<JsonType> types = new ArrayList<>();
    for (RowType.RowField field : row.getFields()) {
      types.add(ofNullable(field.getType(), path + field.getName()));
    }
    return types;
  }

  /**
   * Any value may be null in JSON, and where a type is NOT NULL, generated code does not look for
   * nulls: it would read them as -1, "" or false.
   */
  private static JsonType ofNullable(LogicalType type, String path) {
    if (!type.isNullable()) {
      throw new ValidationException(
          String.format(
              "Column '%s' is NOT NULL, but any value may be null in JSON. Declare it nullable, and"
                  + " check for null in the query.",
              path));
    }
    return of(type, path);
  }

  private static JsonType of(LogicalType type, String path) {
    return switch (type.getTypeRoot()) {
      case VARCHAR -> new JsonString(((VarCharType) type).getLength());
      case BOOLEAN -> new JsonBoolean();
      case INTEGER -> JsonInteger.ofInt();
      case BIGINT -> JsonInteger.ofLong();
      case FLOAT -> JsonFloating.ofFloat();
      case DOUBLE -> JsonFloating.ofDouble();
      case DECIMAL -> {
        DecimalType decimal = (DecimalType) type;
        yield new JsonDecimal(decimal.getPrecision(), decimal.getScale());
      }
      case DATE -> new JsonDate();
      case TIMESTAMP_WITHOUT_TIME_ZONE ->
          JsonTimestamp.withoutZone(((TimestampType) type).getPrecision());
      case TIMESTAMP_WITH_LOCAL_TIME_ZONE ->
          JsonTimestamp.withZone(((LocalZonedTimestampType) type).getPrecision());
      case VARBINARY -> ofBytes((VarBinaryType) type, path);
      case ARRAY -> new JsonArray(ofNullable(((ArrayType) type).getElementType(), path + "[]"));
      case ROW -> {
        RowType row = (RowType) type;
        yield new JsonObject(row.getFieldNames(), ofFields(row, path + "."));
      }
      case MAP -> ofMap((MapType) type, path);
      default -> throw unsupported(type, path);
    };
  }

  private static JsonType ofBytes(VarBinaryType type, String path) {
    if (type.getLength() != VarBinaryType.MAX_LENGTH) {
      throw unsupported(type, path);
    }
    return new JsonBinary();
  }

  private static JsonType ofMap(MapType type, String path) {
    boolean anyKey =
        type.getKeyType() instanceof VarCharType key && key.getLength() == VarCharType.MAX_LENGTH;
    if (!anyKey) {
      throw unsupported(type, path);
    }
    return new JsonMap(ofNullable(type.getValueType(), path + "[]"));
  }

  private static ValidationException unsupported(LogicalType type, String path) {
    return new ValidationException(
        String.format(
            "Column '%s' has type %s, which format '%s' does not decode. Supported are %s.",
            path, type.asSummaryString(), StrictJsonFormatFactory.IDENTIFIER, SUPPORTED));
  }
}
