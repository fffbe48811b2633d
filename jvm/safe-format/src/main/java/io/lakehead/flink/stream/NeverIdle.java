package io.lakehead.flink.stream;

import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.table.data.RowData;

/**
 * Passes rows and watermarks on, but not that the source is idle.
 *
 * <p>An operator behind two subtasks would take the one that is told first to be active again for
 * the only one, go by its watermark, and drop what the other still holds.
 */
public final class NeverIdle extends AbstractStreamOperator<RowData>
    implements OneInputStreamOperator<RowData, RowData> {

  private static final long serialVersionUID = 1L;

  @Override
  public void processElement(StreamRecord<RowData> row) {
    output.collect(row);
  }

  @Override
  public void processWatermarkStatus(WatermarkStatus status) {
    // The stream has no other source that could go on without this one.
  }
}
