package io.lakehead.flink.json;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.connector.format.ProjectableDecodingFormat;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.connector.source.ScanRuntimeProviderContext;
import org.apache.flink.table.types.DataType;
import org.apache.flink.util.InstantiationUtil;

/** The strict format without the safe one around it, opened and ready to decode. */
final class Strict {

  private final DeserializationSchema<RowData> schema;

  private Strict(DeserializationSchema<RowData> schema) throws Exception {
    // As it reaches a task.
    this.schema = InstantiationUtil.clone(schema);
    this.schema.open(null);
  }

  static Strict row(DataTypes.Field... columns) throws Exception {
    return aliased("", columns);
  }

  static Strict aliased(String aliases, DataTypes.Field... columns) throws Exception {
    DataType type = DataTypes.ROW(columns).notNull();
    Configuration options = new Configuration();
    if (!aliases.isEmpty()) {
      options = Configuration.fromMap(Map.of("aliases", aliases));
    }
    return new Strict(
        format(options).createRuntimeDecoder(ScanRuntimeProviderContext.INSTANCE, type));
  }

  static Strict projected(int[][] projections, DataTypes.Field... columns) throws Exception {
    DataType type = DataTypes.ROW(columns).notNull();
    return new Strict(
        format(new Configuration())
            .createRuntimeDecoder(ScanRuntimeProviderContext.INSTANCE, type, projections));
  }

  /** One column {@code v}. */
  static Strict column(DataType type) throws Exception {
    return row(DataTypes.FIELD("v", type));
  }

  static ProjectableDecodingFormat<DeserializationSchema<RowData>> format(Configuration options) {
    return (ProjectableDecodingFormat<DeserializationSchema<RowData>>)
        new StrictJsonFormatFactory().createDecodingFormat(null, options);
  }

  GenericRowData decode(byte[] record) throws Exception {
    return (GenericRowData) schema.deserialize(record);
  }

  GenericRowData decode(String record) throws Exception {
    return decode(record.getBytes(UTF_8));
  }

  /** What the column {@code v} holds for a JSON value. */
  Object value(String json) throws Exception {
    return decode("{\"v\":" + json + "}").getField(0);
  }

  String cause(byte[] record) {
    return assertThrows(RefusedRecordException.class, () -> decode(record)).getMessage();
  }

  String cause(String record) {
    return cause(record.getBytes(UTF_8));
  }

  /** Asserts that a JSON value is refused for the column {@code v}. */
  void refuses(String json, String expected) {
    assertEquals("v.type: is " + json + ", expected " + expected, cause("{\"v\":" + json + "}"));
  }
}
