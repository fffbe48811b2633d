package io.lakehead.flink.safe;

import java.io.IOException;
import javax.annotation.Nullable;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.table.data.RowData;
import org.apache.flink.util.Collector;
import org.apache.flink.util.InstantiationUtil;

/**
 * Decodes with an inner schema, and emits a row with a cause for each record that it refuses. One
 * record gives one row, unless the inner format is a change log, whose records may hold several.
 *
 * <p>Throws for no record, whatever its bytes. What is not the record's fault does fail the task,
 * so that the record is read again after the restart: see {@link Failures}.
 */
final class SafeDeserializationSchema implements DeserializationSchema<RowData> {

  private static final long serialVersionUID = 1L;

  private final TypeInformation<RowData> producedType;
  private final RowLayout layout;
  private final RecordRules rules;
  private DeserializationSchema<RowData> inner;

  private transient DecodedRows rows;
  private transient InitializationContext context;
  private transient boolean spoiled;
  @Nullable private transient AvroRemainder remainder;

  SafeDeserializationSchema(
      DeserializationSchema<RowData> inner,
      TypeInformation<RowData> producedType,
      RowLayout layout,
      RecordRules rules) {
    this.inner = inner;
    this.producedType = producedType;
    this.layout = layout;
    this.rules = rules;
  }

  @Override
  public void open(InitializationContext context) throws Exception {
    this.context = context;
    rows = new DecodedRows(rules.oneRow() ? 1 : Integer.MAX_VALUE);
    openInner();
  }

  private void openInner() throws Exception {
    inner.open(context);
    remainder = rules.avro() ? AvroRemainder.of(inner) : null;
  }

  @Override
  public void deserialize(@Nullable byte[] record, Collector<RowData> out) throws IOException {
    String cause = decode(record);
    if (cause != null) {
      out.collect(layout.refused(cause, record));
      return;
    }
    for (int i = 0; i < rows.kept(); i++) {
      out.collect(layout.decoded(rows.get(i), record));
    }
  }

  @Override
  public RowData deserialize(@Nullable byte[] record) throws IOException {
    if (!rules.oneRow()) {
      throw new UnsupportedOperationException(
          "A record of a change log may hold several rows: use deserialize(byte[], Collector).");
    }
    String cause = decode(record);
    return cause != null ? layout.refused(cause, record) : layout.decoded(rows.get(0), record);
  }

  /** Leaves the rows of the record in {@code rows}, or returns why there are none. */
  @Nullable
  private String decode(@Nullable byte[] record) throws IOException {
    rows.clear();
    String cause = rules.beforeDecoding(record);
    if (cause != null) {
      return cause;
    }
    if (spoiled) {
      renewInner();
    }
    try {
      inner.deserialize(record, rows);
    } catch (Throwable failure) {
      Failures.rethrowUnlessOfRecord(failure);
      spoiled = rules.spoiledByFailure();
      return CauseText.of(failure);
    }
    if (remainder != null && remainder.exists()) {
      spoiled = true;
      return "trailing content: the record goes on after the Avro data";
    }
    return rules.afterDecoding(record, rows.count());
  }

  /**
   * A schema that failed may hold on to bytes of the record it failed on: Avro's decoder does, and
   * would read them as the start of the next record. Serialization leaves such transient state
   * behind.
   */
  private void renewInner() throws IOException {
    try {
      inner = InstantiationUtil.clone(inner, context.getUserCodeClassLoader().asClassLoader());
      openInner();
      spoiled = false;
    } catch (IOException e) {
      throw e;
    } catch (Exception e) {
      throw new IOException("Cannot open the inner format again after a record it refused.", e);
    }
  }

  @Override
  public boolean isEndOfStream(RowData row) {
    return inner.isEndOfStream(row);
  }

  @Override
  public TypeInformation<RowData> getProducedType() {
    return producedType;
  }
}
