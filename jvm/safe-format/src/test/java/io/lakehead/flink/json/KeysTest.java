package io.lakehead.flink.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which key fills which column. */
class KeysTest {

  private static final DataTypes.Field A = DataTypes.FIELD("a", DataTypes.INT());
  private static final DataTypes.Field B = DataTypes.FIELD("b", DataTypes.INT());
  private static final DataTypes.Field C = DataTypes.FIELD("c", DataTypes.INT());
  private static final DataTypes.Field MAP =
      DataTypes.FIELD("m", DataTypes.MAP(DataTypes.STRING(), DataTypes.INT()));
  private static final DataTypes.Field ROW =
      DataTypes.FIELD("o", DataTypes.ROW(DataTypes.FIELD("x", DataTypes.INT())));

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"a\":1,\"b\":2,\"c\":3}",
        "{\"c\":3,\"b\":2,\"a\":1}",
        "{\"b\":2,\"a\":1,\"c\":3}",
        "{\"b\" : 2 ,\n\"c\"\t:3, \"a\":1 }",
        "{\"\\u0061\":1,\"b\":2,\"c\":3}",
        "{\"x\":{\"a\":9},\"a\":1,\"y\":[{\"b\":9}],\"b\":2,\"z\":\"c\",\"c\":3,\"A\":9,\"\":0}",
      })
  void inAnyOrderAndAmongUnknownOnes(String record) throws Exception {
    Strict strict = Strict.row(A, B, C);
    assertEquals(GenericRowData.of(1, 2, 3), strict.decode(record));
    assertEquals(GenericRowData.of(1, null, 3), strict.decode("{\"a\":1,\"c\":3}"));
    assertEquals(GenericRowData.of(1, 2, 3), strict.decode(record));
  }

  @Test
  void haveCaseAndAnyCharacters() throws Exception {
    Strict strict =
        Strict.row(
            DataTypes.FIELD("Naïve \"key\"😀", DataTypes.INT()),
            DataTypes.FIELD("A", DataTypes.INT()),
            DataTypes.FIELD("a", DataTypes.INT()));
    assertEquals(
        GenericRowData.of(1, 2, 3), strict.decode("{\"a\":3,\"Naïve \\\"key\\\"😀\":1,\"A\":2}"));
  }

  @Test
  void noneAtAll() throws Exception {
    assertEquals(GenericRowData.of(null, null), Strict.row(A, B).decode("{}"));
    assertEquals(GenericRowData.of(null, null), Strict.row(A, B).decode("{ \"z\" : [ ] }"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"a\":1,\"a\":1}                       | a",
        "{\"a\":1,\"b\":2,\"\\u0061\":null}      | a",
        "{\"a\":null,\"a\":{\"a\":1}}            | a",
        "{\"z\":1,\"y\":2,\"z\":{}}              | z",
        "{\"o\":{\"x\":1,\"x\":1}}               | o.x",
        "{\"o\":{\"y\":1,\"y\":1}}               | o.y",
        "{\"m\":{\"k\":1,\"l\":2,\"k\":3}}       | m[\"k\"]",
        "{\"m\":{\"a \\\"b\":1,\"a \\\"b\":1}}   | m[\"a \\\"b\"]",
      })
  void repeated(String record, String path) throws Exception {
    assertEquals(
        path + ".repeated: is given more than once, expected once",
        Strict.row(A, B, MAP, ROW).cause(record));
  }

  @Test
  void repeatedInDifferentObjects() throws Exception {
    Strict strict = Strict.row(A, B, MAP, ROW);
    assertEquals(
        GenericRowData.of(1, 2, null, GenericRowData.of(3)),
        strict.decode("{\"a\":1,\"o\":{\"x\":3,\"a\":1},\"u\":{\"u\":1,\"a\":1},\"b\":2}"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"old\":1,\"b\":2}                     | 1",
        "{\"older\":1,\"b\":2}                   | 1",
        "{\"a\":1,\"old\":5,\"b\":2}             | 1",
        "{\"old\":5,\"b\":2,\"a\":1}             | 1",
        "{\"old\":5,\"older\":6,\"b\":2,\"a\":1} | 1",
        "{\"old\":{\"x\":[]},\"b\":2,\"a\":1}    | 1",
        "{\"a\":1,\"old\":\"no\",\"b\":2}        | 1",
        "{\"a\":null,\"old\":5,\"b\":2}          |",
        "{\"old\":5,\"a\":null,\"b\":2}          |",
        "{\"old\":null,\"b\":2}                  |",
        "{\"b\":2,\"c\":{\"old\":5}}             |",
      })
  void aliases(String record, Integer a) throws Exception {
    Strict strict = Strict.aliased("old:a,older:a", A, B);
    assertEquals(GenericRowData.of(a, 2), strict.decode(record));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"old\":\"x\",\"b\":\"y\"}       | b.type: is \"y\", expected int; a.type: is \"x\","
            + " expected int",
        "{\"old\":1,\"old\":1}             | a.repeated: is given more than once, expected once",
        "{\"old\":1,\"older\":{\"a\":1}}   | a.repeated: is given more than once, expected once;"
            + " a.type: is {\"a\":1}, expected int",
        "{\"old\":\"x\",\"b\":\"y\",\"a\":1} | b.type: is \"y\", expected int",
      })
  void failuresOfAliases(String record, String cause) throws Exception {
    assertEquals(cause, Strict.aliased("old:a,older:a", A, B).cause(record));
  }

  @Test
  void aliasesOfNestedColumns() throws Exception {
    Strict strict = Strict.aliased("old:o", ROW);
    assertEquals(
        GenericRowData.of(GenericRowData.of(1)), strict.decode("{\"old\":{\"x\":1,\"old\":2}}"));
    assertEquals("o.x.type: is true, expected int", strict.cause("{\"old\":{\"x\":true}}"));
  }

  @Test
  void tombstone() throws Exception {
    assertNull(Strict.row(A).decode((byte[]) null));
  }
}
