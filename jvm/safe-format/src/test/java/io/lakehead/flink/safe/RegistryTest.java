package io.lakehead.flink.safe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.types.DataType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a schema registry answers, or does not: when it is the record's fault and when it is not.
 */
class RegistryTest {

  private static final String SCHEMA =
      "{\"type\":\"record\",\"name\":\"order\",\"fields\":["
          + "{\"name\":\"id\",\"type\":[\"null\",\"string\"],\"default\":null}]}";
  private static final DataType COLUMNS =
      DataTypes.ROW(DataTypes.FIELD("id", DataTypes.STRING())).notNull();

  private FakeRegistry registry;
  private Schema schema;

  @BeforeEach
  void start() throws IOException {
    registry = new FakeRegistry();
    schema = registry.add(7, SCHEMA);
  }

  @AfterEach
  void stop() {
    registry.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"strict-avro", "avro-confluent"})
  void wellFormed(String inner) throws Exception {
    Decoding decoding = decoding(inner);
    assertEquals("o-1", decoding.one(order(7)).getField(0).toString());
    assertEquals("o-1", decoding.one(order(7)).getField(0).toString());
    assertEquals(1, registry.requests.get());
  }

  @ParameterizedTest
  @CsvSource({
    "strict-avro,    no schema id: byte 0 of the record is 0x7b",
    "avro-confluent, Unknown data format. Magic number does not match",
  })
  void wrongMagicByte(String inner, String cause) throws Exception {
    refused(decoding(inner), "{\"id\":\"o-1\"}".getBytes(), cause);
    assertEquals(0, registry.requests.get());
  }

  @ParameterizedTest
  @CsvSource({
    "strict-avro,    3, no schema id: the record has 3 bytes",
    "strict-avro,    5, unexpected end of the record",
    "strict-avro,    8, a length of 3 stands before the last 1 bytes",
    "avro-confluent, 3, unexpected end of the record",
    "avro-confluent, 8, unexpected end of the record",
  })
  void truncated(String inner, int length, String cause) throws Exception {
    Decoding decoding = decoding(inner);
    refused(decoding, Arrays.copyOf(order(7), length), cause);
    assertNull(decoding.error(order(7)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"strict-avro", "avro-confluent"})
  void trailingContent(String inner) throws Exception {
    Decoding decoding = decoding(inner);
    refused(decoding, Samples.concat(order(7), new byte[] {0}), "trailing content: ");
    assertEquals("o-1", decoding.one(order(7)).getField(0).toString());
  }

  @ParameterizedTest
  @CsvSource({
    "strict-avro,    the schema registry knows no schema with the id 8",
    "avro-confluent, Could not find schema with id 8 in registry: Schema not found",
  })
  void unknownIdUntilItIsRegistered(String inner, String cause) throws Exception {
    Decoding decoding = decoding(inner);
    refused(decoding, order(8), cause);
    registry.add(8, SCHEMA);
    assertNull(decoding.error(order(8)));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "strict-avro    | 500 | {\"error_code\":50001,\"message\":\"store\"}",
        "avro-confluent | 500 | {\"error_code\":50001,\"message\":\"store\"}",
        "strict-avro    | 503 | <html>busy</html>",
        "avro-confluent | 503 | <html>busy</html>",
        "strict-avro    | 401 | {\"error_code\":401,\"message\":\"who\"}",
        "avro-confluent | 401 | {\"error_code\":401,\"message\":\"who\"}",
        "strict-avro    | 429 | ``",
        "strict-avro    | 404 | <html>no such page</html>",
        "avro-confluent | 404 | <html>no such page</html>",
        "strict-avro    | 200 | <html>a proxy</html>",
        "strict-avro    | 0   | ``",
        "avro-confluent | 0   | ``",
      })
  void noAnswerFailsTheTask(String inner, int status, String body) throws Exception {
    Decoding decoding = decoding(inner);
    registry.answerWith(status, body);
    byte[] record = order(7);
    Throwable thrown = assertThrows(IOException.class, () -> decoding.one(record));
    assertTrue(String.valueOf(thrown.getMessage()).length() > 0, thrown::toString);
    registry.answerRightly();
    assertNull(decoding.error(record), "the same record, once the registry is back");
  }

  @ParameterizedTest
  @ValueSource(strings = {"strict-avro", "avro-confluent"})
  void unreachableFailsTheTask(String inner) throws Exception {
    Decoding decoding = decoding(inner);
    assertNull(decoding.error(order(7)));
    registry.close();
    assertNull(decoding.error(order(7)), "a schema that is known needs no registry");
    assertThrows(IOException.class, () -> decoding.one(order(9)));
  }

  private Decoding decoding(String inner) throws Exception {
    String properties = inner + ".properties.";
    String[] options = {
      inner + ".url", registry.url(), properties + "http.read.timeout.ms", "300",
    };
    if (inner.equals("strict-avro")) {
      options = Arrays.copyOf(options, 6);
      options[4] = "strict-avro.schema";
      options[5] = SCHEMA;
    }
    return Decoding.of(inner, COLUMNS, options);
  }

  private byte[] order(int id) throws IOException {
    GenericData.Record order = new GenericData.Record(schema);
    order.put("id", "o-1");
    return FakeRegistry.record(id, schema, order);
  }

  private static void refused(Decoding decoding, byte[] record, String cause) throws IOException {
    String error = decoding.error(record);
    assertTrue(error != null && error.startsWith(cause), () -> "cause: " + error);
  }
}
