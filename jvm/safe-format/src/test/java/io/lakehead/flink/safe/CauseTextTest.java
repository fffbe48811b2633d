package io.lakehead.flink.safe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.types.DataType;
import org.junit.jupiter.api.Test;

class CauseTextTest {

  @Test
  void joinsWhatInforms() {
    Throwable root = new NumberFormatException("For input string: \"x\"");
    Throwable field = new RuntimeException("Fail to deserialize at field: qty.", root);
    Throwable outer = new IOException("Failed to deserialize JSON '{\"qty\":\"x\"}'.", field);
    assertEquals("Fail to deserialize at field: qty: For input string: \"x\"", CauseText.of(outer));
  }

  @Test
  void skipsMessagesThatRepeatTheirCause() {
    Throwable root = new IllegalArgumentException("bad date");
    assertEquals("bad date", CauseText.of(new RuntimeException(new RuntimeException(root))));
  }

  @Test
  void namesTheKindWhereThereIsNoMessage() {
    assertEquals("ArithmeticException", CauseText.of(new ArithmeticException()));
  }

  @Test
  void hasNoObjectHashes() {
    assertEquals(
        "cannot read [Ljava.lang.Object; of loader L",
        CauseText.of(
            new RuntimeException(
                "cannot read [Ljava.lang.Object;@1a2b3c4d of loader L @5e91993f")));
  }

  @Test
  void isOnePrintableLine() {
    assertEquals("a b c", CauseText.of(new RuntimeException("a\n\tb\u0000\u202ec")));
  }

  @Test
  void isShortAndKeepsCharactersWhole() {
    String text = CauseText.of(new RuntimeException("x" + "\ud83d\ude00".repeat(100_000)));
    assertTrue(text.length() <= CauseText.MAX_CHARS && text.endsWith("..."));
    assertTrue(Character.isLowSurrogate(text.charAt(text.length() - 4)));
  }

  /** What is cleaned out of other messages may be part of a value here. */
  @Test
  void leavesStrictCausesAsTheyAre() throws Exception {
    String value = "\"java.lang.X @1a2b3c4d [Source: UNKNOWN; a]  \\\\u202e..\"";
    assertEquals(
        "qty.type: is " + value + ", expected int",
        Decoding.of("strict-json", Samples.ORDER).error("{\"qty\":" + value + "}"));
  }

  @Test
  void strictCausesMayBeLonger() throws Exception {
    String value = '"' + "x".repeat(90) + '"';
    String failure = "t[0].type: is " + value + ", expected int";
    DataType numbers = DataTypes.ARRAY(DataTypes.INT());
    String record = "{\"t\":[" + value + ("," + value).repeat(9) + "]}";
    String cause =
        Decoding.of("strict-json", DataTypes.ROW(DataTypes.FIELD("t", numbers)).notNull())
            .error(record);
    assertEquals(10 * failure.length() + 9 * "; ".length(), cause.length());
  }

  @Test
  void endsWhereCausesGoRound() {
    RuntimeException a = new RuntimeException("a");
    RuntimeException b = new RuntimeException("b", a);
    a.initCause(b);
    assertEquals("a: b", CauseText.of(a));
  }
}
