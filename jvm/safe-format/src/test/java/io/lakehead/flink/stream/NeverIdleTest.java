package io.lakehead.flink.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.junit.jupiter.api.Test;

class NeverIdleTest {

  @Test
  void rowsAndWatermarksPassAndIdlenessDoesNot() throws Exception {
    var harness = new OneInputStreamOperatorTestHarness<RowData, RowData>(new NeverIdle());
    harness.open();
    StreamRecord<RowData> before = new StreamRecord<>(GenericRowData.of(1), 10);
    StreamRecord<RowData> after = new StreamRecord<>(GenericRowData.of(2), 30);
    Watermark watermark = new Watermark(20);

    harness.processElement(before);
    harness.processWatermarkStatus(WatermarkStatus.IDLE);
    harness.processWatermark(watermark);
    harness.processWatermarkStatus(WatermarkStatus.ACTIVE);
    harness.processElement(after);

    assertEquals(List.of(before, watermark, after), List.copyOf(harness.getOutput()));
    harness.close();
  }
}
