"""Harlequin over the lake: its own classes, asked as it asks them."""

import importlib.util
import sys
from pathlib import Path

import pytest
from harlequin.exception import HarlequinConnectionError, HarlequinQueryError
from harlequin.plugins import load_adapter

from lakehead.errors import UserError
from lakehead.settings import Settings
from lakehead.shell import screen
from lakehead.shell.harlequin import LakeAdapter, LakeConnection, short_type
from tests.small_lake import Lake


@pytest.fixture
def connection(shop: Lake) -> LakeConnection:
    return LakeAdapter([str(shop.settings.home)]).connect()


def test_it_is_found_by_its_name() -> None:
    assert load_adapter("lakehead") is LakeAdapter


def test_a_query(connection: LakeConnection) -> None:
    sql = "SELECT kafka_offset AS n, id, event_time FROM landing.orders ORDER BY n"
    cursor = connection.execute(sql)
    assert cursor.columns() == [("n", "##"), ("id", "s"), ("event_time", "ts")]
    assert cursor.fetchall()["n"].to_pylist() == [0, 1, 2]
    assert connection.execute(sql).set_limit(2).fetchall().num_rows == 2
    many = connection.execute("SELECT * FROM range(1_000_000)").set_limit(150_000)
    assert many.fetchall().num_rows == 150_000


def test_no_rows_have_their_columns(connection: LakeConnection) -> None:
    found = connection.execute("FROM ops.left_out").fetchall()
    assert found.num_rows == 0 and "watermark" in found.column_names


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nonsense",
        "CREATE TABLE t (a INT)",
        "SELECT * FROM read_csv('/etc/passwd')",
        "FROM landing.order",
    ],
)
def test_the_sandbox_holds(connection: LakeConnection, sql: str) -> None:
    with pytest.raises(HarlequinQueryError):
        connection.execute(sql)


def test_what_fails_while_rows_come(connection: LakeConnection) -> None:
    sql = "SELECT CASE WHEN range > 400000 THEN 'x' ELSE '1' END::INT FROM range(500000)"
    with pytest.raises(HarlequinQueryError, match="Could not convert"):
        connection.execute(sql).fetchall()


def test_the_tree_shows_the_lake(connection: LakeConnection) -> None:
    namespaces = connection.get_catalog().items
    assert [n.label for n in namespaces] == ["landing", "marts", "ops"]
    [orders] = namespaces[0].children
    assert (orders.label, orders.query_name) == ("orders", '"landing"."orders"')
    first = orders.children[0]
    assert (first.label, first.type_label, first.type_name) == ("id", "s", "VARCHAR")
    found = connection.execute(f"SELECT {first.query_name} FROM {orders.query_name}").fetchall()
    assert found.column_names == ["id"]
    assert "date_trunc" in {c.value for c in connection.get_completions()}


def test_without_a_lake(no_lake: Path) -> None:
    with pytest.raises(HarlequinConnectionError, match="there is no lake yet"):
        LakeAdapter([str(no_lake)]).connect()


def test_types_are_short() -> None:
    assert short_type("DECIMAL(10,2)") == "#.#" and short_type("VARCHAR[]") == "[]"
    assert short_type("GEOMETRY") == "?"


def test_without_harlequin_the_way_to_get_it(shop: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="not installed") as error:
        screen.run_screen(shop.settings)
    assert error.value.hint == screen.INSTALL


def test_it_becomes_harlequin(shop: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda program, command: ran.append(command))
    screen.run_screen(shop.settings)
    home = str(shop.settings.home)
    assert ran == [[sys.executable, "-m", "harlequin", "--adapter", "lakehead", home]]
    with pytest.raises(UserError, match="there is no lake yet"):
        screen.run_screen(Settings(home=shop.settings.home / "x", project=shop.settings.home))
