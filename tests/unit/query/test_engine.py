"""Answers are pyiceberg's answers, under evolution, time travel and delete files."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
)
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, NestedField

from lakehead.errors import SystemFailure, UserError
from lakehead.lake.catalog import open_catalog
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import SnapshotGone, local_path, table_state
from lakehead.query import engine
from lakehead.query.engine import connect, run
from lakehead.settings import Settings

Ask = Callable[..., list[tuple[Any, ...]]]


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_old_files_answer_by_field_id(lake: Settings, ask: Ask) -> None:
    scanned = open_catalog(lake).load_table("landing.orders").scan().to_arrow()
    rows = ask("FROM landing.orders ORDER BY id")
    assert rows == rows_of(scanned.sort_by("id"))
    first, last = rows[0], rows[-1]
    assert first == (0, Decimal("1.10"), datetime(2024, 1, 1, 12, tzinfo=UTC), 1.5, None, None)
    assert last[0] == 2**40 and last[4:] == ("text", "FI")


def test_types_after_evolution(ask: Ask) -> None:
    described = {name: kind for name, kind, *_ in ask("DESCRIBE landing.orders")}
    assert described == {
        "id": "BIGINT",
        "amount": "DECIMAL(20,2)",
        "at": "TIMESTAMP WITH TIME ZONE",
        "ratio": "DOUBLE",
        "raw": "VARCHAR",
        "country": "VARCHAR",
    }


def test_predicate_on_a_column_that_old_files_lack(ask: Ask) -> None:
    assert ask("SELECT count(*) FROM landing.orders WHERE country IS NULL") == [(4,)]
    assert ask("SELECT id FROM landing.orders WHERE country = 'FI'") == [(2**40,)]


def test_empty_table_is_typed(ask: Ask) -> None:
    assert ask("SELECT count(*), max(dec) FROM marts.every_type") == [(0, None)]
    kinds = [kind for _, kind, *_ in ask("DESCRIBE marts.every_type")]
    assert kinds[5:10] == ["DECIMAL(38,10)", "DATE", "TIME", "TIMESTAMP", kinds[9]]
    assert kinds[14:] == ["VARCHAR[]", "MAP(VARCHAR, BIGINT)", 'STRUCT(x BIGINT, "y y" VARCHAR)']


def test_nested_rename_keeps_old_values(ask: Ask) -> None:
    assert ask("SELECT id, pos.across FROM ops.nested ORDER BY 1") == [(1, 10), (2, 20)]


def test_one_set_of_snapshots_and_time_travel(lake: Settings, ask: Ask) -> None:
    state = table_state(lake, "landing.orders")
    first = state.snapshots[0].id
    sql = "SELECT count(*) FROM landing.orders"
    assert ask(sql) == [(5,)]
    assert ask(sql, snapshots={"landing.orders": first}) == [(4,)]
    with run(lake, sql, snapshots={"landing.orders": first}) as result:
        assert result.tables["landing.orders"].snapshot_id == first
    assert ask("SELECT amt FROM landing.orders LIMIT 1", snapshots={"landing.orders": first})
    with pytest.raises(UserError, match="no snapshot 7"):
        ask(sql, snapshots={"landing.orders": 7})


@pytest.mark.parametrize(
    "sql",
    [
        "WITH orders AS (SELECT 5 AS n) SELECT n FROM orders",
        'SELECT count(*) FROM lake."landing".ORDERS AS "o o"',
        "SELECT count(*) FROM landing.orders o LEFT JOIN marts.every_type t ON o.id = t.int",
        "  -- why\n /* and how */ FROM landing.orders SELECT count(*);",
        "SELECT count(*) FROM landing.orders TABLESAMPLE 100%",
        "SELECT (SELECT count(*) FROM landing.orders)",
        "SELECT 5 FROM (UNPIVOT landing.orders ON id, ratio INTO NAME n VALUE v) LIMIT 1",
    ],
)
def test_table_names_are_found(ask: Ask, sql: str) -> None:
    assert ask(sql) == [(5,)]


def test_parameters(ask: Ask) -> None:
    assert ask("SELECT id FROM landing.orders WHERE id = ?", params=[3]) == [(3,)]
    assert ask("SELECT $a + 1", params={"a": 1}) == [(2,)]
    with pytest.raises(UserError):
        ask("SELECT ?")


def test_show_and_describe(lake: Settings, ask: Ask) -> None:
    shown = ask("show tables ;")
    assert [row[:3] for row in shown] == [
        ("landing.orders", 5, 3),
        ("marts.every_type", 0, 0),
        ("ops.nested", 2, 2),
    ]
    assert shown[0][4] == table_state(lake, "landing.orders").committed_at
    assert [row[2] for row in ask("SHOW ALL TABLES")] == ["orders", "every_type", "nested"]
    assert ask("SHOW TABLES FROM landing") == [("orders",)]
    assert len(ask("SELECT table_name FROM information_schema.tables")) == 3
    assert ask("SUMMARIZE landing.orders")[0][0] == "id"
    assert ask("EXPLAIN ANALYZE SELECT count(*) FROM landing.orders")[0][1]
    assert ask("EXPLAIN (SELECT count(*) FROM landing.orders)")[0][1]
    assert ask("EXPLAIN (FORMAT json) SELECT count(*) FROM landing.orders")[0][1].startswith("[")


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT * FROM landing.ordrs", "'landing.ordrs'; did you mean landing.orders"),
        ("SELECT * FROM orders", "'orders'; did you mean landing.orders"),
        ("SELECT * FROM memory.landing.orders", "'memory.landing.orders'; did you mean"),
        ("SELECT * FROM landing.orders JOIN x.y USING (id)", "'x.y'"),
        ("SELECT nope FROM landing.orders", '"nope"'),
        ("SELEC 1", "LINE 1"),
        ("SELECT 'a'::INT", "Could not convert"),
        ("SELECT * FROM landing.orders AT (VERSION => 3)", "time travel"),
        ("PIVOT landing.orders ON country USING count(*)", "PIVOT needs its values"),
        ("", "the SQL is empty"),
    ],
)
def test_mistakes_are_named(ask: Ask, sql: str, named: str) -> None:
    with pytest.raises(UserError) as caught:
        ask(sql)
    assert named in caught.value.message


def test_a_failure_in_the_midst_of_rows_is_a_user_error(lake: Settings) -> None:
    sql = "SELECT if(range = 50000, 'x', '1')::INT FROM range(100000)"
    with pytest.raises(UserError, match="Could not convert"), run(lake, sql) as result:
        result.fetchall()


def test_same_names_are_told_apart(lake: Settings) -> None:
    with run(lake, "SELECT 1 AS n, 2 AS n, 3 AS n_1, 4 AS n") as result:
        assert [c.name for c in result.columns] == ["n", "n_2", "n_1", "n_3"]


def test_connect_gives_the_file_of_each_row(lake: Settings) -> None:
    state = table_state(lake, "landing.orders")
    numbers = {f.path: f.sequence_number for f in plan_files(lake, state).files}
    tables = {"landing.orders": state.snapshot_id, "marts.every_type": None, "ops.nested": None}
    with connect(lake, tables, with_file=True) as con:
        rows = con.execute("SELECT id, lake_file FROM landing.orders ORDER BY id").fetchall()
        assert {numbers[path] for _, path in rows[:4]} == {1}
        assert numbers[rows[4][1]] == 2
        assert set(numbers) == {path for _, path in rows}
        assert con.execute("SELECT lake_file FROM marts.every_type").fetchall() == []
        nested = con.execute("SELECT lake_file FROM ops.nested").fetchall()
        paths = {f.path for f in plan_files(lake, table_state(lake, "ops.nested")).files}
        assert {path for (path,) in nested} == paths
        assert con.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
    with connect(lake, {"landing.orders": None}) as con, pytest.raises(duckdb.BinderException):
        con.execute("SELECT lake_file FROM landing.orders")


class _DeleteManifest(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES


def _delete_first_row(table: Table) -> None:
    """Commit a position delete of row 0 of the only file. No writer of lakehead's does this."""
    task = next(iter(table.scan().plan_files()))
    path = f"{table.location()}/data/deletes.parquet"
    deleted = pa.schema(
        [
            pa.field("file_path", pa.string(), metadata={"PARQUET:field_id": "2147483546"}),
            pa.field("pos", pa.int64(), metadata={"PARQUET:field_id": "2147483545"}),
        ]
    )
    rows = [{"file_path": task.file.file_path, "pos": 0}]
    pq.write_table(pa.Table.from_pylist(rows, schema=deleted), local_path(path))
    with table.transaction() as transaction:
        commit = transaction.update_snapshot().fast_append()
        file = DataFile.from_args(
            content=DataFileContent.POSITION_DELETES,
            file_path=path,
            file_format=FileFormat.PARQUET,
            partition=Record(),
            record_count=1,
            file_size_in_bytes=os.path.getsize(local_path(path)),
        )
        entry = ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED, snapshot_id=commit.snapshot_id, data_file=file
        )
        out = commit.new_manifest_output()
        snapshot_id = commit.snapshot_id
        with _DeleteManifest(table.spec(), table.schema(), out, snapshot_id, "null") as writer:
            writer.add(entry)
        manifests = [*commit._existing_manifests(), writer.to_manifest_file()]
        commit._manifests = lambda: manifests  # type: ignore[method-assign]
        commit.commit()


