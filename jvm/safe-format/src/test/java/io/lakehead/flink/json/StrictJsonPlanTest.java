package io.lakehead.flink.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.Stream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What is decided before there is a record. */
class StrictJsonPlanTest {

  private static final DataTypes.Field A = DataTypes.FIELD("a", DataTypes.INT());
  private static final DataTypes.Field B = DataTypes.FIELD("b", DataTypes.INT());

  @Test
  void isFoundByItsIdentifier() {
    assertNotNull(
        FactoryUtil.discoverFactory(
            getClass().getClassLoader(), DeserializationFormatFactory.class, "strict-json"));
  }

  static Stream<Arguments> unsupported() {
    DataType small = DataTypes.SMALLINT();
    return Stream.of(
        Arguments.of(DataTypes.TINYINT(), "'v' has type TINYINT"),
        Arguments.of(small, "'v' has type SMALLINT"),
        Arguments.of(DataTypes.CHAR(3), "'v' has type CHAR(3)"),
        Arguments.of(DataTypes.BINARY(3), "'v' has type BINARY(3)"),
        Arguments.of(DataTypes.VARBINARY(3), "'v' has type VARBINARY(3)"),
        Arguments.of(DataTypes.TIME(3), "'v' has type TIME"),
        Arguments.of(DataTypes.MULTISET(DataTypes.STRING()), "'v' has type MULTISET<STRING>"),
        Arguments.of(DataTypes.MAP(DataTypes.INT(), DataTypes.INT()), "'v' has type MAP<INT, INT>"),
        Arguments.of(DataTypes.ARRAY(small), "'v[]' has type SMALLINT"),
        Arguments.of(DataTypes.MAP(DataTypes.STRING(), small), "'v[]' has type SMALLINT"),
        Arguments.of(DataTypes.ROW(DataTypes.FIELD("x", small)), "'v.x' has type SMALLINT"),
        Arguments.of(DataTypes.INT().notNull(), "'v' is NOT NULL"),
        Arguments.of(DataTypes.ARRAY(DataTypes.INT().notNull()), "'v[]' is NOT NULL"),
        Arguments.of(
            DataTypes.ROW(DataTypes.FIELD("x", DataTypes.INT().notNull())), "'v.x' is NOT NULL"));
  }

  @ParameterizedTest
  @MethodSource
  void unsupported(DataType type, String expected) {
    String message =
        assertThrows(ValidationException.class, () -> Strict.column(type)).getMessage();
    assertTrue(message.startsWith("Column " + expected), message);
  }

  @Test
  void keysOfMapsMayBeNotNull() throws Exception {
    Strict.column(DataTypes.MAP(DataTypes.STRING().notNull(), DataTypes.INT())).value("{\"k\":1}");
  }

  @ParameterizedTest
  @CsvSource({
    "x:y, there is no such column",
    "a:b, the alias is itself the name of a column",
  })
  void uselessAliases(String aliases, String expected) {
    String message =
        assertThrows(ValidationException.class, () -> Strict.aliased(aliases, A, B)).getMessage();
    assertTrue(message.startsWith("Option 'aliases' names "), message);
    assertTrue(message.endsWith(expected + "."), message);
  }

  @Test
  void malformedAliases() {
    Configuration options = new Configuration();
    options.setString("aliases", "x");
    assertThrows(ValidationException.class, () -> Strict.format(options));
  }

  @Test
  void unknownOptions() {
    Configuration options = new Configuration();
    options.setString("alias", "x:a");
    assertThrows(
        ValidationException.class,
        () ->
            new FactoryUtil.FactoryHelper<>(new StrictJsonFormatFactory(), options.toMap())
                .validate());
  }

  @Test
  void picksProjectedColumns() throws Exception {
    assertFalse(Strict.format(new Configuration()).supportsNestedProjection());
    int[][] reversed = {{1}, {0}};
    assertEquals(
        GenericRowData.of(2, 1), Strict.projected(reversed, A, B).decode("{\"a\":1,\"b\":2}"));
    assertEquals(new GenericRowData(0), Strict.projected(new int[0][], A).decode("{\"a\":1}"));
  }

  @Test
  void checksColumnsThatAreNotProjected() throws Exception {
    Strict strict = Strict.projected(new int[][] {{1}}, A, B);
    assertEquals(GenericRowData.of(2), strict.decode("{\"a\":1,\"b\":2}"));
    assertEquals("a.type: is \"x\", expected int", strict.cause("{\"a\":\"x\",\"b\":2}"));
  }
}
