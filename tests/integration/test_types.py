"""Extreme values of every type go through the whole loop and come back as they were."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from confluent_kafka import Producer

from lakehead.contracts.load import load_contract
from lakehead.contracts.validate import Validator
from lakehead.jobs.spark import session
from lakehead.query.engine import connect
from lakehead.query.types import quoted
from lakehead.stack.java import java_home
from tests.conftest import Stack
from tests.integration import extremes

pytestmark = pytest.mark.integration

# Reads a table in Spark and writes its rows to a Parquet file.
COPY = """
import json, sys
from pyspark.sql import SparkSession
conf, table, target = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
builder = SparkSession.builder
for key, value in conf.items():
    builder = builder.config(key, value)
builder = builder.config("spark.sql.parquet.datetimeRebaseModeInWrite", "CORRECTED")
builder = builder.config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
spark = builder.getOrCreate()
spark.table(table).write.parquet(target)
spark.stop()
"""


@pytest.fixture(scope="module")
def landed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The shared stack, with the extreme values published and landed."""
    project = tmp_path_factory.mktemp("extremes")
    for folder in ("schemas", "pipelines"):
        (project / folder).mkdir()
    (project / "schemas" / f"{extremes.STREAM}.yaml").write_text(extremes.contract_text("json"))
    asked = stack.of(project)
    asked.ok("contract", "apply", extremes.STREAM)
    validator = Validator(load_contract(asked.settings.schemas, extremes.STREAM))
    producer = Producer({"bootstrap.servers": asked.settings.bootstrap})
    for event in extremes.events():
        producer.produce(extremes.STREAM, validator.checked(event), str(event["id"]))
    assert producer.flush(30) == 0
    yield asked
    asked.ok("stop", extremes.STREAM)


def test_every_value_comes_back_as_it_was(landed: Stack) -> None:
    extremes.check_landed(landed)


def test_spark_reads_the_same_values(landed: Stack, tmp_path: Any) -> None:
    target = tmp_path / "copy"
    table = f"lake.landing.{extremes.STREAM}"
    environment = os.environ | {"JAVA_HOME": str(java_home()), "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-c", COPY, json.dumps(session(landed.settings)), table, str(target)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    name = f"landing.{extremes.STREAM}"
    with connect(landed.settings, {name: None}) as lake:
        in_lake = lake.execute(f"SELECT * FROM {name} ORDER BY id").to_arrow_table()
    with duckdb.connect() as copy:
        copy.execute("SET TimeZone = 'UTC'")
        copy.register("in_lake", in_lake)
        copy.execute(f"CREATE VIEW by_spark AS FROM read_parquet('{target}/*.parquet')")
        columns = ", ".join(map(quoted, ["id", *extremes.VALUES, "at", "kafka_offset"]))
        for one, other in (("in_lake", "by_spark"), ("by_spark", "in_lake")):
            sql = (
                f"SELECT id FROM (SELECT {columns} FROM {one} EXCEPT SELECT {columns} FROM {other})"
            )
            assert copy.execute(sql).fetchall() == []
        assert copy.execute("SELECT count(*) FROM by_spark").fetchone() == (in_lake.num_rows,)
