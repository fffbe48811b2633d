package io.lakehead.flink.safe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;
import org.junit.jupiter.api.Test;

class SafeFormatFactoryTest {

  @Test
  void isFoundByItsIdentifier() {
    assertNotNull(
        FactoryUtil.discoverFactory(
            getClass().getClassLoader(), DeserializationFormatFactory.class, "safe"));
  }

  @Test
  void optionsReachTheInnerFormat() throws Exception {
    assertNotNull(Decoding.of("json", Samples.ORDER).error(Samples.JSON));
    assertNull(Decoding.of("json", Samples.ORDER, Samples.JSON_OPTIONS).error(Samples.JSON));
    Decoding csv = Decoding.of("csv", Samples.ORDER, "csv.field-delimiter", ";");
    assertNull(csv.error("a;1;2026-01-02 03:04:05"));
  }

  @Test
  void aliasesReachStrictJson() throws Exception {
    String aliases = "strict-json.aliases";
    Decoding one = Decoding.of("strict-json", Samples.ORDER, aliases, "no:id,count:qty");
    assertEquals(7, one.one("{\"count\":7}").getField(1));
    Decoding other = Decoding.of("strict-json", Samples.ORDER, aliases + ".count", "qty");
    assertEquals(7, other.one("{\"count\":7}").getField(1));
    refused("Unsupported options:\n\nalias", "strict-json", "strict-json.alias", "count:qty");
  }

  /**
   * Holds only for the JSON decoder that is chosen by default: see {@link InnerFormats#defaults}.
   */
  @Test
  void columnsAreNotLostToARepeatedKeyOrAnObjectInPlaceOfABoolean() throws Exception {
    DataType type =
        DataTypes.ROW(
                DataTypes.FIELD("ok", DataTypes.BOOLEAN()), DataTypes.FIELD("n", DataTypes.INT()))
            .notNull();
    Decoding json = Decoding.of("json", type);
    assertEquals(3, json.one("{\"ok\":true,\"ok\":true,\"n\":3}").getField(1));
    assertEquals(3, json.one("{\"ok\":{\"n\":9},\"n\":3}").getField(1));
  }

  @Test
  void refusesAnOptionTheInnerFormatDoesNotKnow() {
    refused("Unsupported options:\n\nfield-delimeter", "csv", "csv.field-delimeter", ";");
  }

  @Test
  void refusesAnOptionOfAnotherFormat() {
    refused(
        "Unsupported option 'csv.allow-comments' for format 'safe'",
        "json",
        "csv.allow-comments",
        "true");
  }

  @Test
  void refusesAValueTheInnerFormatCannotRead() {
    refused("ISO-8602", "json", "json.timestamp-format.standard", "ISO-8602");
    refused("max-record-bytes", "json", "max-record-bytes", "lots");
    refused("at least 1 byte", "json", "max-record-bytes", "0");
  }

  @Test
  void refusesToWrapItself() {
    refused("Format 'safe' cannot wrap itself", "safe");
  }

  @Test
  void listsFormatsWhenTheInnerOneIsUnknown() {
    refused("avro", "jsn");
    refused("Could not find any factory for identifier 'jsn'", "jsn");
  }

  private static void refused(String expected, String inner, String... options) {
    Throwable error =
        assertThrows(ValidationException.class, () -> Decoding.format(inner, options));
    StringBuilder text = new StringBuilder();
    for (Throwable t = error; t != null; t = t.getCause()) {
      text.append(t.getMessage()).append('\n');
    }
    assertTrue(text.toString().contains(expected), text::toString);
  }
}
