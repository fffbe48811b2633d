"""Windows are replaced by writing the files anew that their rows are in, and no others."""

from pathlib import Path
from typing import Any

import pytest

from lakehead.contracts.iceberg import by_day
from lakehead.lake.catalog import open_catalog
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import table_state
from lakehead.models.iceberg import mart_schema
from lakehead.models.model import load_model
from lakehead.proof import replace
from lakehead.proof.parity import parity
from lakehead.proof.settle import settle_late
from tests.small_lake import TUMBLE, Lake, at, event, make_lake, window

MART = "marts.m"
DAY = 86_400


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = make_lake(tmp_path)
    made.model(**TUMBLE, late="update")
    return made


def files(lake: Lake) -> set[str]:
    return {f.path for f in plan_files(lake.settings, table_state(lake.settings, MART)).files}


def answers(lake: Lake) -> list[tuple[float, Any, int, bool]]:
    """Start, key, count, and whether the batch settled it, of rows that have a window."""
    return sorted(
        ((r["window_start"] - at(0)).total_seconds(), r["id"], r["n"], bool(r["settled_offsets"]))
        for r in lake.mart()
        if r["window_start"]
    )


def test_the_files_of_other_windows_and_the_rows_beside_stay(lake: Lake) -> None:
    lake.land(*(event(i, 10 * i + 1) for i in range(4)), checkpoint=1)
    # Of a row without a window nobody can say that it is due.
    nowhere = {"id": "b", "n": 7}
    lake.answer(window(0, 1), window(10, 1), nowhere, checkpoint=1)
    first = files(lake)
    # Its bounds hold the window from 10, its rows do not.
    lake.answer(window(-20, 1), window(20, 1), window(30, 1), checkpoint=1)
    others = files(lake) - first
    lake.land(event(4, 12, 35), checkpoint=2)
    snapshots = lake.snapshots()

    assert settle_late(lake.settings, "m").windows == 1

    assert others <= files(lake)
    assert not first & files(lake)
    assert lake.snapshots() == snapshots + 1
    assert answers(lake) == [
        (-20, "a", 1, False),
        (0, "a", 1, False),
        (10, "a", 2, True),
        (20, "a", 1, False),
        (30, "a", 1, False),
    ]
    assert [row["n"] for row in lake.mart() if row["window_start"] is None] == [7]


def test_a_file_of_many_rows_is_written_in_parts(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"k{i}" for i in range(5000)]
    lake.land(*(event(i, 1, id=key) for i, key in enumerate(keys)), checkpoint=1)
    lake.answer(*(window(0, 1, id=key) for key in keys), window(10, 1), checkpoint=1)
    lake.land(event(5000, 11), event(5001, 12, 25), checkpoint=2)
    monkeypatch.setattr(replace, "_FILE_ROWS", 2048)
    settle_late(lake.settings, "m")
    assert len(files(lake)) > 1
    assert answers(lake) == sorted([*((0, k, 1, False) for k in keys), (10, "a", 2, True)])
    assert parity(lake.settings, "m").different == 0


def test_windows_of_more_days_than_one(lake: Lake) -> None:
    catalog = open_catalog(lake.settings)
    catalog.drop_table(MART)
    schema = mart_schema(load_model(lake.settings.pipelines, "m"))
    catalog.create_table(MART, schema, partition_spec=by_day(schema, "window_start"))
    starts = [DAY - 20, DAY - 10, DAY, DAY + 10]
    lake.land(*(event(i, start + 1) for i, start in enumerate(starts)), checkpoint=1)
    lake.answer(*(window(start, 1) for start in starts), checkpoint=1)
    lake.land(*(event(4 + i, DAY + s, DAY + 30) for i, s in enumerate([-5, 5])), checkpoint=2)
    assert settle_late(lake.settings, "m").windows == 2
    assert answers(lake) == [
        (DAY - 20, "a", 1, False),
        (DAY - 10, "a", 2, True),
        (DAY, "a", 2, True),
        (DAY + 10, "a", 1, False),
    ]
    plan = plan_files(lake.settings, table_state(lake.settings, MART))
    assert len(plan.files) == len({str(f.partition) for f in plan.files}) == 2


def test_more_late_windows_than_a_condition_could_name(lake: Lake) -> None:
    """Each other window is late; what lies between them is not looked at."""
    seconds = range(0, 20_000, 10)
    lake.land(*(event(i, s) for i, s in enumerate(seconds)), checkpoint=1)
    lake.answer(*(window(s, 1) for s in seconds), checkpoint=1)
    late = [s for s in seconds if s % 20]
    lake.land(*(event(2000 + i, s + 5, 30_000) for i, s in enumerate(late)), checkpoint=2)
    assert settle_late(lake.settings, "m").windows == len(late)
    assert answers(lake) == [(s, "a", 2 if s % 20 else 1, bool(s % 20)) for s in seconds]
