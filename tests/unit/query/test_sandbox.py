"""SQL from a stranger reads the lake's tables, and nothing else in any way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lakehead.errors import UserError
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import table_state
from lakehead.query import engine, sandbox
from lakehead.settings import Settings

Ask = Callable[..., list[tuple[Any, ...]]]
secret_in_python = [("secret",)]

REFUSED = [
    "COPY (SELECT 1) TO '{out}'",
    "COPY landing.orders TO '{out}' (FORMAT parquet)",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "EXPLAIN ANALYZE COPY (SELECT 1 AS id) TO '{data}' (FORMAT parquet, USE_TMP_FILE false)",
    "explain (analyze) COPY (SELECT 1) TO '{out}'",
    "EXPLAIN /* x */ ANALYZE -- y\n COPY (SELECT 1) TO '{out}'",
    "ATTACH '{out}' AS other",
    "EXPORT DATABASE '{out}'",
    "IMPORT DATABASE '{out}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '99GB'",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "PRAGMA version",
    "CALL enable_logging(storage = 'file', storage_path = '{out}')",
    "SELECT * FROM enable_logging(storage = 'file', storage_path = '{out}')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('landing.orders')",
    "SELECT * FROM json_execute_serialized_sql('x')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT (SELECT max(column0) FROM read_csv('/etc/passwd'))",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM READ_TEXT('/etc/passwd')",
    "SELECT * FROM main.read_blob('/etc/passwd')",
    "SELECT * FROM read_parquet('{data}')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM parquet_metadata('{data}')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM '{data}'",
    "SELECT * FROM 'https://example.com/x.parquet'",
    "SELECT * FROM secret_in_python",
    "SELECT getenv('HOME')",
    "CREATE TABLE t AS SELECT 1",
    "INSERT INTO landing.orders (id) VALUES (1)",
    "DELETE FROM landing.orders",
    "DROP VIEW landing.orders",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 1) TO '{out}'",
    "EXPLAIN SELECT 1; COPY (SELECT 1) TO '{out}'",
    "BEGIN",
    "USE memory",
    "PREPARE p AS SELECT 1",
    "CHECKPOINT",
    "SELECT " + "abs(" * 5000 + "1" + ")" * 5000,
]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("sql", REFUSED)
def test_refused(lake: Settings, ask: Ask, tmp_path: Path, sql: str) -> None:
    data = plan_files(lake, table_state(lake, "landing.orders")).files[0].path.replace("'", "''")
    with pytest.raises(UserError):
        ask(sql.replace("{out}", str(tmp_path / "out")).replace("{data}", data))
    assert ask("SELECT count(*) FROM landing.orders") == [(5,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('{unplanned}')",
        "COPY (SELECT 1) TO '{out}'",
        "ATTACH '{out}' AS other",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/passwd']",
    ],
)
def test_the_lock_holds_without_the_checks(
    lake: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    """Should the statement check ever miss one, DuckDB's own fence stands."""
    unplanned = tmp_path / "unplanned.parquet"
    unplanned.touch()
    reading = sandbox.Reading(
        sql.replace("{out}", str(tmp_path / "out")).replace("{unplanned}", str(unplanned)),
        ("landing.orders",),
        show_tables=False,
        whole_lake=False,
    )
    monkeypatch.setattr(sandbox, "read", lambda con, text: reading)
    with pytest.raises(UserError):
        engine.run(lake, "any")
    assert [path.name for path in tmp_path.iterdir()] == ["unplanned.parquet"]


def test_a_big_sort_spills_within_the_lock(lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_memory", lambda: 64 * 2**20)
    sql = "SELECT hash(range) AS h FROM range(12000000) ORDER BY h"
    with engine.run(lake, sql) as result:
        assert next(result.rows(1))
    spill = lake.home / "cache" / "spill"
    assert not spill.exists() or not list(spill.iterdir())
