package io.lakehead.flink.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Random;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.TimestampData;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Dates and timestamps. */
class TimeValuesTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        "0001-01-01",
        "1969-12-31",
        "1970-01-01",
        "2024-02-29",
        "2000-02-29",
        "9999-12-31"
      })
  void dates(String text) throws Exception {
    assertEquals(
        (int) LocalDate.parse(text).toEpochDay(),
        Strict.column(DataTypes.DATE()).value('"' + text + '"'));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"0000-12-31\"",
        "\"10000-01-01\"",
        "\"-0001-01-01\"",
        "\"2023-02-29\"",
        "\"1900-02-29\"",
        "\"2024-04-31\"",
        "\"2024-13-01\"",
        "\"2024-00-01\"",
        "\"2024-01-00\"",
        "\"2024-1-1\"",
        "\"2024/01/01\"",
        "\"20240101\"",
        "\"2024-01-01T00:00:00\"",
        "\" 2024-01-01\"",
        "\"2024-01-01 \"",
        "\"٢٠٢٤-٠١-٠١\"",
        "\"\"",
        "\".\"",
        "19723",
        "true",
        "{}",
      })
  void notDates(String json) throws Exception {
    Strict.column(DataTypes.DATE()).refuses(json, "date");
  }

  @ParameterizedTest
  @CsvSource({
    "2009-12-01T07:45:00.000Z,          2009-12-01T07:45:00Z",
    "2009-12-01 07:45:00Z,              2009-12-01T07:45:00Z",
    "2009-12-01T07:45Z,                 2009-12-01T07:45:00Z",
    "2009-12-01T07:45+02:00,            2009-12-01T05:45:00Z",
    "2009-12-01T07:45:00+02:00,         2009-12-01T05:45:00Z",
    "2009-12-01T07:45:00.5-0530,        2009-12-01T13:15:00.500Z",
    "2009-12-01T07:45:00-00:00,         2009-12-01T07:45:00Z",
    "2009-12-01T07:45:00.123456Z,       2009-12-01T07:45:00.123456Z",
    "2009-12-01T07:45:00.123456000Z,    2009-12-01T07:45:00.123456Z",
    "1969-12-31T23:59:59.999999Z,       1969-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z,              0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z,       9999-12-31T23:59:59.999999Z",
    "2024-02-29T00:00:00+18:00,         2024-02-28T06:00:00Z",
  })
  void timestampsWithZone(String text, Instant expected) throws Exception {
    assertEquals(
        TimestampData.fromInstant(expected),
        Strict.column(DataTypes.TIMESTAMP_LTZ(6)).value('"' + text + '"'));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"2009-12-01T07:45:00\"",
        "\"2009-12-01T07:45:00.000\"",
        "\"2009-12-01\"",
        "\"2009-12-01Z\"",
        "\"2009-12-01t07:45:00Z\"",
        "\"2009-12-01T07:45:00z\"",
        "\"2009-12-01  07:45:00Z\"",
        "\"2009-12-01T07:45:00 Z\"",
        "\"2009-12-01T07:45:00ZZ\"",
        "\"2009-12-01T07:45:00.Z\"",
        "\"2009-12-01T07:45:00,5Z\"",
        "\"2009-12-01T07:45.5Z\"",
        "\"2009-12-01T07:45:Z\"",
        "\"2009-12-01T07Z\"",
        "\"2009-12-01T7:45:00Z\"",
        "\"2009-12-01T24:00:00Z\"",
        "\"2009-12-01T07:60:00Z\"",
        "\"2009-12-01T07:45:60Z\"",
        "\"2009-12-01T07:45:00.1234567890Z\"",
        "\"2009-12-01T07:45:00.1234567Z\"",
        "\"2009-12-01T07:45:00.000000001Z\"",
        "\"2009-12-01T07:45:00+02\"",
        "\"2009-12-01T07:45:00+2:00\"",
        "\"2009-12-01T07:45:00+02:60\"",
        "\"2009-12-01T07:45:00+18:01\"",
        "\"2009-12-01T07:45:00+02:00:00\"",
        "\"2009-12-01T07:45:00[UTC]\"",
        "\"2009-02-29T07:45:00Z\"",
        "\"0001-01-01T00:00:00+00:01\"",
        "\"9999-12-31T23:59:00-00:01\"",
        "\"\"",
        "\"Z\"",
        "\".5Z\"",
        "1259653500000",
        "1259653500.5",
      })
  void notTimestampsWithZone(String json) throws Exception {
    Strict.column(DataTypes.TIMESTAMP_LTZ(6)).refuses(json, "timestamp");
  }

  @ParameterizedTest
  @CsvSource({
    "2009-12-01T07:45:00.000,       2009-12-01T07:45:00",
    "2009-12-01 07:45:00.123456,    2009-12-01T07:45:00.123456",
    "2009-12-01T07:45,              2009-12-01T07:45:00",
    "0001-01-01T00:00:00,           0001-01-01T00:00:00",
    "9999-12-31T23:59:59.999999,    9999-12-31T23:59:59.999999",
  })
  void timestampsWithoutZone(String text, LocalDateTime expected) throws Exception {
    assertEquals(
        TimestampData.fromLocalDateTime(expected),
        Strict.column(DataTypes.TIMESTAMP(6)).value('"' + text + '"'));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"2009-12-01T07:45:00Z\"",
        "\"2009-12-01T07:45:00+02:00\"",
        "\"2009-12-01T07:45:00.0000001\"",
        "\"2009-12-01\"",
        "\"2009-12-01T\"",
        "1259653500000",
        "[2009,12,1]",
      })
  void notTimestampsWithoutZone(String json) throws Exception {
    Strict.column(DataTypes.TIMESTAMP(6)).refuses(json, "timestamp_ntz");
  }

  @ParameterizedTest
  @CsvSource({
    "0, 2009-12-01T07:45:00.999999999Z,  2009-12-01T07:45:00Z",
    "3, 2009-12-01T07:45:00.123999999Z,  2009-12-01T07:45:00.123Z",
    "3, 1969-12-31T23:59:59.999999999Z,  1969-12-31T23:59:59.999Z",
    "5, 2009-12-01T07:45:00.123456Z,     2009-12-01T07:45:00.12345Z",
    "7, 2009-12-01T07:45:00.123456700Z,  2009-12-01T07:45:00.1234567Z",
    "9, 2009-12-01T07:45:00.123456789Z,  2009-12-01T07:45:00.123456789Z",
  })
  void precision(int precision, String text, Instant expected) throws Exception {
    assertEquals(
        TimestampData.fromInstant(expected),
        Strict.column(DataTypes.TIMESTAMP_LTZ(precision)).value('"' + text + '"'));
  }

  @Test
  void fineDigitsAreRefusedWhereTheColumnIsFine() throws Exception {
    Strict.column(DataTypes.TIMESTAMP_LTZ(7))
        .refuses("\"2009-12-01T07:45:00.123456789Z\"", "timestamp");
  }

  @Test
  void agreesWithTheJdk() throws Exception {
    Random random = new Random(20_260_102);
    Strict column = Strict.column(DataTypes.TIMESTAMP_LTZ(9));
    long first = Instant.parse("0001-01-02T00:00:00Z").getEpochSecond();
    long last = Instant.parse("9999-12-30T00:00:00Z").getEpochSecond();
    for (int round = 0; round < 20_000; round++) {
      Instant instant =
          Instant.ofEpochSecond(random.nextLong(first, last), random.nextInt(1_000_000_000));
      int minutes = random.nextInt(-18 * 60, 18 * 60 + 1);
      OffsetDateTime text = instant.atOffset(ZoneOffset.ofTotalSeconds(minutes * 60));
      assertEquals(TimestampData.fromInstant(instant), column.value("\"" + text + '"'));
    }
  }

  @Test
  void nulls() throws Exception {
    assertNull(Strict.column(DataTypes.DATE()).value("null"));
    assertNull(Strict.column(DataTypes.TIMESTAMP(3)).value("null"));
    assertNull(Strict.column(DataTypes.TIMESTAMP_LTZ(3)).value("null"));
  }
}
