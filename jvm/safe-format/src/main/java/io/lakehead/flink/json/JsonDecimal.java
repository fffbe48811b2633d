package io.lakehead.flink.json;

import java.io.IOException;
import java.math.BigDecimal;
import java.util.stream.LongStream;
import javax.annotation.Nullable;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.table.data.DecimalData;

/**
 * A JSON number, or the same without an exponent in a string, since many producers' numbers are
 * doubles and keep 15 digits. What does not fit is refused, never rounded.
 */
final class JsonDecimal extends JsonType {

  private static final long serialVersionUID = 1L;

  /** Digits and powers of ten that a long holds whatever they are. */
  private static final int LONG_DIGITS = 18;

  private static final long[] POWERS_OF_TEN =
      LongStream.iterate(1, power -> power * 10).limit(LONG_DIGITS + 1).toArray();

  /** The same bound as the parser has for numbers: larger ones take long to read. */
  private static final int MAX_CHARS = 1_000;

  private final int precision;
  private final int scale;

  JsonDecimal(int precision, int scale) {
    super("decimal(" + precision + "," + scale + ")");
    this.precision = precision;
    this.scale = scale;
  }

  @Override
  Object read(RecordReader in, JsonToken token) throws IOException {
    JsonParser parser = in.parser;
    boolean text = token == JsonToken.VALUE_STRING;
    if (!text && !token.isNumeric()) {
      return in.refuse(this);
    }
    char[] chars = parser.getTextCharacters();
    int from = parser.getTextOffset();
    int length = parser.getTextLength();
    if (text && !isPlain(chars, from, from + length)) {
      return in.refuse(this);
    }
    DecimalData value =
        length <= LONG_DIGITS && precision <= LONG_DIGITS && hasNoExponent(chars, from, length)
            ? ofShort(chars, from, from + length)
            : ofAny(chars, from, length);
    return value != null ? value : in.refuse(this);
  }

  /** Whether the text is {@code -?(0|[1-9][0-9]*)([.][0-9]+)?}. */
  private static boolean isPlain(char[] chars, int from, int to) {
    int whole = from < to && chars[from] == '-' ? from + 1 : from;
    int point = skipDigits(chars, whole, to);
    boolean leadingZero = point - whole > 1 && chars[whole] == '0';
    if (point == whole || leadingZero || to - from > MAX_CHARS) {
      return false;
    }
    return point == to
        || (chars[point] == '.' && point + 1 < to && skipDigits(chars, point + 1, to) == to);
  }

  private static int skipDigits(char[] chars, int from, int to) {
    int i = from;
    while (i < to && chars[i] >= '0' && chars[i] <= '9') {
      i++;
    }
    return i;
  }

  private static boolean hasNoExponent(char[] chars, int from, int length) {
    for (int i = from; i < from + length; i++) {
      if ((chars[i] | 0x20) == 'e') {
        return false;
      }
    }
    return true;
  }

  @Nullable
  private DecimalData ofShort(char[] chars, int from, int to) {
    long digits = 0;
    int point = to - 1;
    for (int i = from; i < to; i++) {
      if (chars[i] == '.') {
        point = i;
      } else if (chars[i] != '-') {
        digits = digits * 10 + (chars[i] - '0');
      }
    }
    int fraction = to - 1 - point;
    if (fraction > scale) {
      long excess = POWERS_OF_TEN[fraction - scale];
      if (digits % excess != 0) {
        return null;
      }
      digits /= excess;
      fraction = scale;
    }
    int missing = scale - fraction;
    if (digits >= POWERS_OF_TEN[precision - missing]) {
      return null;
    }
    long unscaled = digits * POWERS_OF_TEN[missing];
    return DecimalData.fromUnscaledLong(
        chars[from] == '-' ? -unscaled : unscaled, precision, scale);
  }

  @Nullable
  private DecimalData ofAny(char[] chars, int from, int length) {
    BigDecimal value;
    try {
      value = new BigDecimal(chars, from, length);
    } catch (NumberFormatException exponentTooLarge) {
      return null;
    }
    if (value.signum() == 0) {
      return DecimalData.zero(precision, scale);
    }
    // Compared before it is scaled: 1e999999999 would be written out.
    BigDecimal shortest = value.stripTrailingZeros();
    long wholeDigits = (long) shortest.precision() - shortest.scale();
    return wholeDigits <= precision - scale && shortest.scale() <= scale
        ? DecimalData.fromBigDecimal(shortest, precision, scale)
        : null;
  }
}
