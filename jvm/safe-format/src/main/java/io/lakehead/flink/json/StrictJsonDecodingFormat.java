package io.lakehead.flink.json;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.Projection;
import org.apache.flink.table.connector.format.ProjectableDecodingFormat;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;

/**
 * Plans the decoder, and refuses columns and aliases that it cannot serve.
 *
 * <p>All declared columns are decoded and checked, whichever a query reads: whether a record is
 * valid must not depend on who asks. The projected ones are picked from the whole row.
 */
final class StrictJsonDecodingFormat
    implements ProjectableDecodingFormat<DeserializationSchema<RowData>> {

  private final Map<String, String> aliases;

  /**
   * @param aliases names of columns by further keys for them
   */
  StrictJsonDecodingFormat(Map<String, String> aliases) {
    this.aliases = new TreeMap<>(aliases);
  }

  @Override
  public ChangelogMode getChangelogMode() {
    return ChangelogMode.insertOnly();
  }

  @Override
  public boolean supportsNestedProjection() {
    return false;
  }

  @Override
  public DeserializationSchema<RowData> createRuntimeDecoder(
      DynamicTableSource.Context context, DataType physicalDataType, int[][] projections) {
    RowType record = (RowType) physicalDataType.getLogicalType();
    requireUsableAliases(record.getFieldNames());
    Projection projection = Projection.of(projections);
    int[] columns = projection.toTopLevelIndexes();
    int[] all = Projection.range(0, record.getFieldCount()).toTopLevelIndexes();
    return new StrictJsonDeserializationSchema(
        JsonTypes.ofRecord(record, aliases),
        context.createTypeInformation(projection.project(physicalDataType)),
        Arrays.equals(columns, all) ? null : columns);
  }

  private void requireUsableAliases(List<String> columns) {
    aliases.forEach(
        (alias, column) -> {
          if (!columns.contains(column)) {
            throw refused(alias, column, "there is no such column");
          }
          if (columns.contains(alias)) {
            throw refused(alias, column, "the alias is itself the name of a column");
          }
        });
  }

  private static ValidationException refused(String alias, String column, String why) {
    return new ValidationException(
        String.format(
            "Option '%s' names '%s' as an alias of column '%s', but %s.",
            StrictJsonFormatFactory.ALIASES.key(), alias, column, why));
  }
}
