"""Evaluates SQL in one engine, in a process of its own:  ENGINE SPEC.json ANSWERS.json

SPEC.json has ``session`` (Spark's settings), ``declare``, and ``queries``; ANSWERS.json the rows of
each, sorted, as texts that are equal only for equal values of one type.
"""

import json
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any


def text(value: Any) -> str:
    """A value, so that it is equal only to what is the same."""
    match value:
        case bool() | int() | str() | None:
            return repr(value)
        case float():
            # Of 0 and -0 SQL makes one.
            return repr(value + 0.0)
        case Decimal():
            return f"Decimal {value:f}"
        case datetime() if value.tzinfo:
            return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
        case date():
            return value.isoformat()
    raise TypeError(f"{type(value)}: {value!r}")


def flink(spec: dict[str, Any]) -> list[list[list[str]]]:
    from pyflink.table import EnvironmentSettings, TableEnvironment

    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for key, value in spec["config"].items():
        tables.get_config().set(key, value)
    for statement in spec["declare"]:
        tables.execute_sql(statement)
    answers = []
    for query in spec["queries"]:
        with tables.execute_sql(query).collect() as rows:
            answers.append([[text(value) for value in row] for row in rows])
    return answers


def spark(spec: dict[str, Any]) -> list[list[list[str]]]:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for key, value in spec["config"].items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    try:
        for statement in spec["declare"]:
            session.sql(statement)
        tables = [session.sql(query).toArrow() for query in spec["queries"]]
    finally:
        session.stop()
    return [arrow(table) for table in tables]


def duckdb(spec: dict[str, Any]) -> list[list[list[str]]]:
    import duckdb

    with duckdb.connect() as con:
        for statement in spec["declare"]:
            con.execute(statement)
        return [arrow(con.execute(query).to_arrow_table()) for query in spec["queries"]]


def arrow(table: Any) -> list[list[str]]:
    columns = [column.to_pylist() for column in table.columns]
    return [[text(value) for value in row] for row in zip(*columns, strict=True)]


if __name__ == "__main__":
    engine, given, wanted = sys.argv[1:]
    answers = {"flink": flink, "spark": spark, "duckdb": duckdb}[engine](
        json.loads(Path(given).read_text())
    )
    Path(wanted).write_text(json.dumps([sorted(rows) for rows in answers]))
