"""Compact tables, expire snapshots, merge manifests, remove orphans, compute statistics.

Used by ``lakehead maintain``:  python jobs/spark/maintain.py SPEC.json RESULT.json

SPEC.json has ``session`` (Spark settings), ``catalog``, and ``tables``, each with ``table``,
``compact`` (``sort`` and ``options``, or null), ``expire`` (ids of snapshots),
``rewrite_manifests``, ``orphans_before`` (a time, or null) and ``statistics``.

Progress goes to standard output, a line each. RESULT.json has by table what was done: ``action``,
``seconds`` and ``details``. Each action is one commit, or none. Others go on committing meanwhile:
where they replaced what was being rewritten, it is begun again.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from session import say, session

TRIES = 5
# What Iceberg says where another commit was faster, or has replaced the same files.
CONFLICTS = (
    "org.apache.iceberg.exceptions.CommitFailedException",
    "org.apache.iceberg.exceptions.ValidationException",
)


def main(spec_path: Path, result_path: Path) -> None:
    spec = json.loads(spec_path.read_text())
    with session(spec, "maintain") as spark:
        procedures = Procedures(spark, spec["catalog"])
        result = {each["table"]: maintain(procedures, each) for each in spec["tables"]}
    result_path.write_text(json.dumps(result))


class Procedures:
    """Iceberg's procedures. Names of tables and orders are parameters, never pasted text."""

    def __init__(self, spark: SparkSession, catalog: str) -> None:
        self._spark = spark
        self._catalog = catalog

    def call(self, name: str, table: str, **arguments: Any) -> list[dict[str, Any]]:
        given = {"table": table, **{a: v for a, v in arguments.items() if isinstance(v, str)}}
        written = [f"{a} => {_written(a, v)}" for a, v in {"table": table, **arguments}.items()]
        sql = f"CALL {self._catalog}.system.{name}({', '.join(written)})"
        return [row.asDict() for row in self._spark.sql(sql, given).collect()]


def _written(name: str, value: Any) -> str:
    match value:
        case list():
            return f"ARRAY({', '.join(f'{int(v)}L' for v in value)})"
        case dict():
            # Names and values of options are the toolkit's own.
            pairs = (f"'{k}', '{v}'" for k, v in value.items())
            return f"MAP({', '.join(pairs)})"
        case datetime():
            # Spark takes no call of a function here.
            return f"TIMESTAMP '{value.isoformat()}'"
    return f":{name}"


def maintain(procedures: Procedures, work: dict[str, Any]) -> list[dict[str, Any]]:
    table, done = work["table"], []

    def do(action: str, call: Callable[[], dict[str, int]]) -> None:
        say(f"{action}: {table}")
        begun = time.monotonic()
        details = again(call)
        done.append(
            {"action": action, "seconds": round(time.monotonic() - begun, 3), "details": details}
        )

    if compact := work["compact"]:
        order = {"strategy": "sort", "sort_order": compact["sort"]} if compact["sort"] else {}
        do(
            "compact",
            lambda: counts(
                procedures, "rewrite_data_files", table, **order, options=compact["options"]
            ),
        )
    if work["rewrite_manifests"]:
        do("merge manifests", lambda: counts(procedures, "rewrite_manifests", table))
    if ids := work["expire"]:
        # Those that are named, and none by its age.
        do(
            "expire",
            lambda: counts(
                procedures,
                "expire_snapshots",
                table,
                older_than=datetime(1970, 1, 1, tzinfo=UTC),
                snapshot_ids=ids,
            ),
        )
    if before := work["orphans_before"]:
        do(
            "remove orphans",
            lambda: {
                "deleted_files": len(
                    procedures.call(
                        "remove_orphan_files", table, older_than=datetime.fromisoformat(before)
                    )
                )
            },
        )
    if work["statistics"]:
        do("statistics", lambda: {"files": len(procedures.call("compute_table_stats", table))})
    return done


def counts(procedures: Procedures, name: str, table: str, **arguments: Any) -> dict[str, int]:
    [row] = procedures.call(name, table, **arguments)
    return {k: int(v or 0) for k, v in row.items()}


def again(call: Callable[[], dict[str, int]]) -> dict[str, int]:
    """Do it, anew where another commit came between."""
    for left in reversed(range(TRIES)):
        try:
            return call()
        except Py4JJavaError as error:
            if left == 0 or not any(name in str(error) for name in CONFLICTS):
                raise
            say("another commit came between; once more")
    raise AssertionError("unreachable")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
