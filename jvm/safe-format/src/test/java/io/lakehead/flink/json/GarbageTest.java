package io.lakehead.flink.json;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.junit.jupiter.api.Test;

/** Damage to a good record: it is decoded or refused with a cause, and nothing else happens. */
class GarbageTest {

  private static final DataTypes.Field[] COLUMNS = {
    DataTypes.FIELD("s", DataTypes.STRING()),
    DataTypes.FIELD("b", DataTypes.BOOLEAN()),
    DataTypes.FIELD("i", DataTypes.INT()),
    DataTypes.FIELD("l", DataTypes.BIGINT()),
    DataTypes.FIELD("f", DataTypes.FLOAT()),
    DataTypes.FIELD("d", DataTypes.DOUBLE()),
    DataTypes.FIELD("n", DataTypes.DECIMAL(12, 3)),
    DataTypes.FIELD("m", DataTypes.DECIMAL(38, 10)),
    DataTypes.FIELD("t", DataTypes.DATE()),
    DataTypes.FIELD("z", DataTypes.TIMESTAMP_LTZ(6)),
    DataTypes.FIELD("w", DataTypes.TIMESTAMP(3)),
    DataTypes.FIELD("y", DataTypes.BYTES()),
    DataTypes.FIELD(
        "o",
        DataTypes.ROW(
            DataTypes.FIELD("a", DataTypes.ARRAY(DataTypes.INT())),
            DataTypes.FIELD("k", DataTypes.MAP(DataTypes.STRING(), DataTypes.DATE()))))
  };

  private static final String GOOD =
      """
      {"s":"é\\u00e9😀","b":true,"i":-12,"l":9223372036854775807,"f":1.5,"d":1e-7,"n":6.95,
       "m":"12345678901234567890.5","t":"2024-02-29","z":"2009-12-01T07:45:00.123+02:00",
       "w":"2009-12-01 07:45","y":"aGVsbG8=","u":{"v":[1,{"w":null}]},
       "o":{"a":[1,null,3],"k":{"x":"1970-01-01","":null}}}
      """;

  /** Pieces that mean something where they land. */
  private static final String[] PIECES = {
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\",
    "null",
    "true",
    "0",
    "9",
    "-",
    ".",
    "e9",
    "\"a\":",
    "\\ud83d",
    "é",
    "\0",
    "T",
    "Z",
    "=",
    "{\"s\":1},"
  };

  private static final int ROUNDS = 20_000;

  @Test
  void isRefusedWithACauseOrDecoded() throws Exception {
    Strict strict = Strict.aliased("old:s,t2:t", COLUMNS);
    byte[] good = GOOD.getBytes(UTF_8);
    GenericRowData expected = strict.decode(good);
    Random random = new Random(20_260_102);
    int refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
      byte[] damaged = damage(good, random);
      try {
        assertEquals(COLUMNS.length, strict.decode(damaged).getArity());
      } catch (RefusedRecordException e) {
        refused++;
        check(e.getMessage());
      }
      assertEquals(expected, strict.decode(good), () -> "spoiled by " + Arrays.toString(damaged));
    }
    assertTrue(refused > ROUNDS / 2 && refused < ROUNDS, refused + " refused");
  }

  private static void check(String cause) {
    assertFalse(cause.isBlank());
    assertTrue(cause.length() <= RefusedRecordException.MAX_CHARS, cause);
    assertTrue(cause.codePoints().noneMatch(Character::isISOControl), cause);
    assertEquals(cause, Printable.line(cause, Integer.MAX_VALUE - 8));
  }

  private static byte[] damage(byte[] good, Random random) {
    String text = new String(good, UTF_8);
    int at = random.nextInt(text.length());
    int end = Math.min(text.length(), at + random.nextInt(6));
    String piece = PIECES[random.nextInt(PIECES.length)];
    switch (random.nextInt(5)) {
      case 0 -> text = text.substring(0, at);
      case 1 -> text = text.substring(0, at) + piece + text.substring(at);
      case 2 -> text = text.substring(0, at) + piece + text.substring(end);
      case 3 -> text = text.substring(0, at) + text.substring(end);
      default -> {
        byte[] bytes = good.clone();
        for (int i = random.nextInt(4); i >= 0; i--) {
          bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
        }
        return bytes;
      }
    }
    return text.getBytes(UTF_8);
  }
}
