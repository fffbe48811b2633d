package io.lakehead.flink.safe;

import static java.nio.charset.StandardCharsets.UTF_8;

import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;
import org.apache.flink.util.Collector;

/**
 * Prints how long the safe format takes for a record, with each of its JSON formats. Not a test.
 */
final class DecodingSpeed {

  private static final DataType TYPE =
      DataTypes.ROW(
              DataTypes.FIELD("invoice", DataTypes.STRING()),
              DataTypes.FIELD("stock_code", DataTypes.STRING()),
              DataTypes.FIELD("description", DataTypes.STRING()),
              DataTypes.FIELD("quantity", DataTypes.INT()),
              DataTypes.FIELD("price", DataTypes.DECIMAL(12, 3)),
              DataTypes.FIELD("customer_id", DataTypes.BIGINT()),
              DataTypes.FIELD("country", DataTypes.STRING()),
              DataTypes.FIELD("status", DataTypes.STRING()),
              DataTypes.FIELD("event_time", DataTypes.TIMESTAMP_LTZ(6)))
          .notNull();

  private static final int DISTINCT = 1_000;
  private static final int RECORDS = 1_000_000;
  private static final int ROUNDS = 7;

  private DecodingSpeed() {}

  public static void main(String[] args) throws Exception {
    byte[][] records = new byte[DISTINCT][];
    for (int i = 0; i < DISTINCT; i++) {
      records[i] = record(i);
    }
    Decoding json = Decoding.of("json", TYPE, Samples.JSON_OPTIONS);
    Decoding strict = Decoding.of("strict-json", TYPE);
    if (!json.one(records[0]).equals(strict.one(records[0]))) {
      throw new AssertionError(json.one(records[0]) + " is not " + strict.one(records[0]));
    }
    for (int round = 0; round < ROUNDS; round++) {
      long ofJson = nanosPerRecord(json, records);
      long ofStrict = nanosPerRecord(strict, records);
      System.out.printf(
          "json %d ns, strict-json %d ns: %.2f times as fast%n",
          ofJson, ofStrict, (double) ofJson / ofStrict);
    }
  }

  private static long nanosPerRecord(Decoding decoding, byte[][] records) throws Exception {
    Sink sink = new Sink();
    long began = System.nanoTime();
    for (int i = 0; i < RECORDS; i++) {
      decoding.schema.deserialize(records[i % DISTINCT], sink);
    }
    long nanos = (System.nanoTime() - began) / RECORDS;
    if (sink.rows != RECORDS) {
      throw new AssertionError(sink.rows + " rows");
    }
    return nanos;
  }

  private static byte[] record(int i) {
    String record =
        "{\"invoice\":\"%d\",\"stock_code\":\"85048\","
            + "\"description\":\"15CM CHRISTMAS GLASS BALL 20 LIGHTS\",\"quantity\":%d,"
            + "\"price\":%d.95,\"customer_id\":%d,\"country\":\"United Kingdom\","
            + "\"status\":\"placed\",\"event_time\":\"2009-12-01T07:%02d:00.%03dZ\"}";
    return String.format(record, 489_434 + i, 12 + i, 6 + i % 9, 13_085 + i, i % 60, i)
        .getBytes(UTF_8);
  }

  private static final class Sink implements Collector<RowData> {
    private long rows;

    @Override
    public void collect(RowData row) {
      // No cause: the last column but one.
      if (row.isNullAt(row.getArity() - 2)) {
        rows++;
      }
    }

    @Override
    public void close() {}
  }
}
