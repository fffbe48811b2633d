package io.lakehead.flink.safe;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.table.catalog.ObjectIdentifier;
import org.apache.flink.table.connector.Projection;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.runtime.connector.source.ScanRuntimeProviderContext;
import org.apache.flink.table.types.DataType;
import org.apache.flink.util.Collector;
import org.apache.flink.util.SimpleUserCodeClassLoader;
import org.apache.flink.util.UserCodeClassLoader;

/** A safe format over a real inner one, opened and ready to decode. */
final class Decoding {

  static final List<String> METADATA = List.of("error", "raw");

  final DeserializationSchema<RowData> schema;
  private final int arity;

  private Decoding(DeserializationSchema<RowData> schema, int arity) {
    this.schema = schema;
    this.arity = arity;
  }

  /** Decodes all of {@code physical}, then the metadata {@code error} and {@code raw}. */
  static Decoding of(String inner, DataType physical, String... options) throws Exception {
    SafeDecodingFormat format = format(inner, options);
    format.applyReadableMetadata(METADATA);
    return opened(
        format.createRuntimeDecoder(ScanRuntimeProviderContext.INSTANCE, physical),
        DataType.getFieldCount(physical));
  }

  static Decoding projected(SafeDecodingFormat format, DataType physical, int[][] projections)
      throws Exception {
    format.applyReadableMetadata(METADATA);
    return opened(
        format.createRuntimeDecoder(ScanRuntimeProviderContext.INSTANCE, physical, projections),
        DataType.getFieldCount(Projection.of(projections).project(physical)));
  }

  static Decoding opened(DeserializationSchema<RowData> schema, int arity) throws Exception {
    schema.open(new OpenContext());
    return new Decoding(schema, arity);
  }

  static SafeDecodingFormat format(String inner, String... options) {
    Map<String, String> all = new HashMap<>();
    all.put("format", inner);
    for (int i = 0; i < options.length; i += 2) {
      all.put(options[i], options[i + 1]);
    }
    return (SafeDecodingFormat)
        new SafeFormatFactory().createDecodingFormat(context(), Configuration.fromMap(all));
  }

  static DynamicTableFactory.Context context() {
    return new FactoryUtil.DefaultDynamicTableContext(
        ObjectIdentifier.of("c", "d", "t"),
        null,
        Map.of(),
        new Configuration(),
        Thread.currentThread().getContextClassLoader(),
        true);
  }

  List<GenericRowData> all(byte[] record) throws IOException {
    List<GenericRowData> rows = new ArrayList<>();
    schema.deserialize(
        record,
        new Collector<>() {
          @Override
          public void collect(RowData row) {
            rows.add((GenericRowData) row);
          }

          @Override
          public void close() {}
        });
    return rows;
  }

  GenericRowData one(byte[] record) throws IOException {
    List<GenericRowData> rows = all(record);
    if (rows.size() != 1) {
      throw new AssertionError(rows.size() + " rows for one record");
    }
    return rows.get(0);
  }

  GenericRowData one(String record) throws IOException {
    return one(record.getBytes(UTF_8));
  }

  /** The cause of refusal, or null. */
  String error(byte[] record) throws IOException {
    return error(one(record));
  }

  String error(String record) throws IOException {
    return error(one(record));
  }

  String error(GenericRowData row) {
    Object error = row.getField(arity);
    return error == null ? null : error.toString();
  }

  Object raw(GenericRowData row) {
    return row.getField(arity + 1);
  }

  static final class OpenContext implements DeserializationSchema.InitializationContext {
    @Override
    public MetricGroup getMetricGroup() {
      return new UnregisteredMetricsGroup();
    }

    @Override
    public UserCodeClassLoader getUserCodeClassLoader() {
      return SimpleUserCodeClassLoader.create(Thread.currentThread().getContextClassLoader());
    }
  }
}
