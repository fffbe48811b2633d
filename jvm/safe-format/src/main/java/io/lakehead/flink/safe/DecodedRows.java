package io.lakehead.flink.safe;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.table.data.RowData;
import org.apache.flink.util.Collector;

/**
 * Holds back the rows of one record until all of it is known to be good. Reused from record to
 * record.
 */
final class DecodedRows implements Collector<RowData> {

  private final int keep;
  private final List<RowData> rows = new ArrayList<>(2);
  private long count;

  /**
   * @param keep how many rows are kept; more are only counted
   */
  DecodedRows(int keep) {
    this.keep = keep;
  }

  @Override
  public void collect(RowData row) {
    if (row == null) {
      return;
    }
    if (count++ < keep) {
      rows.add(row);
    }
  }

  void clear() {
    rows.clear();
    count = 0;
  }

  long count() {
    return count;
  }

  int kept() {
    return rows.size();
  }

  RowData get(int i) {
    return rows.get(i);
  }

  @Override
  public void close() {}
}
