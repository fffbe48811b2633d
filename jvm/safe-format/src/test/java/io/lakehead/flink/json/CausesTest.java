package io.lakehead.flink.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.apache.flink.table.api.DataTypes;
import org.junit.jupiter.api.Test;

/** What is said of values that are not of their types. */
class CausesTest {

  private static final DataTypes.Field[] COLUMNS = {
    DataTypes.FIELD("quantity", DataTypes.INT()),
    DataTypes.FIELD("price", DataTypes.DECIMAL(12, 3)),
    DataTypes.FIELD("address", DataTypes.ROW(DataTypes.FIELD("zip", DataTypes.STRING()))),
    DataTypes.FIELD(
        "items", DataTypes.ARRAY(DataTypes.ROW(DataTypes.FIELD("sku", DataTypes.STRING())))),
    DataTypes.FIELD("labels", DataTypes.MAP(DataTypes.STRING(), DataTypes.BOOLEAN())),
    DataTypes.FIELD("at", DataTypes.TIMESTAMP(3))
  };

  @Test
  void nameAllColumns() throws Exception {
    assertEquals(
        "quantity.type: is \"oops\", expected int; price.type: is 12345678901234, expected"
            + " decimal(12,3); at.type: is 5, expected timestamp_ntz",
        Strict.row(COLUMNS)
            .cause(
                "{\"quantity\":\"oops\",\"u\":{},\"price\":12345678901234,\"labels\":{},\"at\":5}"));
  }

  @Test
  void namePlacesWithinColumns() throws Exception {
    assertEquals(
        "address.zip.type: is 5, expected string;"
            + " items[1].type: is \"x\", expected object;"
            + " items[3].sku.type: is [1], expected string;"
            + " labels[\"a b\"].type: is 1, expected boolean;"
            + " labels[\"c\\\"\\\\\"].type: is {\"d\":{}}, expected boolean",
        Strict.row(COLUMNS)
            .cause(
                "{\"address\":{\"zip\":5},\"items\":[{},\"x\",{\"sku\":\"y\"},{\"sku\":[1]}],"
                    + "\"labels\":{\"ok\":true,\"a b\":1,\"c\\\"\\\\\":{\"d\":{}}}}"));
  }

  @Test
  void quoteTheRecordAsItIs() throws Exception {
    Strict strict = Strict.row(COLUMNS);
    assertEquals(
        "quantity.type: is { \"a\" : 1.50,   [ ] }, expected int".replace("  [ ]", "  \"b\": [ ]"),
        strict.cause("{\"quantity\" : { \"a\" : 1.50,\n\r\t\"b\": [ ] } ,\"labels\":null}"));
    assertEquals(
        "quantity.type: is \"\\u0061é😀\", expected int",
        strict.cause("\ufeff \n{\"labels\":null, \"quantity\":   \"\\u0061é😀\"  }"));
  }

  @Test
  void showWhatCannotBeSeen() throws Exception {
    assertEquals(
        "labels[\"k\\u2028\"].type: is \"a\\u202e\\u0085\\udb40\\udc01b\", expected boolean",
        Strict.row(COLUMNS).cause("{\"labels\":{\"k\u2028\":\"a\u202e\u0085\udb40\udc01b\"}}"));
  }

  @Test
  void areCutAtWholeCharacters() throws Exception {
    String text = "x".repeat(98) + "😀".repeat(100);
    assertEquals(
        "quantity.type: is \"" + "x".repeat(98) + "..., expected int",
        Strict.row(COLUMNS).cause("{\"quantity\":\"" + text + "\"}"));
    String array = "[" + "1,".repeat(50_000) + "1]";
    assertEquals(
        "quantity.type: is [" + "1,".repeat(49) + "1..., expected int",
        Strict.row(COLUMNS).cause("{\"quantity\":" + array + "}"));
    String ninetyEight = "\"" + "y".repeat(98) + "\"";
    assertEquals(
        "quantity.type: is " + ninetyEight + ", expected int",
        Strict.row(COLUMNS).cause("{\"quantity\":" + ninetyEight + "}"));
  }

  @Test
  void nameTenAtMost() throws Exception {
    StringBuilder expected = new StringBuilder();
    for (int i = 0; i < 10; i++) {
      expected.append("items[").append(i).append("].type: is 1, expected object; ");
    }
    String ten = "{\"items\":[" + "1,".repeat(9) + "1]";
    assertEquals(
        expected.substring(0, expected.length() - 2), Strict.row(COLUMNS).cause(ten + "}"));
    assertEquals(
        expected + "and 2 more", Strict.row(COLUMNS).cause(ten + ",\"quantity\":{},\"at\":[]}"));
  }

  @Test
  void areBounded() throws Exception {
    StringBuilder record = new StringBuilder("{\"labels\":{");
    for (int i = 0; i < 12; i++) {
      String key = i + "k".repeat(10_000);
      record.append(i == 0 ? "" : ",").append('"').append(key).append("\":\"");
      record.append("v".repeat(10_000)).append('"');
    }
    String cause = Strict.row(COLUMNS).cause(record.append("}}").toString());
    assertTrue(cause.length() <= RefusedRecordException.MAX_CHARS, cause);
    assertTrue(cause.matches("(labels.*, expected boolean; ){5}and 7 more"), cause);
  }
}
