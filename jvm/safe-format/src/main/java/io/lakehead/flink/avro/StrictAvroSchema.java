package io.lakehead.flink.avro;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericData;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumReader;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;

/**
 * Decodes Confluent's wire format: a zero byte, the id of the schema that the record was written
 * with in four bytes, Avro's binary encoding.
 */
final class StrictAvroSchema implements DeserializationSchema<RowData> {

  private static final long serialVersionUID = 1L;
  private static final int HEADER_BYTES = 5;

  private final String url;
  private final Map<String, String> properties;
  private final String schemaText;
  private final RowType columns;
  private final TypeInformation<RowData> producedType;

  private transient Registry registry;
  private transient Schema schema;
  private transient Map<Integer, Reader> readers;

  StrictAvroSchema(
      String url,
      Map<String, String> properties,
      String schemaText,
      RowType columns,
      TypeInformation<RowData> producedType) {
    this.url = url;
    this.properties = Map.copyOf(properties);
    this.schemaText = schemaText;
    this.columns = columns;
    this.producedType = producedType;
  }

  @Override
  public void open(InitializationContext context) {
    registry = new Registry(url, properties);
    schema = new Schema.Parser().parse(schemaText);
    readers = new HashMap<>();
  }

  @Override
  public RowData deserialize(byte[] record) throws IOException {
    if (record.length < HEADER_BYTES) {
      throw new IOException(
          "no schema id: the record has " + record.length + " bytes, the header alone has 5");
    }
    if (record[0] != 0) {
      throw new IOException(
          String.format("no schema id: byte 0 of the record is 0x%02x, expected 0x00", record[0]));
    }
    Reader reader = reader(ByteBuffer.wrap(record, 1, Integer.BYTES).getInt());
    RecordDecoder decoder = new RecordDecoder(record, HEADER_BYTES);
    Object value = reader.datums.read(null, decoder);
    if (decoder.remaining() > 0) {
      throw new IOException(
          "trailing content: the Avro data ends before the last "
              + decoder.remaining()
              + " bytes of the record");
    }
    return (RowData) reader.conversion.convert(value);
  }

  private Reader reader(int id) throws IOException {
    Reader reader = readers.get(id);
    if (reader == null) {
      Schema writer = registry.schema(id);
      Schema effective = WriterUnits.applied(schema, writer);
      reader =
          new Reader(
              new GenericDatumReader<>(writer, effective, new GenericData()),
              AvroValue.of(effective, columns, ""));
      readers.put(id, reader);
    }
    return reader;
  }

  @Override
  public boolean isEndOfStream(RowData row) {
    return false;
  }

  @Override
  public TypeInformation<RowData> getProducedType() {
    return producedType;
  }

  private record Reader(GenericDatumReader<Object> datums, AvroValue conversion) {}
}
