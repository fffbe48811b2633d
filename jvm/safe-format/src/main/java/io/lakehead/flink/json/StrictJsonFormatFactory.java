package io.lakehead.flink.json;

import java.util.Map;
import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;

/**
 * The format {@code strict-json}: JSON objects whose values are of their columns' types or are
 * refused, where Flink's own {@code json} converts, rounds or drops them. Meant to be wrapped:
 *
 * <pre>{@code
 * 'value.format' = 'safe',
 * 'value.safe.format' = 'strict-json',
 * 'value.safe.strict-json.aliases' = 'old_name:new_name,older_name:new_name'
 * }</pre>
 *
 * <table>
 * <caption>What a value must be; JSON null and an absent key are null for each</caption>
 * <tr><th>Column</th><th>JSON</th></tr>
 * <tr><td>STRING</td><td>a string; VARCHAR(n) at most n characters</td></tr>
 * <tr><td>BOOLEAN</td><td>{@code true}, {@code false}</td></tr>
 * <tr><td>INT, BIGINT</td><td>a number without a fraction, in range: {@code 1.0} and {@code 1e2}
 *     are</td></tr>
 * <tr><td>FLOAT, DOUBLE</td><td>a number, rounded to the nearest, unless it is too large; {@code
 *     "NaN"}, {@code "Infinity"}, {@code "-Infinity"}</td></tr>
 * <tr><td>DECIMAL</td><td>a number, or one without an exponent in a string; it must fit, but for
 *     zeros at the end of its fraction</td></tr>
 * <tr><td>DATE</td><td>{@code "YYYY-MM-DD"}, years 0001 to 9999</td></tr>
 * <tr><td>TIMESTAMP_LTZ</td><td>{@code "YYYY-MM-DDTHH:MM:SS.fffffffffZ"}; a space for the T, an
 *     offset {@code +HH:MM} or {@code +HHMM} for the Z; seconds and fraction are optional</td></tr>
 * <tr><td>TIMESTAMP</td><td>the same without Z or offset</td></tr>
 * <tr><td>BYTES</td><td>a string in Base64 with padding</td></tr>
 * <tr><td>ARRAY, ROW, MAP of STRING</td><td>an array, an object, an object</td></tr>
 * </table>
 *
 * <p>Digits of a timestamp beyond the column's precision are refused unless they are zeros where
 * the precision is 6 or more, and cut off where it is less.
 *
 * <p>Keys are compared with case. Unknown ones are ignored, a repeated one refuses the record. An
 * alias is a further key of the record for a column; it fills the column where the record does not
 * have the column's own name.
 */
public final class StrictJsonFormatFactory implements DeserializationFormatFactory {

  public static final String IDENTIFIER = "strict-json";

  public static final ConfigOption<Map<String, String>> ALIASES =
      ConfigOptions.key("aliases")
          .mapType()
          .defaultValue(Map.of())
          .withDescription(
              "Further keys for columns, as key:column. A column's own name takes precedence.");

  @Override
  public String factoryIdentifier() {
    return IDENTIFIER;
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of();
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of(ALIASES);
  }

  @Override
  public DecodingFormat<DeserializationSchema<RowData>> createDecodingFormat(
      DynamicTableFactory.Context context, ReadableConfig options) {
    FactoryUtil.validateFactoryOptions(this, options);
    return new StrictJsonDecodingFormat(options.get(ALIASES));
  }
}
