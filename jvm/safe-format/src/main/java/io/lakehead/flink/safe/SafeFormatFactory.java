package io.lakehead.flink.safe;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;

/**
 * The format {@code safe}: wraps any other decoding format, and turns a record that the other one
 * refuses into a row with a cause instead of a failed job.
 *
 * <pre>{@code
 * CREATE TABLE orders (
 *   id STRING, qty INT,
 *   `error` STRING METADATA FROM 'value.error' VIRTUAL,
 *   `bytes` BYTES METADATA FROM 'value.raw' VIRTUAL
 * ) WITH (
 *   'connector' = 'kafka', ...
 *   'value.format' = 'safe',
 *   'value.safe.format' = 'json',
 *   'value.safe.json.timestamp-format.standard' = 'ISO-8601')
 * }</pre>
 *
 * <table>
 * <caption>Options</caption>
 * <tr><th>Key</th><th>Default</th><th>Meaning</th></tr>
 * <tr><td>{@code format}</td><td>required</td><td>Identifier of the inner format.</td></tr>
 * <tr><td>{@code max-record-bytes}</td><td>1 mb</td><td>A larger record is not decoded; its row says
 *     so.</td></tr>
 * <tr><td>{@code <inner>.*}</td><td></td><td>Handed to the inner format, without the prefix.
 *     {@code json.decode.json-parser.enabled} is false unless set.</td></tr>
 * </table>
 *
 * <p>Metadata columns: {@code error} (STRING; null when the record was decoded), {@code raw}
 * (BYTES; always the bytes of the record, null for a tombstone), and those of the inner format;
 * where a name clashes, the safe format's own is read.
 *
 * <p>Creation fails with a {@link ValidationException} that names the option when the inner format
 * is missing, unknown, {@code safe} itself, or has an option that it does not know or cannot parse;
 * use, when a column is NOT NULL, since a refused record leaves all of them null.
 */
public final class SafeFormatFactory implements DeserializationFormatFactory {

  public static final String IDENTIFIER = "safe";

  public static final ConfigOption<String> FORMAT =
      ConfigOptions.key("format")
          .stringType()
          .noDefaultValue()
          .withDescription("Identifier of the inner format, which decodes the records.");

  public static final ConfigOption<MemorySize> MAX_RECORD_BYTES =
      ConfigOptions.key("max-record-bytes")
          .memoryType()
          .defaultValue(MemorySize.ofMebiBytes(1))
          .withDescription("A larger record is not decoded; it becomes a row with a cause.");

  @Override
  public String factoryIdentifier() {
    return IDENTIFIER;
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(FORMAT);
  }

  /**
   * The options of the safe format and, one map a format, the option space of each inner format.
   */
  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    Set<ConfigOption<?>> options = new HashSet<>();
    options.add(MAX_RECORD_BYTES);
    for (String inner : InnerFormats.identifiers()) {
      options.add(ConfigOptions.key(inner).mapType().noDefaultValue());
    }
    return options;
  }

  @Override
  public DecodingFormat<DeserializationSchema<RowData>> createDecodingFormat(
      DynamicTableFactory.Context context, ReadableConfig options) {
    FactoryUtil.validateFactoryOptions(requiredOptions(), Set.of(MAX_RECORD_BYTES), options);
    String identifier = options.get(FORMAT);
    Map<String, String> innerOptions = innerOptions(identifier, options.toMap());
    DeserializationFormatFactory inner =
        InnerFormats.discover(context.getClassLoader(), identifier);
    InnerFormats.defaults(inner).forEach(innerOptions::putIfAbsent);
    new FactoryUtil.FactoryHelper<>(inner, innerOptions).validate();
    return new SafeDecodingFormat(
        inner.createDecodingFormat(context, Configuration.fromMap(innerOptions)),
        maxRecordBytes(options),
        identifier,
        RecordSyntax.of(identifier, innerOptions));
  }

  private static Map<String, String> innerOptions(String identifier, Map<String, String> all) {
    String prefix = identifier + ".";
    Map<String, String> inner = new HashMap<>();
    all.forEach(
        (key, value) -> {
          if (key.startsWith(prefix)) {
            inner.put(key.substring(prefix.length()), value);
          } else if (!key.equals(FORMAT.key()) && !key.equals(MAX_RECORD_BYTES.key())) {
            throw new ValidationException(
                String.format(
                    "Unsupported option '%s' for format '%s'. Supported are '%s', '%s' and '%s*'.",
                    key, IDENTIFIER, FORMAT.key(), MAX_RECORD_BYTES.key(), prefix));
          }
        });
    return inner;
  }

  private static int maxRecordBytes(ReadableConfig options) {
    long bytes = options.get(MAX_RECORD_BYTES).getBytes();
    if (bytes < 1) {
      throw new ValidationException(
          String.format(
              "Option '%s' must be at least 1 byte, but is %d.", MAX_RECORD_BYTES.key(), bytes));
    }
    return (int) Math.min(bytes, Integer.MAX_VALUE);
  }
}
