package io.lakehead.flink.json;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Finds what is no UTF-8. The JSON parser takes overlong forms and encoded surrogates for
 * characters, so that two different records would give the same value.
 */
final class Utf8 {

  private static final VarHandle EIGHT_BYTES =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final long HIGH_BITS = 0x8080808080808080L;

  private Utf8() {}

  /** Returns the index of the first byte that begins no character, or -1. */
  static int firstInvalid(byte[] bytes) {
    int i = 0;
    while (i < bytes.length) {
      if (i + Long.BYTES <= bytes.length && ((long) EIGHT_BYTES.get(bytes, i) & HIGH_BITS) == 0) {
        i += Long.BYTES;
        continue;
      }
      int length = bytes[i] >= 0 ? 1 : length(bytes, i);
      if (length == 0) {
        return i;
      }
      i += length;
    }
    return -1;
  }

  /** The length of the character of several bytes at {@code i}, or 0 if there is none. */
  private static int length(byte[] bytes, int i) {
    int first = bytes[i] & 0xff;
    int second = i + 1 < bytes.length ? bytes[i + 1] & 0xff : 0;
    if (first >= 0xc2 && first <= 0xdf) {
      return continues(bytes, i + 1, 1) ? 2 : 0;
    }
    if (first >= 0xe0 && first <= 0xef) {
      boolean overlong = first == 0xe0 && second < 0xa0;
      boolean surrogate = first == 0xed && second > 0x9f;
      return !overlong && !surrogate && continues(bytes, i + 1, 2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
      boolean overlong = first == 0xf0 && second < 0x90;
      boolean beyondUnicode = first == 0xf4 && second > 0x8f;
      return !overlong && !beyondUnicode && continues(bytes, i + 1, 3) ? 4 : 0;
    }
    return 0;
  }

  private static boolean continues(byte[] bytes, int from, int count) {
    if (from + count > bytes.length) {
      return false;
    }
    for (int i = from; i < from + count; i++) {
      if ((bytes[i] & 0xc0) != 0x80) {
        return false;
      }
    }
    return true;
  }
}
