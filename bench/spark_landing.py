"""The Spark side of ``backlog.py``: land a topic's backlog by Structured Streaming, then stop."""

import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

SCHEMA = (
    "invoice STRING, stock_code STRING, description STRING, quantity INT, price DECIMAL(12,3),"
    " customer_id BIGINT, country STRING, status STRING, event_time TIMESTAMP"
)


def main() -> None:
    spec = json.loads(sys.argv[1])
    builder = SparkSession.builder.appName("backlog")
    for key, value in spec["session"].items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    events = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", spec["bootstrap"])
        .option("subscribe", "orders")
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", 500_000)
        .load()
    )
    rows = events.select(
        F.from_json(F.col("value").cast("string"), SCHEMA).alias("event"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.col("timestamp").alias("kafka_timestamp"),
        F.lit(None).cast("timestamp").alias("watermark"),
        F.lit(None).cast("boolean").alias("late"),
    ).select("event.*", "kafka_partition", "kafka_offset", "kafka_timestamp", "watermark", "late")
    query = (
        rows.writeStream.format("iceberg")
        .outputMode("append")
        .trigger(availableNow=True)
        .option("checkpointLocation", spec["checkpoint"])
        .option("fanout-enabled", "true")
        .option("check-nullability", "false")
        .toTable(spec["table"])
    )
    query.awaitTermination()
    spark.stop()


if __name__ == "__main__":
    main()
