package io.lakehead.flink.safe;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.Projection;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.format.ProjectableDecodingFormat;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.utils.DataTypeUtils;

/**
 * Plans the decoder: which columns the inner format decodes, and where they and the metadata stand
 * in the produced row.
 *
 * <p>Projections go to the inner format where it can project, nested ones where it can do that too;
 * otherwise the inner format decodes all columns and the wanted ones are picked from its row.
 */
final class SafeDecodingFormat
    implements ProjectableDecodingFormat<DeserializationSchema<RowData>> {

  static final String ERROR = "error";
  static final String RAW = "raw";

  private final DecodingFormat<DeserializationSchema<RowData>> inner;
  private final int maxRecordBytes;
  private final String identifier;
  private final RecordSyntax syntax;
  private List<String> metadataKeys = List.of();
  private List<String> innerKeys = List.of();

  SafeDecodingFormat(
      DecodingFormat<DeserializationSchema<RowData>> inner,
      int maxRecordBytes,
      String identifier,
      RecordSyntax syntax) {
    this.inner = inner;
    this.maxRecordBytes = maxRecordBytes;
    this.identifier = identifier;
    this.syntax = syntax;
  }

  @Override
  public Map<String, DataType> listReadableMetadata() {
    Map<String, DataType> metadata = new LinkedHashMap<>();
    metadata.put(ERROR, DataTypes.STRING().nullable());
    metadata.put(RAW, DataTypes.BYTES().nullable());
    // Nullable, since a row with a cause has no metadata of the inner format.
    inner.listReadableMetadata().forEach((key, type) -> metadata.putIfAbsent(key, type.nullable()));
    return metadata;
  }

  @Override
  public void applyReadableMetadata(List<String> keys) {
    metadataKeys = List.copyOf(keys);
    List<String> forInner = new ArrayList<>(keys);
    forInner.removeAll(List.of(ERROR, RAW));
    innerKeys = List.copyOf(forInner);
    if (!inner.listReadableMetadata().isEmpty()) {
      inner.applyReadableMetadata(innerKeys);
    }
  }

  @Override
  public ChangelogMode getChangelogMode() {
    return inner.getChangelogMode();
  }

  @Override
  public boolean supportsNestedProjection() {
    return innerProjects() && ((ProjectableDecodingFormat<?>) inner).supportsNestedProjection();
  }

  /**
   * Flink's Avro format projects the schema it reads with and takes it for the one that was written
   * with, so that bytes go to the wrong columns. It decodes all columns here.
   */
  private boolean innerProjects() {
    return inner instanceof ProjectableDecodingFormat && !InnerFormats.isAvro(identifier);
  }

  @Override
  public DeserializationSchema<RowData> createRuntimeDecoder(
      DynamicTableSource.Context context, DataType physicalDataType, int[][] projections) {
    requireNullableColumns(physicalDataType);
    DeserializationSchema<RowData> decoder;
    int[] columns;
    int innerArity;
    if (innerProjects()) {
      decoder =
          ((ProjectableDecodingFormat<DeserializationSchema<RowData>>) inner)
              .createRuntimeDecoder(context, physicalDataType, projections);
      columns = Projection.range(0, projections.length).toTopLevelIndexes();
      innerArity = projections.length;
    } else {
      decoder = inner.createRuntimeDecoder(context, physicalDataType);
      columns = Projection.of(projections).toTopLevelIndexes();
      innerArity = DataType.getFieldCount(physicalDataType);
    }
    DataType produced =
        DataTypeUtils.appendRowFields(
            Projection.of(projections).project(physicalDataType), metadataFields());
    return new SafeDeserializationSchema(
        decoder,
        context.createTypeInformation(produced),
        new RowLayout(columns, metadataPositions(innerArity)),
        recordRules());
  }

  /**
   * Where a column is NOT NULL, generated code does not look for nulls: it would read the row of a
   * refused record as -1, "" or false. The columns of a change log's primary key cannot be
   * nullable.
   */
  private void requireNullableColumns(DataType physicalDataType) {
    for (DataTypes.Field field : DataType.getFields(physicalDataType)) {
      if (insertOnly() && !field.getDataType().getLogicalType().isNullable()) {
        throw new ValidationException(
            String.format(
                "Column '%s' is NOT NULL, but is null in the row of a record that format 'safe'"
                    + " cannot decode. Declare it nullable, and check for null in the query.",
                field.getName()));
      }
    }
  }

  private boolean insertOnly() {
    return inner.getChangelogMode().equals(ChangelogMode.insertOnly());
  }

  private RecordRules recordRules() {
    return new RecordRules(
        maxRecordBytes,
        insertOnly(),
        syntax,
        InnerFormats.isAvro(identifier),
        InnerFormats.isSpoiledByFailure(identifier));
  }

  private List<DataTypes.Field> metadataFields() {
    Map<String, DataType> types = listReadableMetadata();
    List<DataTypes.Field> fields = new ArrayList<>();
    for (String key : metadataKeys) {
      fields.add(DataTypes.FIELD(key, types.get(key)));
    }
    return fields;
  }

  private int[] metadataPositions(int innerArity) {
    int[] positions = new int[metadataKeys.size()];
    for (int i = 0; i < positions.length; i++) {
      String key = metadataKeys.get(i);
      positions[i] =
          switch (key) {
            case ERROR -> RowLayout.ERROR;
            case RAW -> RowLayout.RAW;
            default -> innerArity + innerKeys.indexOf(key);
          };
    }
    return positions;
  }
}
