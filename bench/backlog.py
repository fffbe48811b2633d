"""Drain a backlog of N events from Kafka into Iceberg, three ways, on one machine in one run.

    .venv/bin/python bench/backlog.py --events 2000000 [--sides flink,python,spark]

flink    lakehead: contract rules, landing, dead letters and windows, exactly once
python   confluent-kafka, orjson, pyarrow, pyiceberg: landing only, no rules, not exactly once
spark    Spark Structured Streaming: landing only, no rules

Each side reads the same topic from its start, one after the other, while no other reads. Seconds
are from the command to the last row in the table, JVM and session start included. The rate beside
the first one is the ratio that matters; absolute times are the machine's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lakehead.contracts.iceberg import landing_schema
from lakehead.contracts.load import load_contract
from lakehead.jobs import submit
from lakehead.jobs.spark import session
from lakehead.lake.catalog import open_catalog
from lakehead.lake.snapshots import table_state
from lakehead.settings import INSTALL_ROOT, Settings, load_settings
from lakehead.stack import lifecycle
from lakehead.streams.produce import ProduceOptions, produce
from lakehead.streams.topics import offsets

BENCH_TABLES = {"python": "bench.python", "spark": "bench.spark"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--sides", default="flink,python,spark")
    args = parser.parse_args()
    settings = load_settings(Path(tempfile.mkdtemp(prefix="lakehead-bench-")))
    sides: dict[str, Callable[[Settings, int], None]] = {
        "flink": flink_side,
        "python": python_side,
        "spark": spark_side,
    }
    lifecycle.up(settings)
    try:
        contract = load_contract(settings.schemas, "orders")
        began = time.monotonic()
        produce(settings, contract, ProduceOptions(events=args.events, rate=50_000, pace=False))
        report("produce", args.events, time.monotonic() - began)
        make_bench_tables(settings)
        for name in args.sides.split(","):
            began = time.monotonic()
            sides[name](settings, args.events)
            report(name, args.events, time.monotonic() - began)
    finally:
        submit.suspend(settings)
        lifecycle.down(settings)


def report(side: str, events: int, seconds: float) -> None:
    rate = round(events / seconds)
    print(json.dumps({"side": side, "seconds": round(seconds, 1), "per_second": rate}), flush=True)


def make_bench_tables(settings: Settings) -> None:
    catalog = open_catalog(settings)
    catalog.create_namespace_if_not_exists("bench")
    schema = landing_schema(load_contract(settings.schemas, "orders"))
    for table in BENCH_TABLES.values():
        catalog.create_table(table, schema, properties={"format-version": "2"})


def flink_side(settings: Settings, events: int) -> None:
    submit.submit(settings, "orders")
    while total(settings, "landing.orders") + total(settings, "landing.orders_dead") < events:
        time.sleep(0.1)
    # The others should have the machine to themselves.
    submit.stop(settings, "orders")


def total(settings: Settings, table: str) -> int:
    return int(table_state(settings, table).summary.get("total-records", 0))


def python_side(settings: Settings, events: int) -> None:
    import orjson
    import pyarrow as pa
    from confluent_kafka import Consumer, TopicPartition

    table = open_catalog(settings).load_table(BENCH_TABLES["python"])
    target = table.schema().as_arrow()
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "bench"})
    partitions = offsets(settings, "orders")
    consumer.assign([TopicPartition("orders", p, 0) for p in partitions])
    read, batches = 0, []
    while read < events:
        rows = []
        for message in consumer.consume(50_000, 1.0):
            read += 1
            row = orjson.loads(message.value())
            row["kafka_partition"] = message.partition()
            row["kafka_offset"] = message.offset()
            row["kafka_timestamp"] = message.timestamp()[1] * 1000
            row["price"] = str(row["price"])
            row["event_time"] = row["event_time"].removesuffix("Z")
            rows.append(row)
        if rows:
            columns = {f.name: [r.get(f.name) for r in rows] for f in target}
            arrays = [converted(columns[f.name], f.type) for f in target]
            batches.append(pa.Table.from_arrays(arrays, schema=target))
        if sum(b.num_rows for b in batches) >= 500_000 or read >= events:
            table.append(pa.concat_tables(batches))
            batches = []
    consumer.close()


def converted(values: list[object], kind: object) -> object:
    import pyarrow as pa

    if pa.types.is_timestamp(kind) and values and isinstance(values[0], str):
        return pa.array(values).cast(pa.timestamp("us")).cast(kind)
    if pa.types.is_decimal(kind):
        return pa.array(values, pa.string()).cast(kind)
    return pa.array(values, kind)


def spark_side(settings: Settings, events: int) -> None:
    jars = settings.home / "spark-kafka"
    for artifact in (
        "org.apache.spark:spark-sql-kafka-0-10_2.13:4.1.3",
        "org.apache.spark:spark-token-provider-kafka-0-10_2.13:4.1.1",
        "org.apache.kafka:kafka-clients:3.9.1",
        "org.apache.commons:commons-pool2:2.12.1",
    ):
        goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
        copy = ["mvn", "-q", "-B", goal, f"-Dartifact={artifact}", f"-DoutputDirectory={jars}"]
        subprocess.run(copy, check=True)
    config = session(settings)
    config["spark.jars"] += "," + ",".join(str(j) for j in jars.glob("*.jar"))
    spec = {
        "session": config,
        "bootstrap": settings.bootstrap,
        "table": f"lake.{BENCH_TABLES['spark']}",
        "checkpoint": str(settings.home / "spark-checkpoint"),
    }
    began = time.monotonic()
    subprocess.run(
        [sys.executable, str(INSTALL_ROOT / "bench" / "spark_landing.py"), json.dumps(spec)],
        check=True,
        env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"},
        stderr=subprocess.DEVNULL,
    )
    report("spark, jars already there", events, time.monotonic() - began)


if __name__ == "__main__":
    main()
