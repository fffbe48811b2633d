package io.lakehead.flink.json;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_16LE;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Records that are no JSON object in UTF-8. */
class MalformedTest {

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"v\":1,        | malformed JSON: Unexpected end-of-input within/between Object entries"
            + " at byte 7",
        "{\"v\":1         | malformed JSON: Unexpected end-of-input: expected close marker for"
            + " Object at byte 6",
        "{'v':1}          | malformed JSON: Unexpected character (''' (code 39)): was expecting"
            + " double-quote to start field name at byte 1",
        "{\"v\":\"x}      | malformed JSON: Unexpected end-of-input in VALUE_STRING at byte 8",
        "{\"v\":1,}       | malformed JSON: Unexpected character ('}' (code 125)): was expecting"
            + " double-quote to start field name at byte 7",
        "{\"v\":1/**/}    | malformed JSON: Unexpected character ('/' (code 47)): maybe a (non-"
            + "standard) comment?",
        "{\"v\":yes}      | malformed JSON: Unrecognized token 'yes'",
        "{\"u\":[1,2}     | malformed JSON: Unexpected close marker '}': expected ']' at byte 9",
        "{\"v\":\"a\",\"v | malformed JSON: Unexpected end-of-input in field name at byte 11",
        "{\"v\":1}{}      | trailing content: the JSON text ends before byte 7 of 9",
        "{\"v\":\"a\"} x  | trailing content: the JSON text ends before byte 10 of 11",
        "{}]              | trailing content: the JSON text ends before byte 2 of 3",
        "{},              | trailing content: the JSON text ends before byte 2 of 3",
        "[{\"v\":1}]      | not a JSON object: byte 0 of the record is 0x5b",
        "null             | not a JSON object: byte 0 of the record is 0x6e",
        "` `              | blank: the record is white space only",
        "``               | blank: the record is white space only",
      })
  void saysWhereAndWhy(String record, String cause) throws Exception {
    String actual = Strict.column(DataTypes.INT()).cause(record);
    assertTrue(actual.startsWith(cause), actual);
    assertTrue(!actual.contains("Source") && !actual.contains("Stream"), actual);
  }

  /** Bytes are counted from the start of the record, whatever comes before the object. */
  @Test
  void countsTheByteOrderMark() throws Exception {
    Strict strict = Strict.column(DataTypes.INT());
    assertEquals(GenericRowData.of(1), strict.decode("\ufeff\n {\"v\":1}\r\n\t "));
    String trailing = "trailing content: the JSON text ends before byte 13 of 14";
    assertEquals(trailing, strict.cause("\ufeff\n {\"v\":1} x"));
    assertTrue(strict.cause("\ufeff\n {'v':1}").endsWith("field name at byte 6"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"[", "{\"u\":", "{\"v\":"})
  void hostileNesting(String open) throws Exception {
    String deep = open.repeat(100_000);
    for (String key : new String[] {"u", "v"}) {
      String cause = Strict.column(DataTypes.INT()).cause("{\"" + key + "\":" + deep);
      assertTrue(
          cause.startsWith(
              "malformed JSON: Document nesting depth (1001) exceeds the maximum allowed (1000) at"
                  + " byte "),
          cause);
    }
  }

  @Test
  void hostileNumbersAndNames() throws Exception {
    Strict strict = Strict.column(DataTypes.DOUBLE());
    for (String number : new String[] {"1".repeat(500_000), "0." + "1".repeat(500_000)}) {
      String cause = strict.cause("{\"v\":" + number + "}");
      assertTrue(cause.startsWith("malformed JSON: Number value length"), cause);
    }
    String cause = strict.cause("{\"" + "n".repeat(500_000) + "\":1}");
    assertTrue(cause.startsWith("malformed JSON: Name length"), cause);
  }

  /** What fails in a record that is not JSON at all says nothing. */
  @Test
  void comesBeforeFailuresOfTypes() throws Exception {
    Strict strict = Strict.column(DataTypes.INT());
    assertTrue(strict.cause("{\"v\":\"x\",}").startsWith("malformed JSON: "));
    assertTrue(strict.cause("{\"v\":\"x\"}{}").startsWith("trailing content: "));
  }

  @Test
  void otherEncodings() throws Exception {
    Strict strict = Strict.column(DataTypes.STRING());
    String wide = "not UTF-8: the record looks like UTF-16 or UTF-32";
    assertEquals(wide, strict.cause("{\"v\":\"a\"}".getBytes(UTF_16LE)));
    assertEquals(
        "not UTF-8: byte 6 of the record is 0xe9",
        strict.cause("{\"v\":\"é\"}".getBytes(ISO_8859_1)));
    String cause = strict.cause((" {\0\"\0v\0\"\0:\0\"\0a\0\"\0}\0"));
    assertTrue(cause.startsWith("malformed JSON: Illegal character"), cause);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "c0 80",
        "c1 bf",
        "e0 80 80",
        "e0 9f bf",
        "ed a0 80",
        "ed bf bf",
        "f0 80 80 80",
        "f0 8f bf bf",
        "f4 90 80 80",
        "f5 80 80 80",
        "fe",
        "ff",
        "80",
        "c3",
        "e2 82",
        "f0 9f 98"
      })
  void bytesThatAreNoCharacter(String hex) throws Exception {
    for (String key : new String[] {"v", "unknown"}) {
      ByteArrayOutputStream record = new ByteArrayOutputStream();
      record.writeBytes(("{\"" + key + "\":\"x").getBytes(UTF_8));
      String[] bytes = hex.split(" ");
      String cause =
          String.format("not UTF-8: byte %d of the record is 0x%s", record.size(), bytes[0]);
      for (String b : bytes) {
        record.write(Integer.parseInt(b, 16));
      }
      record.writeBytes("\"}".getBytes(UTF_8));
      assertEquals(cause, Strict.column(DataTypes.STRING()).cause(record.toByteArray()));
    }
  }
}
