package io.lakehead.flink.safe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericMapData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.DataType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Values, and how the schema of the writer meets that of the reader. */
class StrictAvroTest {

  private static final String MICROS = "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}";
  private static final String LOCAL =
      "{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\"}";
  private static final String PRICE =
      "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":6,\"scale\":2}";

  private FakeRegistry registry;

  @BeforeEach
  void start() throws IOException {
    registry = new FakeRegistry();
  }

  @AfterEach
  void stop() {
    registry.close();
  }

  @Test
  void everyType() throws Exception {
    String inner = record("inner", "\"a\":\"int\"", "\"at\":[\"null\"," + MICROS + "]");
    String text =
        record(
            "all",
            "\"s\":\"string\"",
            "\"b\":\"boolean\"",
            "\"i\":\"int\"",
            "\"l\":\"long\"",
            "\"f\":\"float\"",
            "\"d\":\"double\"",
            "\"n\":" + PRICE,
            "\"day\":{\"type\":\"int\",\"logicalType\":\"date\"}",
            "\"at\":" + MICROS,
            "\"local\":" + LOCAL,
            "\"blob\":\"bytes\"",
            "\"rows\":{\"type\":\"array\",\"items\":[\"null\"," + inner + "]}",
            "\"map\":{\"type\":\"map\",\"values\":[\"null\",\"long\"]}");
    DataType columns =
        DataTypes.ROW(
                DataTypes.FIELD("s", DataTypes.STRING()),
                DataTypes.FIELD("b", DataTypes.BOOLEAN()),
                DataTypes.FIELD("i", DataTypes.INT()),
                DataTypes.FIELD("l", DataTypes.BIGINT()),
                DataTypes.FIELD("f", DataTypes.FLOAT()),
                DataTypes.FIELD("d", DataTypes.DOUBLE()),
                DataTypes.FIELD("n", DataTypes.DECIMAL(6, 2)),
                DataTypes.FIELD("day", DataTypes.DATE()),
                DataTypes.FIELD("at", DataTypes.TIMESTAMP_LTZ(6)),
                DataTypes.FIELD("local", DataTypes.TIMESTAMP(6)),
                DataTypes.FIELD("blob", DataTypes.BYTES()),
                DataTypes.FIELD(
                    "rows",
                    DataTypes.ARRAY(
                        DataTypes.ROW(
                            DataTypes.FIELD("a", DataTypes.INT()),
                            DataTypes.FIELD("at", DataTypes.TIMESTAMP_LTZ(6))))),
                DataTypes.FIELD("map", DataTypes.MAP(DataTypes.STRING(), DataTypes.BIGINT())))
            .notNull();
    Schema schema = registry.add(1, text);
    Schema items = schema.getField("rows").schema().getElementType().getTypes().get(1);
    GenericData.Record row = new GenericData.Record(items);
    row.put("a", 5);
    row.put("at", -1L);
    GenericData.Record value = new GenericData.Record(schema);
    value.put("s", "grüße");
    value.put("b", true);
    value.put("i", -2);
    value.put("l", Long.MIN_VALUE);
    value.put("f", 1.5f);
    value.put("d", -0.25);
    value.put("n", ByteBuffer.wrap(new byte[] {-1, 56}));
    value.put("day", 20_000);
    value.put("at", 1_767_323_045_678_901L);
    value.put("local", 1_767_323_045_678_901L);
    value.put("blob", ByteBuffer.wrap(new byte[] {0, -1}));
    value.put("rows", Arrays.asList(row, null));
    value.put("map", Map.of("k", 9L));

    Decoding decoding = decoding(text, columns);
    GenericRowData read = decoding.one(FakeRegistry.record(1, schema, value));

    assertNull(decoding.error(read));
    TimestampData at = TimestampData.fromEpochMillis(1_767_323_045_678L, 901_000);
    assertEquals(StringData.fromString("grüße"), read.getField(0));
    assertEquals(List.of(true, -2, Long.MIN_VALUE, 1.5f, -0.25), fields(read, 1, 6));
    assertEquals("-2.00", read.getField(6).toString());
    assertEquals(List.of(20_000, at, at), fields(read, 7, 10));
    assertArrayEquals(new byte[] {0, -1}, (byte[]) read.getField(10));
    GenericArrayData rows = (GenericArrayData) read.getField(11);
    TimestampData beforeEpoch = TimestampData.fromEpochMillis(-1, 999_000);
    assertEquals(GenericRowData.of(5, beforeEpoch), rows.toObjectArray()[0]);
    assertNull(rows.toObjectArray()[1]);
    assertEquals(new GenericMapData(Map.of(StringData.fromString("k"), 9L)), read.getField(12));
  }

