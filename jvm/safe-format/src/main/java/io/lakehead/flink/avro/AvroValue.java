package io.lakehead.flink.avro;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.avro.shaded.org.apache.avro.LogicalTypes;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.IndexedRecord;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericMapData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.MapType;
import org.apache.flink.table.types.logical.RowType;

/** Turns a value of Avro's, read with a given schema, into Flink's of a given column type. */
@FunctionalInterface
interface AvroValue {

  Object convert(Object value) throws IOException;

  /**
   * Chooses the conversion. Throws a {@link ValidationException} that names the column when the
   * schema and the column do not fit.
   */
  static AvroValue of(Schema schema, LogicalType type, String path) {
    Schema plain = withoutNull(schema);
    AvroValue conversion = ofNonNull(plain, type, path);
    return value -> value == null ? null : conversion.convert(value);
  }

  private static AvroValue ofNonNull(Schema schema, LogicalType type, String path) {
    String logical = schema.getLogicalType() == null ? "" : schema.getLogicalType().getName();
    String wanted =
        switch (type.getTypeRoot()) {
          case VARCHAR, CHAR -> "string";
          case BOOLEAN -> "boolean";
          case INTEGER -> "int";
          case BIGINT -> "long";
          case FLOAT -> "float";
          case DOUBLE -> "double";
          case VARBINARY, BINARY -> "bytes";
          case DECIMAL -> "bytes decimal";
          case DATE -> "int date";
          case TIMESTAMP_WITH_LOCAL_TIME_ZONE -> "long timestamp-";
          case TIMESTAMP_WITHOUT_TIME_ZONE -> "long local-timestamp-";
          case ARRAY -> "array";
          case MAP -> "map";
          case ROW -> "record";
          default -> "no type";
        };
    String found = (schema.getType().getName() + " " + logical).trim();
    boolean fits = wanted.endsWith("-") ? found.startsWith(wanted) : found.equals(wanted);
    if (!fits && !(wanted.equals("string") && schema.getType() == Schema.Type.STRING)) {
      throw new ValidationException(
          String.format(
              "Column '%s' is %s, for which the schema must have %s; it has %s.",
              path, type.asSummaryString(), wanted, found));
    }
    return switch (type.getTypeRoot()) {
      case VARCHAR, CHAR -> value -> StringData.fromString(value.toString());
      case VARBINARY, BINARY -> value -> bytes((ByteBuffer) value);
      case DECIMAL -> decimal(schema, (DecimalType) type, path);
      case TIMESTAMP_WITH_LOCAL_TIME_ZONE, TIMESTAMP_WITHOUT_TIME_ZONE -> timestamp(logical);
      case ARRAY -> array(schema, (ArrayType) type, path);
      case MAP -> map(schema, (MapType) type, path);
      case ROW -> row(schema, (RowType) type, path);
      default -> value -> value;
    };
  }

  private static AvroValue decimal(Schema schema, DecimalType type, String path) {
    int written = ((LogicalTypes.Decimal) schema.getLogicalType()).getScale();
    return value -> {
      BigDecimal number = new BigDecimal(new BigInteger(bytes((ByteBuffer) value)), written);
      DecimalData fitting = null;
      if (number.stripTrailingZeros().scale() <= type.getScale()) {
        number = number.setScale(type.getScale(), RoundingMode.UNNECESSARY);
        fitting = DecimalData.fromBigDecimal(number, type.getPrecision(), type.getScale());
      }
      if (fitting == null) {
        throw new IOException(
            String.format("%s: %s is no %s", path, number, type.asSummaryString()));
      }
      return fitting;
    };
  }

  private static AvroValue timestamp(String logical) {
    if (logical.endsWith("millis")) {
      return value -> TimestampData.fromEpochMillis((Long) value);
    }
    long perMilli = logical.endsWith("micros") ? 1_000 : 1_000_000;
    int nanos = (int) (1_000_000 / perMilli);
    return value -> {
      long units = (Long) value;
      return TimestampData.fromEpochMillis(
          Math.floorDiv(units, perMilli), (int) Math.floorMod(units, perMilli) * nanos);
    };
  }

  private static AvroValue array(Schema schema, ArrayType type, String path) {
    AvroValue element = of(schema.getElementType(), type.getElementType(), path + "[]");
    return value -> {
      List<?> values = (List<?>) value;
      Object[] converted = new Object[values.size()];
      for (int i = 0; i < converted.length; i++) {
        converted[i] = element.convert(values.get(i));
      }
      return new GenericArrayData(converted);
    };
  }

  private static AvroValue map(Schema schema, MapType type, String path) {
    AvroValue element = of(schema.getValueType(), type.getValueType(), path + "{}");
    return value -> {
      Map<Object, Object> converted = new HashMap<>();
      for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
        converted.put(
            StringData.fromString(entry.getKey().toString()), element.convert(entry.getValue()));
      }
      return new GenericMapData(converted);
    };
  }

  private static AvroValue row(Schema schema, RowType type, String path) {
    int arity = type.getFieldCount();
    int[] positions = new int[arity];
    AvroValue[] fields = new AvroValue[arity];
    for (int i = 0; i < arity; i++) {
      String name = type.getFieldNames().get(i);
      String at = path.isEmpty() ? name : path + "." + name;
      Schema.Field field = schema.getField(name);
      if (field == null) {
        throw new ValidationException("Column '" + at + "' is not in the schema.");
      }
      positions[i] = field.pos();
      fields[i] = of(field.schema(), type.getTypeAt(i), at);
    }
    return value -> {
      IndexedRecord record = (IndexedRecord) value;
      GenericRowData row = new GenericRowData(arity);
      for (int i = 0; i < arity; i++) {
        row.setField(i, fields[i].convert(record.get(positions[i])));
      }
      return row;
    };
  }

  private static byte[] bytes(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return bytes;
  }

  private static Schema withoutNull(Schema schema) {
    if (schema.getType() != Schema.Type.UNION) {
      return schema;
    }
    List<Schema> others =
        schema.getTypes().stream().filter(t -> t.getType() != Schema.Type.NULL).toList();
    return others.size() == 1 ? others.get(0) : schema;
  }
}
