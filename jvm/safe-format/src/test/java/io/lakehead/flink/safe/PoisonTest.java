package io.lakehead.flink.safe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.table.data.GenericRowData;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Records that no format should accept, and what is said of them. */
class PoisonTest {

  private static final String JSON = "json";
  private static final String STRICT = "strict-json";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"id\":\"o-1\",                | Unexpected end-of-input",
        "{\"qty\":\"many\"}              | Fail to deserialize at field: qty: For input string:"
            + " \"many\"",
        "{\"qty\":99999999999}           | Fail to deserialize at field: qty: For input string",
        "{\"qty\":{\"a\":1}}             | Fail to deserialize at field: qty: For input string:"
            + " \"\"",
        "{\"at\":\"2026-01-02\"}         | Fail to deserialize at field: at: Text '2026-01-02'"
            + " could not",
        "{'id':1}                        | Unexpected character (''' (code 39))",
      })
  void json(String record, String cause) throws Exception {
    refused(order(JSON), bytes(record), cause);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"id\":\"o-1\",                | malformed JSON: Unexpected end-of-input",
        "{\"qty\":\"many\"}              | qty.type: is \"many\", expected int",
        "{\"qty\":99999999999}           | qty.type: is 99999999999, expected int",
        "{\"qty\":{\"a\":1}}             | qty.type: is {\"a\":1}, expected int",
        "{\"qty\":1.9,\"id\":2}          | qty.type: is 1.9, expected int; id.type: is 2,"
            + " expected string",
        "{\"at\":\"2026-01-02\"}         | at.type: is \"2026-01-02\", expected timestamp_ntz",
        "{\"qty\":1,\"qty\":1}           | qty.repeated: is given more than once",
        "{'id':1}                        | malformed JSON: Unexpected character (''' (code 39))",
      })
  void strictJson(String record, String cause) throws Exception {
    refused(order(STRICT), bytes(record), cause);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"id\":\"o-1\"} x              | trailing content: the JSON text ends before byte 13 of"
            + " 14",
        "{\"qty\":1}{\"qty\":2}          | trailing content: the JSON text ends before byte 9 of"
            + " 18",
        "{\"id\":\"}\\\"{\"}]            | trailing content: the JSON text ends before byte 13 of"
            + " 14",
        "[{\"qty\":1}]                   | not a JSON object",
        "[{\"qty\":1},{\"qty\":2}]       | not a JSON object",
        "[{\"qty\":1},5]                 | not a JSON object",
        "[]                              | not a JSON object",
        "null                            | not a JSON object: byte 0 of the record is 0x6e",
        "17                              | not a JSON object: byte 0 of the record is 0x31",
        "`   `                           | blank: the record is white space only",
      })
  void anyJson(String record, String cause) throws Exception {
    for (String inner : List.of(JSON, STRICT)) {
      refused(order(inner), bytes(record), cause);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "o-1          | Row length mismatch. 3 fields expected but was 1",
        "o-1,many,x   | Fail to deserialize at field: qty: For input string: \"many\"",
        "o-1,1,2,3    | Too many entries: expected at most 3 (value #3 (1 chars) \"3\") at line: 1,"
            + " column: 9",
        "\"o-1        | Missing closing quote for value at line: 1, column: 5",
      })
  void csv(String record, String cause) throws Exception {
    refused(Decoding.of("csv", Samples.ORDER), bytes(record), cause);
  }

  @Test
  void csvOfSeveralLines() throws Exception {
    Decoding csv = Decoding.of("csv", Samples.ORDER);
    String cause = "trailing content: the first line ends before byte 32 of 63";
    refused(csv, bytes(Samples.CSV + "\n" + Samples.CSV), cause);
    assertNull(csv.error(Samples.CSV + "\r\n"));
    assertNull(csv.error(Samples.CSV.replace("o-1", "\"two\nlines\"")));
    Decoding single = Decoding.of("csv", Samples.ORDER, "csv.quote-character", "'");
    assertNull(single.error("'two\nlines',3,2026-01-02 03:04:05"));
  }

  @Test
  void avro() throws Exception {
    Decoding avro = Decoding.of("avro", Samples.ORDER);
    refused(avro, Arrays.copyOf(Samples.avro(), 5), "unexpected end of the record");
    refused(avro, new byte[] {6, 'o', '-', '1', 6}, "ArrayIndexOutOfBoundsException: Index 3");
    refused(avro, Samples.concat(Samples.avro(), new byte[] {0}), "trailing content");
  }

  @Test
  void badAvroRecordDoesNotSpoilTheNextOnes() throws Exception {
    Decoding avro = Decoding.of("avro", Samples.ORDER);
    avro.one(Samples.concat(Samples.avro("a", 1), Samples.avro("b", 2)));
    assertEquals("c", avro.one(Samples.avro("c", 3)).getField(0).toString());
    avro.one(Arrays.copyOf(Samples.avro(), 3));
    assertEquals("d", avro.one(Samples.avro("d", 4)).getField(0).toString());
    assertEquals("e", avro.one(Samples.avro("e", 5)).getField(0).toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {JSON, STRICT, "csv", "avro"})
  void anyFormat(String inner) throws Exception {
    Decoding decoding = Decoding.of(inner, Samples.ORDER, "max-record-bytes", "100");
    refused(decoding, null, "tombstone: the record has no value");
    refused(decoding, new byte[0], "empty: the record's value has no bytes");
    refused(
        decoding, new byte[101], "too large: the record has 101 bytes, max-record-bytes is 100");
  }

  @ParameterizedTest
  @CsvSource({"json, Invalid UTF-8", "strict-json, not UTF-8: byte 7 of the record is 0xe9"})
  void encodingsOtherThanUtf8(String inner, String cause) throws Exception {
    Decoding json = order(inner);
    String wide = "not UTF-8: the record looks like UTF-16 or UTF-32";
    refused(json, Samples.JSON.getBytes(StandardCharsets.UTF_16), wide);
    refused(json, Samples.JSON.getBytes(StandardCharsets.UTF_16LE), wide);
    refused(json, Samples.JSON.getBytes(StandardCharsets.UTF_16BE), wide);
    refused(json, "{\"id\":\"é\"}".getBytes(StandardCharsets.ISO_8859_1), cause);
  }

  @ParameterizedTest
  @ValueSource(strings = {"true", "false"})
  void hostileNesting(String jsonParser) throws Exception {
    Decoding json = Decoding.of(JSON, Samples.ORDER, "json.decode.json-parser.enabled", jsonParser);
    refused(json, bytes("{\"id\":" + "[".repeat(500_000)), "");
    refused(json, bytes("{\"x\":" + "{\"x\":".repeat(100_000)), "");
  }

  @Test
  void hostileNestingInStrictJson() throws Exception {
    String cause =
        "malformed JSON: Document nesting depth (1001) exceeds the maximum allowed (1000)";
    refused(order(STRICT), bytes("{\"id\":" + "[".repeat(500_000)), cause);
    refused(order(STRICT), bytes("{\"x\":" + "{\"x\":".repeat(100_000)), cause);
  }

  @ParameterizedTest
  @ValueSource(strings = {JSON, STRICT})
  void goodRecordWithByteOrderMarkAndSpace(String inner) throws Exception {
    assertNull(order(inner).error("\ufeff " + Samples.JSON + "\r\n\t "));
  }

  @Test
  void ignoredParseErrorsAreNotDropped() throws Exception {
    Decoding json = Decoding.of(JSON, Samples.ORDER, "json.ignore-parse-errors", "true");
    refused(json, bytes("{\"id\":"), "no row: the record was decoded to nothing");
  }

  private static void refused(Decoding decoding, byte[] record, String cause) throws Exception {
    GenericRowData row = decoding.one(record);
    String error = decoding.error(row);
    assertTrue(error != null && error.startsWith(cause), () -> "cause: " + error);
    assertTrue(error.length() <= CauseText.MAX_CHARS && !error.contains("\n"), error);
    assertArrayEquals(record, (byte[]) decoding.raw(row));
    for (int i = 0; i < row.getArity() - 2; i++) {
      assertNull(row.getField(i));
    }
    assertEquals(error, decoding.error(record), "the cause differs from one time to the next");
  }

  /** Reads orders in a JSON format. */
  private static Decoding order(String inner) throws Exception {
    return Decoding.of(inner, Samples.ORDER, Samples.jsonOptions(inner));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