  @ParameterizedTest
  @CsvSource({
    "timestamp-millis, 1767323045678,    0",
    "timestamp-micros, 1767323045678901, 901000",
  })
  void unitsAreThoseOfTheWriter(String written, long value, int nanos) throws Exception {
    Decoding decoding = decoding(record("r", "\"at\":" + MICROS), at());
    String writer = "{\"type\":\"long\",\"logicalType\":\"" + written + "\"}";
    Object read = readOne(decoding, record("r", "\"at\":[\"null\"," + writer + "]"), value);
    assertEquals(TimestampData.fromEpochMillis(1_767_323_045_678L, nanos), read);
  }

  @Test
  void instantIsNoPlainNumberAndNoLocalTime() throws Exception {
    Decoding decoding = decoding(record("r", "\"at\":" + MICROS), at());
    refused(decoding, record("r", "\"at\":\"long\""), 1L, "at: written as plain long, read as");
    refused(
        decoding,
        record("r", "\"at\":" + LOCAL),
        1L,
        "at: written as local-timestamp-micros (long), read as timestamp-micros (long)");
  }

  @Test
  void decimalOfAnotherScale() throws Exception {
    DataType price = DataTypes.ROW(DataTypes.FIELD("n", DataTypes.DECIMAL(6, 2))).notNull();
    Decoding decoding = decoding(record("r", "\"n\":" + PRICE), price);
    String finer = PRICE.replace("\"scale\":2", "\"scale\":3");
    Object exact =
        readOne(decoding, record("r", "\"n\":" + finer), ByteBuffer.wrap(new byte[] {10}));
    assertEquals(DecimalData.fromUnscaledLong(1, 6, 2), exact);
    refused(
        decoding,
        record("r", "\"n\":" + finer),
        ByteBuffer.wrap(new byte[] {11}),
        "n: 0.011 is no DECIMAL(6, 2)");
    refused(
        decoding,
        record("r", "\"n\":" + PRICE),
        ByteBuffer.wrap(new byte[] {1, 0, 0, 0, 0}),
        "n: 42949672.96 is no DECIMAL(6, 2)");
    refused(
        decoding,
        record("r", "\"n\":" + PRICE),
        ByteBuffer.wrap(new byte[0]),
        "Zero length BigInteger");
  }

  @Test
  void olderAndNewerWriters() throws Exception {
    String reader =
        "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
            + "{\"name\":\"total\",\"aliases\":[\"amount\"],\"type\":\"long\"},"
            + "{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"default\":null}]}";
    DataType columns =
        DataTypes.ROW(
                DataTypes.FIELD("total", DataTypes.BIGINT()),
                DataTypes.FIELD("note", DataTypes.STRING()))
            .notNull();
    Decoding decoding = decoding(reader, columns);
    assertEquals(7L, readOne(decoding, record("r", "\"amount\":\"int\""), 7));
    assertEquals(7L, readOne(decoding, record("r", "\"total\":\"long\", \"x\":\"int\""), 7L));
    refused(
        decoding, record("r", "\"sum\":\"long\""), 7L, "Found r, expecting r, missing required");
    refused(decoding, record("r", "\"total\":\"string\""), "7", "Found string, expecting long");
  }

