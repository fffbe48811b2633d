package io.lakehead.flink.avro;

import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.avro.shaded.org.apache.avro.AvroRuntimeException;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;

/**
 * The format {@code strict-avro}: Avro in Confluent's wire format, as Flink's {@code
 * avro-confluent}, which has no column type for an instant, reads microseconds as milliseconds, and
 * takes the units of the reader's schema for those of the writer's.
 *
 * <table>
 * <caption>Options</caption>
 * <tr><th>Key</th><th>Default</th><th>Meaning</th></tr>
 * <tr><td>{@code url}</td><td>required</td><td>Where the schema registry is.</td></tr>
 * <tr><td>{@code schema}</td><td>required</td><td>The Avro schema to read with, as JSON. Each column
 *     must be in it.</td></tr>
 * <tr><td>{@code properties.*}</td><td></td><td>Settings of Confluent's client.</td></tr>
 * </table>
 */
public final class StrictAvroFormatFactory implements DeserializationFormatFactory {

  public static final String IDENTIFIER = "strict-avro";

  public static final ConfigOption<String> URL =
      ConfigOptions.key("url")
          .stringType()
          .noDefaultValue()
          .withDescription("Where the schema registry is.");

  public static final ConfigOption<String> SCHEMA =
      ConfigOptions.key("schema")
          .stringType()
          .noDefaultValue()
          .withDescription("The Avro schema to read with, as JSON.");

  public static final ConfigOption<Map<String, String>> PROPERTIES =
      ConfigOptions.key("properties")
          .mapType()
          .defaultValue(Map.of())
          .withDescription("Settings of Confluent's client of the schema registry.");

  @Override
  public String factoryIdentifier() {
    return IDENTIFIER;
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(URL, SCHEMA);
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of(PROPERTIES);
  }

  @Override
  public DecodingFormat<DeserializationSchema<RowData>> createDecodingFormat(
      DynamicTableFactory.Context context, ReadableConfig options) {
    FactoryUtil.validateFactoryOptions(this, options);
    Schema schema = parsed(options.get(SCHEMA));
    return new DecodingFormat<>() {
      @Override
      public DeserializationSchema<RowData> createRuntimeDecoder(
          DynamicTableSource.Context context, DataType physicalDataType) {
        RowType columns = (RowType) physicalDataType.getLogicalType();
        AvroValue.of(schema, columns, "");
        return new StrictAvroSchema(
            options.get(URL),
            options.get(PROPERTIES),
            schema.toString(),
            columns,
            context.createTypeInformation(physicalDataType));
      }

      @Override
      public ChangelogMode getChangelogMode() {
        return ChangelogMode.insertOnly();
      }
    };
  }

  private static Schema parsed(String text) {
    try {
      return new Schema.Parser().parse(text);
    } catch (AvroRuntimeException e) {
      throw new ValidationException(
          "Option 'schema' of format 'strict-avro' is no Avro schema: " + e.getMessage(), e);
    }
  }
}