def test_delete_files_are_honoured(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, project=tmp_path)
    catalog = open_catalog(settings)
    catalog.create_namespace("marts")
    table = catalog.create_table("marts.m", Schema(NestedField(1, "id", LongType())))
    table.append(pa.table({"id": pa.array([1, 2, 3], pa.int64())}))
    _delete_first_row(table)
    assert plan_files(settings, table_state(settings, "marts.m")).has_deletes
    with run(settings, "SELECT id FROM marts.m ORDER BY id") as result:
        assert result.fetchall() == [(2,), (3,)]
    with connect(settings, {"marts.m": None}, with_file=True) as con:
        assert con.execute("SELECT count(*), count(lake_file) FROM marts.m").fetchall() == [(2, 2)]


def test_an_expired_snapshot_is_planned_anew(
    lake: Settings, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [SnapshotGone("expired")]

    def flaky(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return plan_files(*args)

    monkeypatch.setattr(engine, "plan_files", flaky)
    assert ask("SELECT count(*) FROM landing.orders") == [(5,)]


def test_a_lost_data_file_is_a_system_failure(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, project=tmp_path)
    catalog = open_catalog(settings)
    catalog.create_namespace("marts")
    table = catalog.create_table("marts.m", Schema(NestedField(1, "id", LongType())))
    table.append(pa.table({"id": pa.array([1, 2, 3], pa.int64())}))
    for file in plan_files(settings, table_state(settings, "marts.m")).files:
        Path(file.path).unlink()
    with pytest.raises(SystemFailure), run(settings, "SELECT sum(id) FROM marts.m") as result:
        result.fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b",
        "SELECT a.range FROM range(10000000) a, range(10000000) b WHERE hash(a.range, b.range) = 5",
    ],
    ids=["while it computes", "while rows are fetched"],
)
def test_ctrl_c_stops_the_query(lake: Settings, sql: str) -> None:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), run(lake, sql) as result:
        result.fetchall()
    assert time.monotonic() - start < 3


def test_a_count_imports_nothing_heavy(lake: Settings) -> None:
    code = f"""
import sys
from pathlib import Path
from lakehead.query.engine import run
from lakehead.query.output import write
from lakehead.settings import Settings
home = Path({str(lake.home)!r})
with run(Settings(home=home, project=home), "SELECT count(*), max(id) FROM landing.orders") as r:
    write(r, "json")
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert not {"pyiceberg", "pyarrow", "pandas", "numpy", "sqlglot", "rich"} & loaded
