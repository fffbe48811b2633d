package io.lakehead.flink.safe;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.types.DataType;

/** One order, in each format. */
final class Samples {

  static final DataType ORDER =
      DataTypes.ROW(
              DataTypes.FIELD("id", DataTypes.STRING()),
              DataTypes.FIELD("qty", DataTypes.INT()),
              DataTypes.FIELD("at", DataTypes.TIMESTAMP(3)))
          .notNull();

  static final String JSON = "{\"id\":\"o-1\",\"qty\":3,\"at\":\"2026-01-02T03:04:05.678\"}";
  static final String[] JSON_OPTIONS = {"json.timestamp-format.standard", "ISO-8601"};

  static final String CSV = "o-1,3,\"2026-01-02 03:04:05.678\"";

  private Samples() {}

  /** The options with which {@code inner} reads {@link #JSON}. */
  static String[] jsonOptions(String inner) {
    return inner.equals("json") ? JSON_OPTIONS : new String[0];
  }

  static byte[] json() {
    return JSON.getBytes(UTF_8);
  }

  static byte[] csv() {
    return CSV.getBytes(UTF_8);
  }

  /**
   * Nullable columns are unions with null in Flink's Avro schema: an index goes before each value.
   */
  static byte[] avro(String id, int qty) {
    try {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
      encoder.writeIndex(1);
      encoder.writeString(id);
      encoder.writeIndex(1);
      encoder.writeInt(qty);
      encoder.writeIndex(1);
      encoder.writeLong(1_767_323_045_678L);
      encoder.flush();
      return bytes.toByteArray();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  static byte[] avro() {
    return avro("o-1", 3);
  }

  static byte[] concat(byte[] a, byte[] b) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.writeBytes(a);
    bytes.writeBytes(b);
    return bytes.toByteArray();
  }
}
