package io.lakehead.flink.safe;

import java.io.IOException;
import java.lang.reflect.Field;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.table.data.RowData;

/**
 * Tells whether Flink's Avro format left bytes of a record unread.
 *
 * <p>Its decoder keeps them and takes them for the start of the next record: one record with a few
 * bytes too many would give every later record of the task the values of the one before it. No
 * public method shows this, so the decoder itself is asked, by reflection. On a Flink whose Avro
 * format is built in another way opening fails: better no answer than one that is off by a record.
 */
final class AvroRemainder {

  private final Object schema;
  private final Field decoder;

  private AvroRemainder(Object schema, Field decoder) {
    this.schema = schema;
    this.decoder = decoder;
  }

  static AvroRemainder of(DeserializationSchema<RowData> inner) throws IOException {
    try {
      Object schema = field(inner.getClass(), "nestedSchema").get(inner);
      return new AvroRemainder(schema, field(schema.getClass(), "decoder"));
    } catch (ReflectiveOperationException e) {
      throw new IOException(
          "The avro format of this Flink version cannot be wrapped: " + inner.getClass(), e);
    }
  }

  /** To be asked after a record was decoded. */
  boolean exists() throws IOException {
    try {
      Object current = decoder.get(schema);
      // The other encoding, JSON, starts anew with each record.
      return current != null
          && current.getClass().getSimpleName().equals("BinaryDecoder")
          && !(boolean) current.getClass().getMethod("isEnd").invoke(current);
    } catch (ReflectiveOperationException e) {
      throw new IOException("Cannot ask Avro's decoder whether it read the whole record.", e);
    }
  }

  private static Field field(Class<?> type, String name) throws NoSuchFieldException {
    for (Class<?> t = type; t != null; t = t.getSuperclass()) {
      for (Field field : t.getDeclaredFields()) {
        if (field.getName().equals(name)) {
          field.setAccessible(true);
          return field;
        }
      }
    }
    throw new NoSuchFieldException(type + "." + name);
  }
}
