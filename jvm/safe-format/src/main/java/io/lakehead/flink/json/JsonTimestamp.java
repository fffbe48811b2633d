package io.lakehead.flink.json;

import java.io.IOException;
import java.time.LocalDate;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.table.data.TimestampData;

/**
 * A string with date and time in ISO-8601, of the years 1 to 9999 in UTC; with a zone or without
 * one, as declared.
 *
 * <p>Digits beyond the declared precision are refused where it is microseconds or finer, unless
 * they are zeros: what is that fine is meant. Below, they are cut off: clocks write microseconds
 * whoever reads them.
 */
final class JsonTimestamp extends JsonType {

  private static final long serialVersionUID = 1L;

  private static final int EXACT_PRECISION = 6;
  private static final long SECONDS_OF_DAY = 86_400;
  private static final long FIRST_SECOND = LocalDate.of(1, 1, 1).toEpochDay() * SECONDS_OF_DAY;
  private static final long END_SECOND = LocalDate.of(10_000, 1, 1).toEpochDay() * SECONDS_OF_DAY;

  private final boolean zoned;
  private final boolean exact;
  private final int unitNanos;

  private JsonTimestamp(String name, boolean zoned, int precision) {
    super(name);
    this.zoned = zoned;
    this.exact = precision >= EXACT_PRECISION;
    int nanos = 1_000_000_000;
    for (int i = 0; i < precision; i++) {
      nanos /= 10;
    }
    this.unitNanos = nanos;
  }

  static JsonTimestamp withZone(int precision) {
    return new JsonTimestamp("timestamp", true, precision);
  }

  static JsonTimestamp withoutZone(int precision) {
    return new JsonTimestamp("timestamp_ntz", false, precision);
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    if (token != JsonToken.VALUE_STRING) {
      return in.refuse(this);
    }
    JsonParser parser = in.parser;
    char[] chars = parser.getTextCharacters();
    TimeText text = new TimeText(chars, parser.getTextOffset(), parser.getTextLength());
    long second = text.date() * SECONDS_OF_DAY;
    text.separator();
    second += text.timeOfDay();
    int nanos = text.fraction();
    if (zoned) {
      second -= text.offset();
    }
    int beyond = nanos % unitNanos;
    if (text.failed()
        || !text.isAtEnd()
        || second < FIRST_SECOND
        || second >= END_SECOND
        || (exact && beyond != 0)) {
      return in.refuse(this);
    }
    nanos -= beyond;
    return TimestampData.fromEpochMillis(second * 1_000 + nanos / 1_000_000, nanos % 1_000_000);
  }
}
