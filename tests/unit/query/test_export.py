"""Exports hold what the lake holds, all of one moment, and appear whole or not at all."""

import os
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from lakehead.errors import LakeheadError, UserError
from lakehead.lake.as_of import OneSnapshot
from lakehead.lake.snapshots import table_state
from lakehead.query.engine import run
from lakehead.query.export import Exported, Wanted, choose_format, export
from lakehead.settings import Settings


def exported(lake: Settings, to: Path, *tables: str, **more: Any) -> Exported:
    format = choose_format(to, more.pop("format", None))
    return export(lake, Wanted(to=to, format=format, tables=tables, **more))


def lake_rows(lake: Settings, table: str) -> list[tuple[Any, ...]]:
    with run(lake, f"SELECT * FROM {table} ORDER BY ALL") as result:
        return result.fetchall()


def file_rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        return con.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()


def test_a_table_to_one_file(lake: Settings, tmp_path: Path) -> None:
    done = exported(lake, tmp_path / "o.parquet", "landing.orders")
    assert done.rows == 5 == pq.read_metadata(tmp_path / "o.parquet").num_rows
    assert done.snapshots == {"landing.orders": table_state(lake, "landing.orders").snapshot_id}
    assert done.bytes == (tmp_path / "o.parquet").stat().st_size
    exported(lake, tmp_path / "o.csv", "LANDING.orders")
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 6


def test_tables_to_a_folder(lake: Settings, tmp_path: Path) -> None:
    done = exported(lake, tmp_path / "new", "landing.*", "*.nested")
    assert done.rows == 7
    assert sorted(os.listdir(tmp_path / "new")) == ["landing.orders.parquet", "ops.nested.parquet"]
    (tmp_path / "new" / "kept").touch()
    exported(lake, tmp_path / "new", "ops.nested", format="csv")
    with pytest.raises(UserError, match=r"ops\.nested\.csv is there already"):
        exported(lake, tmp_path / "new", "ops.nested", format="csv")
    exported(lake, tmp_path / "new", "ops.nested", format="csv", force=True)
    assert sorted(os.listdir(tmp_path / "new")) == [
        "kept",
        "landing.orders.parquet",
        "ops.nested.csv",
        "ops.nested.parquet",
    ]


@pytest.mark.parametrize("views", [False, True], ids=["data", "views"])
def test_a_duckdb_file_answers_as_the_lake(lake: Settings, tmp_path: Path, views: bool) -> None:
    path = tmp_path / "lake.duckdb"
    done = exported(lake, path, "*", views=views)
    assert done.rows == (None if views else 7)
    # Where names have stood for two fields no view by name is right, so that it is a copy.
    assert done.copied == (("ops.nested",) if views else ())
    for table in ("landing.orders", "marts.every_type", "ops.nested"):
        assert file_rows(path, table) == lake_rows(lake, table)
    comments = "SELECT comment FROM duckdb_views() WHERE view_name = 'orders'"
    said = file_rows(path, f"({comments if views else comments.replace('view', 'table')})")
    assert f"snapshot {done.snapshots['landing.orders']}, " in said[0][0]
    assert os.listdir(tmp_path) == ["lake.duckdb"]


def test_an_answer(lake: Settings, tmp_path: Path) -> None:
    sql = "SELECT id FROM landing.orders WHERE id < $most ORDER BY id"
    for name in ("a.csv", "a.parquet", "a.duckdb"):
        done = exported(lake, tmp_path / name, sql=sql, params={"most": 2})
        assert done.rows == 2 and list(done.snapshots) == ["landing.orders"]
    assert (tmp_path / "a.csv").read_bytes() == b"id\r\n0\r\n1\r\n"
    assert file_rows(tmp_path / "a.duckdb", "answer") == [(0,), (1,)]


def test_as_of(lake: Settings, tmp_path: Path) -> None:
    first = table_state(lake, "landing.orders").snapshots[0].id
    exported(lake, tmp_path / "o.parquet", "landing.orders", as_of=OneSnapshot(first))
    assert pq.read_table(tmp_path / "o.parquet").column_names == ["id", "amt", "at", "ratio", "raw"]


@pytest.mark.parametrize(
    ("to", "tables", "more", "message"),
    [
        ("o.parquet", [], {}, "expected tables or --sql"),
        ("o.parquet", ["landing.orders"], {"sql": "SELECT 1"}, "expected tables or --sql"),
        ("o.parquet", ["*"], {}, "these are several tables"),
        ("o.parquet", ["landing.order"], {}, r"did you mean landing\.orders"),
        ("o.parquet", ["*s"], {"views": True}, "only tables in a DuckDB file"),
        ("o.duckdb", [], {"sql": "SELECT 1", "views": True}, "only tables in a DuckDB file"),
        ("folder", [], {"sql": "SELECT 1"}, "an answer is one file"),
        ("o.csv", [], {"sql": "COPY (SELECT 1) TO 'x'"}, "may only read"),
        ("o.csv", [], {"sql": "SELECT 'x'::INT"}, "Could not convert"),
        ("o.duckdb", [], {"sql": "SELECT 'x'::INT"}, "Could not convert"),
        ("no/such/o.csv", ["landing.orders"], {}, "cannot be written"),
    ],
)
def test_what_cannot_be_leaves_nothing(
    lake: Settings, tmp_path: Path, to: str, tables: list[str], more: Any, message: str
) -> None:
    with pytest.raises(LakeheadError, match=message):
        exported(lake, tmp_path / to, *tables, **more)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["o.csv", "o.parquet", "o.duckdb"])
def test_what_fails_while_rows_come_leaves_nothing(
    lake: Settings, tmp_path: Path, name: str
) -> None:
    sql = "SELECT CASE WHEN range > 400000 THEN 'x' ELSE '1' END::INT FROM range(500000)"
    with pytest.raises(UserError, match="Could not convert string 'x'"):
        exported(lake, tmp_path / name, sql=sql)
    assert os.listdir(tmp_path) == []


def test_what_is_there_is_kept(lake: Settings, tmp_path: Path) -> None:
    path = tmp_path / "o.duckdb"
    path.write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        exported(lake, path, "*")
    with pytest.raises(LakeheadError, match="Could not convert"):
        exported(lake, path, sql="SELECT 'x'::INT", force=True)
    assert path.read_text() == "mine" and os.listdir(tmp_path) == ["o.duckdb"]
    exported(lake, path, "*", force=True)
    assert file_rows(path, "ops.nested") == lake_rows(lake, "ops.nested")


def test_the_name_says_the_format() -> None:
    assert choose_format(Path("a.PARQUET"), None) == "parquet"
    assert choose_format(Path("a.db"), None) == "duckdb"
    assert choose_format(Path("folder"), None) == "parquet"
    assert choose_format(Path("folder"), "csv") == "csv"
    for path, format in (("a.csv", "parquet"), ("a", "xml")):
        with pytest.raises(UserError):
            choose_format(Path(path), format)
