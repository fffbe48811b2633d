package io.lakehead.flink.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.types.DataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Integers and floating point. */
class NumberValuesTest {

  @ParameterizedTest
  @CsvSource({
    "0,            0",
    "-0,           0",
    "-0.0,         0",
    "12,           12",
    "1.0,          1",
    "1e2,          100",
    "1.5E1,        15",
    "100e-2,       1",
    "2147483647,   2147483647",
    "-2147483648,  -2147483648",
    "-2147483648.000000000000000000000, -2147483648",
    "0e99999,      0",
  })
  void ints(String json, int expected) throws Exception {
    assertEquals(expected, Strict.column(DataTypes.INT()).value(json));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "1.9",
        "-0.5",
        "1e-1",
        "2147483648",
        "-2147483649",
        "9223372036854775808",
        "1e10",
        "1e999999999",
        "1e-999999999",
        "1e99999999999",
        "\"12\"",
        "\"\"",
        "true",
        "{}",
        "[1]",
      })
  void notInts(String json) throws Exception {
    Strict.column(DataTypes.INT()).refuses(json, "int");
  }

  @ParameterizedTest
  @CsvSource({
    "9223372036854775807,      9223372036854775807",
    "-9223372036854775808,     -9223372036854775808",
    "9223372036854775807.000,  9223372036854775807",
    "999999999999999999,       999999999999999999",
    "-99999999999999999,       -99999999999999999",
    "9e18,                     9000000000000000000",
  })
  void longs(String json, long expected) throws Exception {
    assertEquals(expected, Strict.column(DataTypes.BIGINT()).value(json));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "9223372036854775808",
        "-9223372036854775809",
        "9223372036854775807.1",
        "1e19",
        "99999999999999999999999999999999999999",
        "1e999999999",
        "\"1\"",
        "false",
      })
  void notLongs(String json) throws Exception {
    Strict.column(DataTypes.BIGINT()).refuses(json, "long");
  }

  @ParameterizedTest
  @CsvSource({
    "1.5,         1.5",
    "12,          12",
    "-0.0,        -0.0",
    "0.1,         0.1",
    "1.7976931348623157e308,  1.7976931348623157e308",
    "4.9e-324,    4.9e-324",
    "1e-999,      0.0",
    "9007199254740993, 9007199254740992",
    "123456789012345678901234567890, 1.2345678901234568e29",
    "\"NaN\",       NaN",
    "\"Infinity\",  Infinity",
    "\"-Infinity\", -Infinity",
  })
  void doubles(String json, double expected) throws Exception {
    assertEquals(expected, Strict.column(DataTypes.DOUBLE()).value(json));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"1e309", "-1e309", "\"1.5\"", "\"nan\"", "\"+Infinity\"", "\"\"", "true", "{}"})
  void notDoubles(String json) throws Exception {
    Strict.column(DataTypes.DOUBLE()).refuses(json, "double");
  }

  @ParameterizedTest
  @CsvSource({
    "1.5,           1.5",
    "0.1,           0.1",
    "3.4028235e38,  3.4028235e38",
    "16777217,      16777216",
    // Halfway between two floats by the nearest double, above by itself.
    "1.00000005960464477540, 1.00000011920929",
    "\"NaN\",       NaN",
    "\"-Infinity\", -Infinity",
  })
  void floats(String json, float expected) throws Exception {
    assertEquals(expected, Strict.column(DataTypes.FLOAT()).value(json));
  }

  @ParameterizedTest
  @ValueSource(strings = {"3.5e38", "-1e39", "\"1\"", "\"inf\"", "[]"})
  void notFloats(String json) throws Exception {
    Strict.column(DataTypes.FLOAT()).refuses(json, "float");
  }

  @ParameterizedTest
  @ValueSource(strings = {"01", "+1", ".5", "1.", "0x1", "NaN", "Infinity", "-", "1e", "--1"})
  void whatJsonDoesNotTakeForANumberIsMalformed(String json) throws Exception {
    for (var type : new DataType[] {DataTypes.INT(), DataTypes.DOUBLE()}) {
      String cause = Strict.column(type).cause("{\"v\":" + json + "}");
      assertTrue(cause.startsWith("malformed JSON: "), cause);
    }
  }

  @Test
  void nulls() throws Exception {
    assertNull(Strict.column(DataTypes.INT()).value("null"));
    assertNull(Strict.column(DataTypes.BIGINT()).value("null"));
    assertNull(Strict.column(DataTypes.FLOAT()).value("null"));
    assertNull(Strict.column(DataTypes.DOUBLE()).value("null"));
  }
}
