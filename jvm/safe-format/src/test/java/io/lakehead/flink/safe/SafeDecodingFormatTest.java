package io.lakehead.flink.safe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.runtime.connector.source.ScanRuntimeProviderContext;
import org.apache.flink.table.types.DataType;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.InstantiationUtil;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafeDecodingFormatTest {

  private static final DataType AB =
      DataTypes.ROW(
              DataTypes.FIELD("a", DataTypes.INT()),
              DataTypes.FIELD("b", DataTypes.STRING()),
              DataTypes.FIELD("o", DataTypes.ROW(DataTypes.FIELD("x", DataTypes.INT()))))
          .notNull();

  @Test
  void projectsWhereTheInnerFormatDoes() throws Exception {
    SafeDecodingFormat csv = Decoding.format("csv");
    Decoding decoding = Decoding.projected(csv, Samples.ORDER, new int[][] {{1}, {0}});
    GenericRowData row = decoding.one(Samples.csv());
    assertEquals(3, row.getField(0));
    assertEquals(StringData.fromString("o-1"), row.getField(1));
    assertNull(decoding.error(row));
  }

  /** A record is good or bad for every query alike. */
  @Test
  void strictJsonChecksColumnsThatAreNotProjected() throws Exception {
    SafeDecodingFormat strict = Decoding.format("strict-json");
    assertFalse(strict.supportsNestedProjection());
    Decoding decoding = Decoding.projected(strict, AB, new int[][] {{1}});
    assertEquals("a.type: is \"1\", expected int", decoding.error("{\"a\":\"1\",\"b\":\"x\"}"));
    assertEquals(StringData.fromString("x"), decoding.one("{\"a\":1,\"b\":\"x\"}").getField(0));
  }

  @Test
  void projectsWhereTheInnerFormatDoesNot() throws Exception {
    SafeDecodingFormat avro = Decoding.format("avro");
    assertFalse(avro.supportsNestedProjection());
    Decoding decoding = Decoding.projected(avro, Samples.ORDER, new int[][] {{1}});
    GenericRowData row = decoding.one(Samples.avro("z", 7));
    assertEquals(3, row.getArity());
    assertEquals(7, row.getField(0));
    assertNotNull(decoding.error(new byte[] {9}));
  }

  @Test
  void nestedProjectionIsTheInnerFormats() throws Exception {
    SafeDecodingFormat json = Decoding.format("json", "json.decode.json-parser.enabled", "true");
    assertTrue(json.supportsNestedProjection());
    GenericRowData row =
        Decoding.projected(json, AB, new int[][] {{2, 0}, {0}}).one("{\"a\":1,\"o\":{\"x\":2}}");
    assertEquals(2, row.getField(0));
    assertEquals(1, row.getField(1));
  }

  @Test
  void refusesColumnsThatAreNotNull() {
    DataType type = DataTypes.ROW(DataTypes.FIELD("id", DataTypes.STRING().notNull())).notNull();
    Throwable error = assertThrows(ValidationException.class, () -> Decoding.of("json", type));
    assertTrue(error.getMessage().startsWith("Column 'id' is NOT NULL"), error.getMessage());
  }

  @Test
  void metadataFollowsTheOrderAsked() throws Exception {
    SafeDecodingFormat json = Decoding.format("json");
    json.applyReadableMetadata(List.of("raw", "error"));
    Decoding decoding =
        Decoding.opened(json.createRuntimeDecoder(ScanRuntimeProviderContext.INSTANCE, AB), 3);
    byte[] good = "{\"a\":1}".getBytes(StandardCharsets.UTF_8);
    GenericRowData row = decoding.one(good);
    assertArrayEquals(good, (byte[]) row.getField(3));
    assertNull(row.getField(4));
    assertTrue(decoding.one("x").getField(4).toString().startsWith("not a JSON object"));
  }

  @Test
  void metadataMayBeLeftOut() throws Exception {
    SafeDecodingFormat json = Decoding.format("json");
    Decoding decoding =
        Decoding.opened(json.createRuntimeDecoder(ScanRuntimeProviderContext.INSTANCE, AB), 3);
    assertEquals(3, decoding.one("{\"a\":1}").getArity());
    assertEquals(3, decoding.one("x").getArity());
  }

  @Test
  void changeLogKeepsItsRowKindsAndMetadata() throws Exception {
    SafeDecodingFormat debezium = Decoding.format("debezium-json");
    assertFalse(debezium.getChangelogMode().equals(ChangelogMode.insertOnly()));
    assertTrue(debezium.listReadableMetadata().containsKey("source.table"));
    debezium.applyReadableMetadata(List.of("source.table", "error", "raw"));
    Decoding decoding =
        Decoding.opened(debezium.createRuntimeDecoder(ScanRuntimeProviderContext.INSTANCE, AB), 4);
    List<GenericRowData> rows =
        decoding.all(
            ("{\"before\":{\"a\":1},\"after\":{\"a\":2},\"op\":\"u\","
                    + "\"source\":{\"table\":\"orders\"}}")
                .getBytes(StandardCharsets.UTF_8));
    assertEquals(2, rows.size());
    assertEquals(RowKind.UPDATE_BEFORE, rows.get(0).getRowKind());
    assertEquals(RowKind.UPDATE_AFTER, rows.get(1).getRowKind());
    assertEquals(2, rows.get(1).getField(0));
    assertEquals("orders", rows.get(1).getField(3).toString());
    assertNotNull(decoding.error("{\"op\":\"?\"}"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"json", "strict-json", "csv", "avro"})
  void decodesAfterSerialization(String inner) throws Exception {
    SafeDecodingFormat format = Decoding.format(inner);
    format.applyReadableMetadata(Decoding.METADATA);
    var schema = format.createRuntimeDecoder(ScanRuntimeProviderContext.INSTANCE, Samples.ORDER);
    Decoding copy = Decoding.opened(InstantiationUtil.clone(schema), 3);
    assertNotNull(copy.error(new byte[] {1}));
    byte[] good =
        switch (inner) {
          case "json", "strict-json" ->
              "{\"id\":\"o-1\",\"qty\":3}".getBytes(StandardCharsets.UTF_8);
          case "csv" -> Samples.csv();
          default -> Samples.avro();
        };
    assertNull(copy.error(good));
    assertEquals(3, copy.one(good).getField(1));
    assertFalse(copy.schema.isEndOfStream(copy.one(good)));
  }
}
