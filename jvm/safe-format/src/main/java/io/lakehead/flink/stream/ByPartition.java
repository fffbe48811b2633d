package io.lakehead.flink.stream;

import org.apache.flink.api.common.functions.Partitioner;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.table.data.RowData;

/** Sends the rows of a Kafka partition to one subtask, in their order, and spreads the partitions. */
public final class ByPartition implements Partitioner<Integer>, KeySelector<RowData, Integer> {

  private static final long serialVersionUID = 1L;

  private final int column;

  /**
   * @param column where a row has its Kafka partition, from 0
   */
  public ByPartition(int column) {
    this.column = column;
  }

  @Override
  public Integer getKey(RowData row) {
    return row.getInt(column);
  }

  @Override
  public int partition(Integer kafkaPartition, int subtasks) {
    return kafkaPartition % subtasks;
  }
}
