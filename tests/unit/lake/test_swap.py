"""Tables change their names, several in one commit."""

from dataclasses import replace
from pathlib import Path

import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

from lakehead.errors import SystemFailure
from lakehead.lake.catalog import open_catalog
from lakehead.lake.snapshots import list_tables, table_state
from lakehead.lake.swap import Rename, free_name, pending, rename, rename_tables
from lakehead.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A lake with the tables ``live`` and ``shadow``."""
    settings = Settings(home=tmp_path, project=tmp_path)
    catalog = open_catalog(settings)
    catalog.create_namespace("marts")
    for name in ("live", "shadow"):
        catalog.create_table(f"marts.{name}", Schema(NestedField(1, name, LongType())))
    catalog.close()
    return settings


def swap(home: Settings) -> tuple[Rename, Rename]:
    return (
        rename(home, "marts.live", "marts.live__1"),
        rename(home, "marts.shadow", "marts.live"),
    )


def columns(home: Settings, table: str) -> list[str]:
    return [f.name for f in table_state(home, table).fields]


def test_one_table_takes_the_name_of_another(home: Settings) -> None:
    assert rename_tables(home, swap(home))
    assert list_tables(home) == ["marts.live", "marts.live__1"]
    assert columns(home, "marts.live") == ["shadow"]
    assert columns(home, "marts.live__1") == ["live"]
    assert open_catalog(home).load_table("marts.live").schema().column_names == ["shadow"]


def test_twice_is_once(home: Settings) -> None:
    renames = swap(home)
    assert pending(home, renames) == renames
    assert rename_tables(home, renames)
    assert pending(home, renames) == ()
    assert not rename_tables(home, renames)


def test_a_swap_goes_back(home: Settings) -> None:
    rename_tables(home, swap(home))
    back = (
        rename(home, "marts.live", "marts.live__2"),
        rename(home, "marts.live__1", "marts.live"),
    )
    rename_tables(home, back)
    assert columns(home, "marts.live") == ["live"]
    assert columns(home, "marts.live__2") == ["shadow"]


def test_all_is_renamed_or_nothing(home: Settings) -> None:
    first, second = swap(home)
    with pytest.raises(SystemFailure, match=r"there is a table marts\.live__1 already"):
        rename_tables(home, (first, replace(second, target="marts.live__1")))
    assert list_tables(home) == ["marts.live", "marts.shadow"]


def test_a_table_that_was_dropped_since_is_let_be(home: Settings) -> None:
    renames = swap(home)
    rename_tables(home, renames)
    open_catalog(home).drop_table("marts.live__1")
    assert not rename_tables(home, renames)
    assert columns(home, "marts.live") == ["shadow"]


def test_a_name_that_is_taken_is_not_taken_again(home: Settings) -> None:
    with pytest.raises(SystemFailure, match=r"there is a table marts\.live already"):
        rename_tables(home, (rename(home, "marts.shadow", "marts.live"),))
    assert columns(home, "marts.live") == ["live"]
    assert free_name(home, "marts.live") == "marts.live_2"
    assert free_name(home, "marts.new") == "marts.new"


def test_without_a_lake_every_name_is_free(tmp_path: Path) -> None:
    assert free_name(Settings(home=tmp_path, project=tmp_path), "marts.a") == "marts.a"
