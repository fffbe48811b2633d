package io.lakehead.flink.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.util.InstantiationUtil;
import org.junit.jupiter.api.Test;

class ByPartitionTest {

  private final ByPartition byPartition = new ByPartition(1);

  @Test
  void theKeyIsThePartitionInItsColumn() {
    assertEquals(7, byPartition.getKey(GenericRowData.of("a", 7, 3)));
  }

  @Test
  void partitionsGoRoundTheSubtasks() {
    int[] expected = {0, 1, 2, 0, 1, 2};
    for (int partition = 0; partition < expected.length; partition++) {
      assertEquals(expected[partition], byPartition.partition(partition, 3));
    }
  }

  @Test
  void itIsSentToTheTaskManager() throws Exception {
    ByPartition sent = InstantiationUtil.clone(byPartition);
    assertEquals(7, sent.getKey(GenericRowData.of("a", 7, 3)));
  }
}