  @Test
  void hostileLengths() throws Exception {
    DataType columns =
        DataTypes.ROW(DataTypes.FIELD("a", DataTypes.ARRAY(DataTypes.BIGINT()))).notNull();
    String text = record("r", "\"a\":{\"type\":\"array\",\"items\":\"long\"}");
    Decoding decoding = decoding(text, columns);
    registry.add(1, text);
    registry.add(2, record("r", "\"x\":\"string\", \"a\":{\"type\":\"array\",\"items\":\"long\"}"));
    registry.add(3, record("r", "\"x\":{\"type\":\"array\",\"items\":\"null\"}"));
    byte[] huge = {(byte) 0xfe, (byte) 0xff, (byte) 0xff, (byte) 0xff, 15};
    byte[] endless = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1};
    for (int id = 1; id <= 3; id++) {
      byte[] header = {0, 0, 0, 0, (byte) id};
      assertTrue(decoding.error(Samples.concat(header, huge)) != null, "id " + id);
      assertTrue(decoding.error(Samples.concat(header, endless)) != null, "id " + id);
    }
  }

  @Test
  void brokenText() throws Exception {
    DataType columns = DataTypes.ROW(DataTypes.FIELD("s", DataTypes.STRING())).notNull();
    Decoding decoding = decoding(record("r", "\"s\":\"string\""), columns);
    registry.add(1, record("r", "\"s\":\"string\""));
    byte[] record = {0, 0, 0, 0, 1, 4, (byte) 0xc3, (byte) 0x28};
    assertEquals("a string is not UTF-8", decoding.error(record));
  }

  @Test
  void schemaThatDoesNotFitTheColumns() {
    String text = record("r", "\"at\":\"long\"");
    assertEquals(
        "Column 'at' is TIMESTAMP_LTZ(6), for which the schema must have long timestamp-; it has"
            + " long.",
        assertThrows(ValidationException.class, () -> decoding(text, at())).getMessage());
    assertEquals(
        "Column 'at' is not in the schema.",
        assertThrows(
                ValidationException.class, () -> decoding(record("r", "\"other\":\"long\""), at()))
            .getMessage());
    assertTrue(
        assertThrows(ValidationException.class, () -> decoding("{", at()))
            .getMessage()
            .startsWith("Option 'schema' of format 'strict-avro' is no Avro schema"));
  }

  /** Why there is a format beside Flink's own. */
  @Test
  void flinksOwnFormatHasNoInstants() {
    assertThrows(
        RuntimeException.class,
        () -> Decoding.of("avro-confluent", at(), "avro-confluent.url", registry.url()));
  }

  private Decoding decoding(String schema, DataType columns) throws Exception {
    return Decoding.of(
        "strict-avro", columns, "strict-avro.url", registry.url(), "strict-avro.schema", schema);
  }

  private int nextId = 100;

  private byte[] written(String schema, Object first) throws IOException {
    Schema parsed = registry.add(++nextId, schema);
    GenericData.Record record = new GenericData.Record(parsed);
    for (Schema.Field field : parsed.getFields()) {
      record.put(field.name(), field.pos() == 0 ? first : Integer.valueOf(1));
    }
    return FakeRegistry.record(nextId, parsed, record);
  }

  private Object readOne(Decoding decoding, String writer, Object value) throws IOException {
    GenericRowData row = decoding.one(written(writer, value));
    assertNull(decoding.error(row));
    return row.getField(0);
  }

  private void refused(Decoding decoding, String writer, Object value, String cause)
      throws IOException {
    String error = decoding.error(written(writer, value));
    assertTrue(error != null && error.startsWith(cause), () -> "cause: " + error);
  }

  private static DataType at() {
    return DataTypes.ROW(DataTypes.FIELD("at", DataTypes.TIMESTAMP_LTZ(6))).notNull();
  }

  private static List<Object> fields(GenericRowData row, int from, int to) {
    List<Object> fields = new ArrayList<>();
    for (int i = from; i < to; i++) {
      fields.add(row.getField(i));
    }
    return fields;
  }

  /** A record schema of fields that are each written as {@code "name":type}. */
  private static String record(String name, String... fields) {
    StringBuilder text = new StringBuilder();
    for (String group : fields) {
      for (String field : group.split(", ")) {
        int colon = field.indexOf(':');
        text.append(text.isEmpty() ? "" : ",");
        text.append("{\"name\":").append(field, 0, colon);
        text.append(",\"type\":").append(field.substring(colon + 1)).append("}");
      }
    }
    return "{\"type\":\"record\",\"name\":\"" + name + "\",\"fields\":[" + text + "]}";
  }
}
