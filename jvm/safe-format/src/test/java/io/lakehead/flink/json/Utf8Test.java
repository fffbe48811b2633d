package io.lakehead.flink.json;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Utf8Test {

  @Test
  void agreesWithTheJdk() {
    Random random = new Random(20_260_102);
    int valid = 0;
    for (int round = 0; round < 200_000; round++) {
      byte[] bytes = bytes(random);
      int expected = firstInvalid(bytes);
      assertEquals(expected, Utf8.firstInvalid(bytes), () -> Arrays.toString(bytes));
      valid += expected < 0 ? 1 : 0;
    }
    assertEquals(true, valid > 10_000 && valid < 190_000, "one-sided: " + valid);
  }

  /** Characters of all lengths, and a damaged byte now and then. */
  private static byte[] bytes(Random random) {
    StringBuilder text = new StringBuilder();
    for (int i = random.nextInt(24); i > 0; i--) {
      int bits = 7 + random.nextInt(4) * 5;
      int character = random.nextInt(Math.min(1 << bits, Character.MAX_CODE_POINT + 1));
      if (Character.getType(character) != Character.SURROGATE) {
        text.appendCodePoint(character);
      }
    }
    byte[] bytes = text.toString().getBytes(UTF_8);
    if (bytes.length > 0 && random.nextBoolean()) {
      bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
    }
    return random.nextInt(4) == 0 ? Arrays.copyOf(bytes, bytes.length * 3 / 4) : bytes;
  }

  private static int firstInvalid(byte[] bytes) {
    CharsetDecoder decoder = UTF_8.newDecoder();
    ByteBuffer in = ByteBuffer.wrap(bytes);
    return decoder.decode(in, CharBuffer.allocate(bytes.length + 1), true).isError()
        ? in.position()
        : -1;
  }
}
