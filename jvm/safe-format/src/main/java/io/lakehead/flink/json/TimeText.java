package io.lakehead.flink.json;

import java.time.LocalDate;

/**
 * Reads a date or a time in ISO-8601 from left to right, without the objects that a formatter
 * makes. What is read is wrong once {@link #failed} is true.
 */
final class TimeText {

  private static final int MAX_OFFSET_MINUTES = 18 * 60;
  private static final int FRACTION_DIGITS = 9;

  private final char[] chars;
  private final int end;
  private int at;
  private boolean endsInSeconds;
  private boolean failed;

  TimeText(char[] chars, int from, int length) {
    this.chars = chars;
    this.at = from;
    this.end = from + length;
  }

  boolean failed() {
    return failed;
  }

  boolean isAtEnd() {
    return at == end;
  }

  /** {@code YYYY-MM-DD}, from year 1 on, as days since 1970. */
  int date() {
    int year = digits(4);
    expect('-');
    int month = digits(2);
    expect('-');
    int day = digits(2);
    if (failed || year < 1 || month < 1 || month > 12 || day < 1 || day > 31) {
      return fail();
    }
    if (day > 28 && day > LocalDate.of(year, month, 1).lengthOfMonth()) {
      return fail();
    }
    return (int) LocalDate.of(year, month, day).toEpochDay();
  }

  void separator() {
    if (!skip('T')) {
      expect(' ');
    }
  }

  /** {@code HH:MM} or {@code HH:MM:SS}, as seconds of the day. */
  int timeOfDay() {
    int hour = digits(2);
    expect(':');
    int minute = digits(2);
    endsInSeconds = skip(':');
    int second = endsInSeconds ? digits(2) : 0;
    if (hour > 23 || minute > 59 || second > 59) {
      return fail();
    }
    return (hour * 60 + minute) * 60 + second;
  }

  /** Nothing, or a point and one to nine digits, as nanoseconds. */
  int fraction() {
    // Of seconds only: 07:45.5 would be half a minute.
    if (!endsInSeconds || !skip('.')) {
      return 0;
    }
    int nanos = 0;
    int count = 0;
    while (count < FRACTION_DIGITS && at < end && isDigit(chars[at])) {
      nanos = nanos * 10 + (chars[at++] - '0');
      count++;
    }
    if (count == 0) {
      return fail();
    }
    for (; count < FRACTION_DIGITS; count++) {
      nanos *= 10;
    }
    return nanos;
  }

  /** {@code Z}, {@code +HH:MM} or {@code +HHMM}, as seconds ahead of UTC. */
  int offset() {
    if (skip('Z')) {
      return 0;
    }
    boolean behind = skip('-');
    if (!behind) {
      expect('+');
    }
    int hour = digits(2);
    skip(':');
    int minute = digits(2);
    int minutes = hour * 60 + minute;
    if (minute > 59 || minutes > MAX_OFFSET_MINUTES) {
      return fail();
    }
    return behind ? -minutes * 60 : minutes * 60;
  }

  private int digits(int count) {
    if (end - at < count) {
      return fail();
    }
    int value = 0;
    for (int i = 0; i < count; i++) {
      char c = chars[at++];
      if (!isDigit(c)) {
        return fail();
      }
      value = value * 10 + (c - '0');
    }
    return value;
  }

  private void expect(char c) {
    if (!skip(c)) {
      fail();
    }
  }

  private boolean skip(char c) {
    boolean there = at < end && chars[at] == c;
    if (there) {
      at++;
    }
    return there;
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private int fail() {
    failed = true;
    return 0;
  }
}
