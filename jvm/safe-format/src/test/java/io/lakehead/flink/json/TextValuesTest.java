package io.lakehead.flink.json;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.charset.StandardCharsets;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.StringData;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Strings, booleans and bytes. */
class TextValuesTest {

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"\"                  | ``",
        "\"12\"                | 12",
        "\"null\"              | null",
        "\"a\\\"b\\\\c\\/d\"   | a\"b\\c/d",
        "\"\\u00e9\"           | é",
        "\"日本語 é\"          | 日本語 é",
        "\"😀\"                | 😀",
        "\"\\ud83d\\ude00x\"   | 😀x",
      })
  void strings(String json, String expected) throws Exception {
    assertEquals(
        StringData.fromString(expected), Strict.column(DataTypes.STRING()).value(json.strip()));
  }

  @Test
  void stringsWithControlCharacters() throws Exception {
    assertEquals("a\u0000\n\u2028", string("\"a\\u0000\\n\\u2028\""));
  }

  @Test
  void longStrings() throws Exception {
    String text = "x😀".repeat(100_000);
    assertEquals(text, string('"' + text + '"'));
  }

  @ParameterizedTest
  @ValueSource(strings = {"12", "1.5", "true", "false", "{}", "{\"a\":[1]}", "[]", "[\"a\"]"})
  void notStrings(String json) throws Exception {
    Strict.column(DataTypes.STRING()).refuses(json, "string");
  }

  /** UTF-8 has no place for them: they would be stored as question marks. */
  @ParameterizedTest
  @ValueSource(strings = {"\"\\ud83d\"", "\"a\\ude00b\"", "\"\\ude00\\ud83d\"", "\"\\ud83dx\""})
  void halfCharacters(String json) throws Exception {
    Strict.column(DataTypes.STRING()).refuses(json, "string");
  }

  @Test
  void boundedStrings() throws Exception {
    Strict column = Strict.column(DataTypes.VARCHAR(3));
    assertEquals(StringData.fromString("😀😀😀"), column.value("\"😀😀😀\""));
    column.refuses("\"abcd\"", "string of at most 3 characters");
    column.refuses("1", "string of at most 3 characters");
  }

  @Test
  void booleans() throws Exception {
    Strict column = Strict.column(DataTypes.BOOLEAN());
    assertEquals(true, column.value("true"));
    assertEquals(false, column.value("false"));
    assertNull(column.value("null"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"\"true\"", "\"yes\"", "\"\"", "0", "1", "{}", "[true]"})
  void notBooleans(String json) throws Exception {
    Strict.column(DataTypes.BOOLEAN()).refuses(json, "boolean");
  }

  @Test
  void bytes() throws Exception {
    Strict column = Strict.column(DataTypes.BYTES());
    assertArrayEquals(new byte[0], (byte[]) column.value("\"\""));
    assertArrayEquals(
        "hello".getBytes(StandardCharsets.US_ASCII), (byte[]) column.value("\"aGVsbG8=\""));
    assertArrayEquals(new byte[] {-5, -1, -2}, (byte[]) column.value("\"+//+\""));
    assertNull(column.value("null"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"aGVsbG8\"",
        "\"aGVs bG8=\"",
        "\"-__-\"",
        "\"=\"",
        "\"====\"",
        "\"aGVsbG8=aGVs\"",
        "\"é===\"",
        "12",
        "[104]",
      })
  void notBytes(String json) throws Exception {
    Strict.column(DataTypes.BYTES()).refuses(json, "binary");
  }

  private static String string(String json) throws Exception {
    return Strict.column(DataTypes.STRING()).value(json).toString();
  }
}
