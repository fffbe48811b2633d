"""What is within a nested type evolves: rows are those that pyiceberg reads, by field id."""

from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import Table

from lakehead.contracts.iceberg import numbered
from lakehead.contracts.types import FieldType
from lakehead.lake.catalog import open_catalog
from lakehead.lake.evolve import evolve_table
from lakehead.lake.snapshots import table_state
from lakehead.query.engine import run
from lakehead.settings import Settings

INT, LONG, STRING = FieldType("int"), FieldType("long"), FieldType("string")
NAME = "landing.meters"


def columns(**members: FieldType) -> Any:
    place = FieldType("object", members=tuple(members.items()))
    return numbered([("id", INT), ("place", place), ("places", FieldType("array", items=place))])


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    settings = Settings(home=tmp_path, project=tmp_path)
    catalog = open_catalog(settings)
    catalog.create_namespace("landing")
    catalog.create_table(NAME, columns(hall=STRING, floor=INT))
    return settings


def append(settings: Settings, number: int, place: dict[str, object] | None) -> Table:
    table = open_catalog(settings).load_table(NAME)
    row = {"id": number, "place": place, "places": [place, None] if place else []}
    table.append(pa.Table.from_pylist([row], schema=table.schema().as_arrow()))
    return table


def answers(settings: Settings) -> list[dict[str, object]]:
    with run(settings, f"SELECT * FROM {NAME} ORDER BY id") as result:
        names = [column.name for column in result.columns]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def by_iceberg(settings: Settings) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = (
        open_catalog(settings).load_table(NAME).scan().to_arrow().to_pylist()
    )
    return sorted(rows, key=lambda row: str(row["id"]))


def test_added_widened_and_dropped_members_are_read_from_the_files(settings: Settings) -> None:
    append(settings, 1, {"hall": "north", "floor": 1})
    wanted = columns(hall=STRING, door=STRING, floor=LONG)
    evolve_table(open_catalog(settings), NAME, wanted, {})
    append(settings, 2, {"hall": "south", "door": "east", "floor": 2**40})
    append(settings, 3, None)
    assert table_state(settings, NAME).steady_inside
    assert answers(settings) == by_iceberg(settings)
    evolve_table(open_catalog(settings), NAME, columns(door=STRING, floor=LONG), {})
    assert table_state(settings, NAME).steady_inside
    assert answers(settings) == by_iceberg(settings)
    assert answers(settings)[0]["place"] == {"door": None, "floor": 1}


@pytest.mark.parametrize("members", [{"hall": STRING, "floor": INT}, {"door": STRING}])
def test_a_name_that_stood_for_another_member_does_not_bring_it_back(
    settings: Settings, members: dict[str, FieldType]
) -> None:
    append(settings, 1, {"hall": "north", "floor": 1})
    catalog = open_catalog(settings)
    if "hall" in members:
        evolve_table(catalog, NAME, columns(floor=INT), {})
    evolve_table(catalog, NAME, columns(**members), {})
    assert not table_state(settings, NAME).steady_inside
    assert answers(settings) == by_iceberg(settings)
    assert "north" not in str(answers(settings))
