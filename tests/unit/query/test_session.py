"""lakehead.connect(): a connection of DuckDB's own, over one moment of the lake."""

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

import lakehead
from lakehead.errors import UserError
from lakehead.lake.leases import held
from lakehead.settings import Settings
from tests.small_lake import Lake, event, make_lake


@pytest.fixture
def shop(tmp_path: Path) -> Lake:
    lake = make_lake(tmp_path)
    lake.model()
    lake.land(event(0, 1), event(1, 2))
    return lake


def count(con: Any, table: str = "landing.orders") -> int:
    return int(con.sql(f"SELECT count(*) AS n FROM {table}").fetchall()[0][0])


def test_answers_as_arrow_pandas_and_polars(shop: Lake) -> None:
    with lakehead.connect(shop.settings.home) as con:
        assert isinstance(con, duckdb.DuckDBPyConnection)
        rows = con.sql("SELECT kafka_offset AS n FROM landing.orders ORDER BY n")
        assert rows.to_arrow_table().to_pydict() == {"n": [0, 1]}
        assert rows.df()["n"].tolist() == [0, 1]
        assert rows.pl()["n"].to_list() == [0, 1]


def test_a_data_frame_joins_the_lake(shop: Lake) -> None:
    import pandas as pd

    names = pd.DataFrame({"id": ["a"], "name": ["Anna"]})
    with lakehead.connect(shop.settings.home) as con:
        found = con.sql("SELECT DISTINCT name FROM landing.orders JOIN names USING (id)")
        assert found.fetchall() == [("Anna",)]
    assert len(names) == 1


def test_it_stays_at_its_moment_until_refreshed(shop: Lake) -> None:
    with lakehead.connect(shop.settings.home) as con:
        shop.land(event(2, 3))
        assert count(con) == 2
        assert lakehead.refresh(con) == ["landing.orders"]
        assert count(con) == 3
        assert lakehead.refresh(con) == []
        shop.model(name="later")
        assert lakehead.refresh(con) == ["marts.later"]
        assert count(con, "marts.later") == 0


def test_the_lake_cannot_be_changed(shop: Lake) -> None:
    with lakehead.connect(shop.settings.home) as con:
        with pytest.raises(duckdb.Error):
            con.execute("DELETE FROM landing.orders")
        con.execute("CREATE TABLE mine AS FROM landing.orders")
        assert count(con, "mine") == 2


def test_only_some_tables_and_as_of(shop: Lake) -> None:
    first = shop.settings
    with lakehead.connect(first.home, tables=["landing.*"]) as con:
        assert con.sql("SHOW ALL TABLES").fetchall()[0][2] == "orders"
        with pytest.raises(duckdb.CatalogException):
            count(con, "marts.m")
    from lakehead.lake.snapshots import table_state

    then = table_state(first, "landing.orders").snapshot_id
    shop.land(event(2, 3))
    with lakehead.connect(first.home, tables=["landing.orders"], as_of=str(then)) as con:
        assert count(con) == 2
        assert lakehead.refresh(con) == [] and count(con) == 2


def test_its_snapshots_are_kept_as_long_as_it_is(shop: Lake) -> None:
    con = lakehead.connect(shop.settings.home)
    before = held(shop.settings)
    assert len(before) == 1
    shop.land(event(2, 3))
    lakehead.refresh(con)
    after = held(shop.settings)
    assert after.keys() == before.keys() and after != before
    del con
    gc.collect()
    assert held(shop.settings) == {}


def test_what_is_not_there(shop: Lake, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"did you mean landing\.orders"):
        lakehead.connect(shop.settings.home, tables=["landing.order"])
    with pytest.raises(UserError, match="there is no lake yet"):
        lakehead.connect(tmp_path / "nowhere")
    with duckdb.connect() as con, pytest.raises(UserError, match="not the lake's"):
        lakehead.refresh(con)
    with pytest.raises(AttributeError):
        lakehead.nonsense  # noqa: B018


def test_to_import_it_is_light() -> None:
    heavy = {"duckdb", "pyarrow", "pyiceberg", "pandas", "rich", "typer"}
    code = f"import sys, lakehead; print({heavy!r} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr


def test_nested_that_changed(lake: Settings) -> None:
    with lakehead.connect(lake.home) as con:
        assert con.sql("SELECT pos.across FROM ops.nested ORDER BY id").fetchall() == [(10,), (20,)]
