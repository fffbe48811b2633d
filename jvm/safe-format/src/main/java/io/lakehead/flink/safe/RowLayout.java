package io.lakehead.flink.safe;

import java.io.Serializable;
import javax.annotation.Nullable;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;

/** Where each column of a produced row comes from: physical columns first, then metadata. */
final class RowLayout implements Serializable {

  private static final long serialVersionUID = 1L;

  /** Markers that stand in place of a position in the inner row. */
  static final int ERROR = -1;

  static final int RAW = -2;

  private final int[] columns;
  private final int[] metadata;

  /**
   * @param columns position in the inner row of each physical column
   * @param metadata position in the inner row of each metadata column, or a marker
   */
  RowLayout(int[] columns, int[] metadata) {
    this.columns = columns;
    this.metadata = metadata;
  }

  /** The row of a record that was decoded. */
  RowData decoded(RowData row, byte[] record) {
    // Every format emits generic rows: the Kafka connector itself relies on it.
    GenericRowData inner = (GenericRowData) row;
    int arity = columns.length;
    GenericRowData produced = new GenericRowData(inner.getRowKind(), arity + metadata.length);
    for (int i = 0; i < arity; i++) {
      produced.setField(i, inner.getField(columns[i]));
    }
    for (int i = 0; i < metadata.length; i++) {
      int from = metadata[i];
      if (from >= 0) {
        produced.setField(arity + i, inner.getField(from));
      } else if (from == RAW) {
        produced.setField(arity + i, record);
      }
    }
    return produced;
  }

  /** The row of a record that was refused: nulls, but for the cause and the bytes. */
  RowData refused(String cause, @Nullable byte[] record) {
    int arity = columns.length;
    GenericRowData produced = new GenericRowData(arity + metadata.length);
    for (int i = 0; i < metadata.length; i++) {
      if (metadata[i] == ERROR) {
        produced.setField(arity + i, StringData.fromString(cause));
      } else if (metadata[i] == RAW) {
        produced.setField(arity + i, record);
      }
    }
    return produced;
  }
}
