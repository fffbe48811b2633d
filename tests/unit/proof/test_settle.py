"""``late: update`` over a small lake: the windows of late rows are replaced, and no others."""

import json
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from lakehead.errors import SystemFailure, UserError
from lakehead.lake import staging
from lakehead.lake.catalog import open_catalog
from lakehead.proof.parity import parity
from lakehead.proof.settle import Settled, settle_late
from tests.small_lake import COUNT, TUMBLE, Lake, at, event, make_lake, window

UPDATE = {**TUMBLE, "late": "update"}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three windows that have closed, of one row each."""
    made = make_lake(tmp_path)
    made.model(**UPDATE)
    made.land(event(0, 1), event(1, 11), event(2, 21), checkpoint=1)
    made.answer(window(0, 1), window(10, 1), window(20, 1), checkpoint=1)
    return made


def settled(lake: Lake, windows: int, late_rows: int) -> Settled:
    done = settle_late(lake.settings, "m")
    assert (done.model, done.windows, done.late_rows) == ("m", windows, late_rows)
    return done


def answers(lake: Lake) -> list[tuple[float, str | None, int, bool]]:
    """Start, key, count, and whether the batch settled it."""
    return [
        (
            (row["window_start"] - at(0)).total_seconds(),
            row["id"],
            row["n"],
            row["settled_offsets"] is not None,
        )
        for row in lake.mart()
    ]


def test_the_window_of_a_late_row_is_replaced(lake: Lake) -> None:
    lake.land(event(3, 5, 25), event(4, 6, 25, id="b"), checkpoint=2)
    done = settled(lake, windows=1, late_rows=2)
    assert answers(lake) == [
        (0, "a", 2, True),
        (0, "b", 1, True),
        (10, "a", 1, False),
        (20, "a", 1, False),
    ]
    offsets = {row["settled_offsets"] for row in lake.mart()} - {None}
    assert [json.loads(o) for o in offsets] == [{"0": 4}]
    assert done.landing_snapshot is not None
    report = parity(lake.settings, "m")
    assert (report.different, report.settled, report.late_rows) == (0, 2, 0)


def test_done_twice_it_changes_nothing(lake: Lake) -> None:
    lake.land(event(3, 5, 25), checkpoint=2)
    settled(lake, windows=1, late_rows=1)
    before, snapshots = lake.mart(), lake.snapshots()
    settled(lake, windows=0, late_rows=0)
    assert lake.snapshots() == snapshots
    # What was looked at is forgotten, or cannot be read: the same is done again.
    record = lake.settings.home / "settle" / "m.json"
    for text in ("", "[", None):
        record.unlink() if text is None else record.write_text(text)
        settled(lake, windows=1, late_rows=1)
        assert lake.mart() == before


def test_only_commits_that_are_new_are_looked_at(lake: Lake) -> None:
    lake.land(event(3, 5, 25), checkpoint=2)
    settled(lake, windows=1, late_rows=1)
    lake.land(event(4, 31), checkpoint=3)
    settled(lake, windows=0, late_rows=0)
    lake.land(event(5, 12, 25), checkpoint=4)
    settled(lake, windows=1, late_rows=1)
    assert [n for _, _, n, _ in answers(lake)] == [2, 2, 1]


@pytest.mark.parametrize(("mark", "missed"), [(9.998, 0), (9.999, 1)])
def test_a_late_row_whose_window_was_open_was_counted(lake: Lake, mark: float, missed: int) -> None:
    lake.land(event(3, 5, mark), checkpoint=2)
    settled(lake, windows=missed, late_rows=missed)


def test_nothing_landed_is_nothing_to_settle(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model(**UPDATE)
    assert settled(lake, 0, 0).landing_snapshot is None
    lake.land(event(0, 1, 25), checkpoint=1)
    # The mart knows of no window that has closed.
    settled(lake, 0, 0)
    lake.answer(window(10, 1), checkpoint=1)
    settled(lake, windows=1, late_rows=1)
    assert answers(lake) == [(0, "a", 1, True), (10, "a", 1, False)]


def test_a_window_that_the_mart_does_not_hold_yet_is_waited_for(lake: Lake) -> None:
    lake.land(event(3, 5, 45), event(4, 35, 45), checkpoint=2)
    settled(lake, windows=1, late_rows=2)
    snapshots = lake.snapshots()
    # Nothing has come since: what was replaced is not replaced once more.
    settled(lake, windows=0, late_rows=2)
    assert lake.snapshots() == snapshots
    lake.answer(window(40, 1), checkpoint=3)
    settled(lake, windows=1, late_rows=2)
    assert answers(lake) == [
        (0, "a", 2, True),
        (10, "a", 1, False),
        (20, "a", 1, False),
        (30, "a", 1, True),
        (40, "a", 1, False),
    ]
    settled(lake, windows=0, late_rows=0)


def test_while_one_window_is_waited_for_new_rows_settle_others_anew(lake: Lake) -> None:
    lake.land(event(3, 5, 45), event(4, 35, 45), checkpoint=2)
    settled(lake, windows=1, late_rows=2)
    lake.land(event(5, 6, 45), checkpoint=3)
    settled(lake, windows=1, late_rows=3)
    assert answers(lake)[0] == (0, "a", 3, True)


def test_a_window_that_a_late_row_empties_of_answers_is_taken_out(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model(f"{COUNT} HAVING COUNT(*) < 2", **UPDATE)
    lake.land(event(0, 1), event(1, 11), event(2, 2, 25), checkpoint=1)
    lake.answer(window(0, 1), window(10, 1), checkpoint=1)
    settled(lake, windows=1, late_rows=1)
    assert answers(lake) == [(10, "a", 1, False)]


def test_a_row_that_the_model_does_not_count_settles_nothing(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model(COUNT.replace(" GROUP", " WHERE id <> 'x' GROUP"), **UPDATE)
    lake.land(event(0, 1), event(1, 1, 25, id="x"), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    settled(lake, windows=0, late_rows=0)


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ({"hop": {"size": "20 seconds", "every": "10 seconds"}}, [(-10, 10), (0, 20)]),
        ({"cumulate": {"size": "20 seconds", "step": "10 seconds"}}, [(0, 10), (0, 20)]),
    ],
)
def test_of_the_windows_of_a_row_only_those_it_missed_are_replaced(
    tmp_path: Path, given: Any, ends: list[tuple[int, int]]
) -> None:
    lake = make_lake(tmp_path)
    lake.model(**{**UPDATE, "window": given})
    lake.land(event(0, 1), event(1, 2, 15), event(2, 3), checkpoint=1)
    rows = [
        {"window_start": at(a), "window_end": at(b), "id": "a", "n": n}
        for (a, b), n in zip(ends, (2, 3), strict=True)
    ]
    lake.answer(*rows, checkpoint=1)
    settled(lake, windows=1, late_rows=1)
    found = [(r["window_end"], r["n"], r["settled_offsets"]) for r in lake.mart()]
    assert found == [(at(10), 3, '{"0": 2}'), (at(20), 3, None)]


def test_windows_before_the_epoch_are_replaced(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model(**UPDATE)
    before = -at(0).timestamp() - 7
    lake.land(event(0, before), event(1, before + 1, 25), checkpoint=1)
    lake.answer(window(before - 3, 1), window(0, 1), checkpoint=1)
    settled(lake, windows=1, late_rows=1)
    assert answers(lake) == [(before - 3, "a", 2, True), (0, "a", 1, False)]


def test_a_model_on_a_model_is_settled_by_the_rows_of_the_stream(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model("SELECT id FROM orders", {"id": "string"}, "kept", kind="rows")
    header = {**UPDATE, "stream": "kept"}
    lake.model(COUNT.replace("orders", "kept"), **header)
    lake.land(event(0, 1), event(1, 2, 25), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    settled(lake, windows=1, late_rows=1)
    assert answers(lake) == [(0, "a", 2, True)]


class Meddling:
    """A catalog where another writer commits, ``times`` times, after a table was loaded.

    With ``near``, in files that may hold the window which is replaced, as far as their bounds say.
    """

    def __init__(self, lake: Lake, times: int, near: bool) -> None:
        self.lake, self.times, self.near = lake, times, near

    def open(self, _: object) -> "Meddling":
        return self

    def load_table(self, name: str) -> Any:
        loaded = SqlCatalog.load_table(open_catalog(self.lake.settings), name)
        if self.times:
            self.times -= 1
            rows = [window(40 + 10 * self.times, 1)]
            rows += [window(-10 * (self.times + 1), 1)] * self.near
            self.lake.answer(*rows, checkpoint=9)
        return loaded


@pytest.mark.parametrize("near", [False, True])
def test_a_commit_of_the_stream_meanwhile_is_kept(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, near: bool
) -> None:
    lake.land(event(3, 5, 25), checkpoint=2)
    meddling = Meddling(lake, 2, near)
    monkeypatch.setattr(staging, "open_catalog", meddling.open)
    settled(lake, windows=1, late_rows=1)
    own = [(0, "a", 2, True), (10, "a", 1, False), (20, "a", 1, False)]
    stream = [(10 * (4 + i), "a", 1, False) for i in range(2)]
    stream += [(-10 * (i + 1), "a", 1, False) for i in range(2) if near]
    assert meddling.times == 0
    assert sorted(answers(lake)) == sorted([*own, *stream])


def test_it_gives_up_and_says_what_to_do(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.land(event(3, 5, 25), checkpoint=2)
    monkeypatch.setattr(staging, "open_catalog", Meddling(lake, 99, near=True).open)
    monkeypatch.setattr(staging, "_TRIES", 2)
    with pytest.raises(SystemFailure, match=r"marts\.m was committed to 2 times"):
        settle_late(lake.settings, "m")
    # Nothing was changed, and nothing is remembered as done.
    monkeypatch.undo()
    assert (0, "a", 1, False) in answers(lake)
    settled(lake, windows=1, late_rows=1)


def test_what_is_not_there_is_named(lake: Lake) -> None:
    with pytest.raises(UserError, match="there is no model 'x'"):
        settle_late(lake.settings, "x")
