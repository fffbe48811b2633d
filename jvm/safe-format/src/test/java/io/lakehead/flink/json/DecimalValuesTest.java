package io.lakehead.flink.json;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.types.DataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DecimalValuesTest {

  private final Map<DataType, Strict> columns = new HashMap<>();

  @ParameterizedTest
  @CsvSource({
    "0,               0.000",
    "-0.0,            0.000",
    "0e-99999,        0.000",
    "0e99999,         0.000",
    "6.95,            6.950",
    "-6.95,           -6.950",
    "0.001,           0.001",
    "999999999.999,   999999999.999",
    "-999999999.999,  -999999999.999",
    "999999999,       999999999.000",
    "1.5000000,       1.500",
    "1.50000000000000000000000000, 1.500",
    "1e8,             100000000.000",
    "1500000E-6,      1.500",
    "\"6.95\",        6.950",
    "\"-0.001\",      -0.001",
    "\"0\",           0.000",
    "\"10.0000000\",  10.000",
  })
  void fits(String json, BigDecimal expected) throws Exception {
    assertEquals(expected, decimal(12, 3, json));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "12345678901234",
        "1000000000",
        "-1000000000",
        "1000000000.0",
        "1e9",
        "0.0001",
        "6.9501",
        "999999999.9999",
        "1e-4",
        "1e999999999",
        "1e-999999999",
        "1e99999999999",
        "\"1e2\"",
        "\"\"",
        "\" 1\"",
        "\"1 \"",
        "\"+1\"",
        "\"-\"",
        "\"01\"",
        "\"-00.5\"",
        "\".5\"",
        "\"5.\"",
        "\"1.2.3\"",
        "\"1,5\"",
        "\"1_000\"",
        "\"٣\"",
        "\"NaN\"",
        "\"0.0001\"",
        "\"1000000000\"",
        "true",
        "{}",
        "[1]",
      })
  void doesNotFit(String json) throws Exception {
    Strict.column(DataTypes.DECIMAL(12, 3)).refuses(json, "decimal(12,3)");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "99999999999999999999999999999999999999",
        "-99999999999999999999999999999999999999",
        "12345678901234567890123456789012345678",
        "-1",
        "0"
      })
  void have38Digits(String digits) throws Exception {
    assertEquals(new BigDecimal(digits), decimal(38, 0, digits));
    assertEquals(new BigDecimal(digits), decimal(38, 0, '"' + digits + '"'));
    BigDecimal fraction = new BigDecimal(digits).movePointLeft(38).setScale(38);
    assertEquals(fraction, decimal(38, 38, fraction.toPlainString()));
    assertEquals(fraction, decimal(38, 38, '"' + fraction.toPlainString() + '"'));
  }

  @Test
  void have39Digits() throws Exception {
    String digits = "1" + "0".repeat(38);
    Strict.column(DataTypes.DECIMAL(38, 0)).refuses(digits, "decimal(38,0)");
    Strict.column(DataTypes.DECIMAL(38, 38)).refuses("1", "decimal(38,38)");
  }

  @Test
  void longTextsAreNotRead() throws Exception {
    String text = '"' + "1".repeat(900_000) + '"';
    String cause = Strict.column(DataTypes.DECIMAL(38, 0)).cause("{\"v\":" + text + "}");
    assertEquals("v.type: is \"" + "1".repeat(99) + "..., expected decimal(38,0)", cause);
  }

  /** Against the JDK's arithmetic, on both sides of each limit. */
  @Test
  void agreesWithBigDecimal() throws Exception {
    Random random = new Random(20_260_102);
    for (int round = 0; round < 20_000; round++) {
      int precision = 1 + random.nextInt(38);
      int scale = random.nextInt(precision + 1);
      BigDecimal number = number(random, precision, scale);
      BigDecimal expected = null;
      try {
        expected = number.setScale(scale, RoundingMode.UNNECESSARY);
      } catch (ArithmeticException inexact) {
        // Stays null.
      }
      String json = random.nextBoolean() ? number.toString() : '"' + number.toPlainString() + '"';
      if (expected != null && expected.precision() <= precision) {
        assertEquals(expected, decimal(precision, scale, json));
      } else {
        column(precision, scale).refuses(json, "decimal(" + precision + "," + scale + ")");
      }
    }
  }

  private static BigDecimal number(Random random, int precision, int scale) {
    StringBuilder digits = new StringBuilder(random.nextBoolean() ? "-" : "");
    int count = 1 + random.nextInt(precision + 2);
    for (int i = 0; i < count; i++) {
      digits.append(random.nextInt(4) == 0 ? 9 : random.nextInt(3));
    }
    BigDecimal number = new BigDecimal(digits.toString()).movePointLeft(scale);
    return number.setScale(Math.max(0, scale + random.nextInt(3) - 1), RoundingMode.DOWN);
  }

  private BigDecimal decimal(int precision, int scale, String json) throws Exception {
    DecimalData value = (DecimalData) column(precision, scale).value(json);
    assertEquals(precision, value.precision());
    assertEquals(scale, value.scale());
    return value.toBigDecimal();
  }

  private Strict column(int precision, int scale) throws Exception {
    DataType type = DataTypes.DECIMAL(precision, scale);
    if (!columns.containsKey(type)) {
      columns.put(type, Strict.column(type));
    }
    return columns.get(type);
  }
}
