package io.lakehead.flink.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericMapData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.DataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Arrays, objects and maps. */
class NestedValuesTest {

  private static final DataType ARRAY = DataTypes.ARRAY(DataTypes.INT());
  private static final DataType MAP = DataTypes.MAP(DataTypes.STRING(), DataTypes.INT());
  private static final DataType ROW =
      DataTypes.ROW(
          DataTypes.FIELD("zip", DataTypes.STRING()),
          DataTypes.FIELD("at", DataTypes.ROW(DataTypes.FIELD("x", DataTypes.INT()))));

  @Test
  void arrays() throws Exception {
    Strict column = Strict.column(ARRAY);
    assertEquals(new GenericArrayData(new Object[0]), column.value("[ ]"));
    GenericArrayData array = (GenericArrayData) column.value("[1, null, 3]");
    assertEquals(new GenericArrayData(new Object[] {1, null, 3}), array);
    assertEquals(3, array.getInt(2));
    assertNull(column.value("null"));
  }

  @Test
  void maps() throws Exception {
    Strict column = Strict.column(MAP);
    assertEquals(new GenericMapData(Map.of()), column.value("{}"));
    Map<Object, Object> expected = new HashMap<>();
    expected.put(StringData.fromString(""), 1);
    expected.put(StringData.fromString("a b"), null);
    expected.put(StringData.fromString("😀"), 3);
    assertEquals(
        new GenericMapData(expected), column.value("{\"\":1,\"a b\":null,\"\\ud83d\\ude00\":3}"));
    assertNull(column.value("null"));
  }

  @Test
  void objects() throws Exception {
    Strict column = Strict.column(ROW);
    StringData zip = StringData.fromString("E1");
    assertEquals(GenericRowData.of(null, null), column.value("{}"));
    assertEquals(GenericRowData.of(zip, null), column.value("{\"at\":null,\"zip\":\"E1\"}"));
    assertEquals(
        GenericRowData.of(null, GenericRowData.of(7)),
        column.value("{\"at\":{\"y\":[{}],\"x\":7,\"z\":{\"x\":\"no\"}}}"));
    assertEquals(
        GenericRowData.of(null, GenericRowData.of((Object) null)), column.value("{\"at\":{}}"));
    assertNull(column.value("null"));
  }

  @Test
  void allWithinEachOther() throws Exception {
    DataType type =
        DataTypes.ARRAY(
            DataTypes.MAP(
                DataTypes.STRING(),
                DataTypes.ROW(DataTypes.FIELD("a", DataTypes.ARRAY(DataTypes.DATE())))));
    Map<Object, Object> map = new HashMap<>();
    map.put(
        StringData.fromString("k"),
        GenericRowData.of(new GenericArrayData(new Object[] {null, 1})));
    map.put(StringData.fromString("l"), null);
    assertEquals(
        new GenericArrayData(new Object[] {new GenericMapData(map), null}),
        Strict.column(type).value("[{\"k\":{\"a\":[null,\"1970-01-02\"]},\"l\":null},null]"));
  }

  @Test
  void asDeepAsTheParserGoes() throws Exception {
    DataType type = DataTypes.INT();
    for (int depth = 0; depth < 200; depth++) {
      type = DataTypes.ARRAY(type);
    }
    Object value = Strict.column(type).value("[".repeat(200) + "5" + "]".repeat(200));
    for (int depth = 0; depth < 200; depth++) {
      value = ((GenericArrayData) value).toObjectArray()[0];
    }
    assertEquals(5, value);
  }

  @ParameterizedTest
  @ValueSource(strings = {"{}", "{\"a\":[1]}", "1", "\"[1]\"", "\"\"", "true"})
  void notArrays(String json) throws Exception {
    Strict.column(ARRAY).refuses(json, "array");
  }

  @ParameterizedTest
  @ValueSource(strings = {"[]", "[{\"a\":1}]", "1", "\"{}\"", "\"\"", "false"})
  void notObjects(String json) throws Exception {
    Strict.column(ROW).refuses(json, "object");
    Strict.column(MAP).refuses(json, "map");
  }

  @Test
  void longArrays() throws Exception {
    Object[] expected = new Object[100_000];
    Arrays.fill(expected, 7);
    String json = "7" + ",7".repeat(expected.length - 1);
    assertEquals(new GenericArrayData(expected), Strict.column(ARRAY).value("[" + json + "]"));
  }

  @Test
  void keysOfMapsWithHalfCharacters() throws Exception {
    String cause = Strict.column(MAP).cause("{\"v\":{\"\\ud83d\":1}}");
    assertTrue(cause.equals("v[\"\\ud83d\"].type: is \"\\ud83d\", expected string"), cause);
  }
}
