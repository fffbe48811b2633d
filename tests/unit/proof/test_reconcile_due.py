"""Reconcile by DuckDB: what is due is settled, and the mart is the batch afterwards."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehead.errors import UserError
from lakehead.jobs.reconcile import ALL, Range, Reconciled
from lakehead.lake.given_up import AT
from lakehead.lake.refs import SetProperty, change_refs
from lakehead.proof import reconcile as recon
from lakehead.proof.parity import parity
from lakehead.proof.reconcile import reconcile
from lakehead.query.engine import run
from tests.draws import draws
from tests.small_lake import Lake, at, event, make_lake, window

COUNTS = ("windows", "changed", "added", "removed", "settled")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = make_lake(tmp_path)
    made.model()
    made.land(event(0, 1), event(1, 11), event(2, 21), event(3, 31), checkpoint=1)
    made.answer(window(0, 1), window(10, 1), checkpoint=1)
    return made


def settled(lake: Lake, within: Range = ALL, **how: Any) -> Reconciled:
    [done] = reconcile(lake.settings, ["m"], within, **how)
    return done


def counts(done: Reconciled) -> tuple[int, ...]:
    return tuple(getattr(done, name) for name in COUNTS)


def test_the_first_looks_at_all_that_has_closed(lake: Lake) -> None:
    done = settled(lake)
    assert counts(done) == (2, 0, 0, 0, 2)
    assert (done.engine, done.why) == ("duckdb", "4 rows are at most 20,000,000")
    assert done.closed_until == at(20).isoformat()
    assert {row["settled_offsets"] for row in lake.mart()} == {'{"0": 3}'}
    with run(lake.settings, "SELECT model, engine, windows, closed_until FROM ops.reconciles") as r:
        assert r.fetchall() == [("m", "duckdb", 2, at(20))]


def test_the_next_looks_at_what_closed_since_and_at_what_late_rows_are_in(lake: Lake) -> None:
    settled(lake)
    lake.answer(window(20, 1), checkpoint=2)
    lake.land(event(4, 5, 25), event(5, 45), checkpoint=2)
    done = settled(lake)
    # The window from 0 anew, that from 20 for the first time; that from 10 is not looked at.
    assert counts(done) == (2, 1, 0, 0, 1)
    assert [row["n"] for row in lake.mart()] == [2, 1, 1]
    assert parity(lake.settings, "m").different == 0
    assert counts(settled(lake)) == (0, 0, 0, 0, 0)


def test_a_row_that_was_not_taken_to_be_late_counts_all_the_same(lake: Lake) -> None:
    """After a restart the source's watermark begins anew."""
    settled(lake)
    lake.land(event(4, 5), checkpoint=2)
    assert counts(settled(lake)) == (1, 1, 0, 0, 0)
    assert parity(lake.settings, "m").different == 0


def test_where_files_hold_too_many_rows_those_that_are_due_are_counted(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(lake)
    lake.land(event(4, 5, 25), event(5, 45), checkpoint=2)
    assert settled(lake, dry_run=True).why == "6 rows are at most 20,000,000"
    monkeypatch.setattr(recon, "MOST_ROWS", 2)
    done = settled(lake)
    assert (done.engine, done.why) == ("duckdb", "2 rows are at most 2")
    assert counts(done) == (1, 1, 0, 0, 0)


def test_a_dry_run_counts_and_changes_nothing(lake: Lake) -> None:
    before = lake.mart()
    planned = settled(lake, dry_run=True)
    assert (lake.mart(), lake.snapshots()) == (before, 1)
    assert counts(settled(lake)) == counts(planned)


def test_a_range_is_looked_at_whole_and_leaves_the_rest_due(lake: Lake) -> None:
    lake.land(event(4, 5, 25), event(5, 15, 25), checkpoint=2)
    assert counts(settled(lake, Range(start=at(10)))) == (1, 1, 0, 0, 0)
    assert [row["n"] for row in lake.mart()] == [1, 2]
    assert counts(settled(lake)) == (2, 1, 0, 0, 0)


def test_ranges_that_lie_end_to_end_have_each_window_once(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model(window={"hop": {"size": "20 seconds", "every": "10 seconds"}}, keys=["id"])
    lake.land(event(0, 5), event(1, 15), checkpoint=1)
    ends = {"window_start": at(20), "window_end": at(40)}
    lake.answer({**ends, "id": "b", "n": 1}, checkpoint=1)
    # From -10 and from 0: the row at 15 s is in the second, though it lies beyond the range.
    assert counts(settled(lake, Range(end=at(10)))) == (2, 0, 2, 0, 0)
    assert [(r["window_end"], r["n"]) for r in lake.mart()][:2] == [(at(10), 1), (at(20), 2)]
    assert counts(settled(lake, Range(start=at(10)))) == (1, 0, 1, 1, 0)
    assert parity(lake.settings, "m", Range(end=at(10))).windows == 2
    assert parity(lake.settings, "m").different == 0


def test_full_finds_what_was_changed_by_hand(lake: Lake) -> None:
    settled(lake)
    lake.answer(window(10, 7, '{"0": 3}'))
    assert counts(settled(lake)) == (0, 0, 0, 0, 0)
    settled(lake, full=True)
    assert [row["n"] for row in lake.mart()] == [1, 1]


def test_after_a_rollback_all_is_due(lake: Lake) -> None:
    settled(lake)
    later = SetProperty(AT, "2999-01-01T00:00:00+00:00")
    change_refs(lake.settings, lambda _: {"marts.m": [later]})
    assert counts(settled(lake)) == (2, 0, 0, 0, 0)


def test_a_window_that_nothing_is_in_any_more_is_taken_out(lake: Lake) -> None:
    lake.answer(window(0, 1, id="b"), checkpoint=2)
    assert counts(settled(lake)) == (2, 0, 0, 1, 2)


def test_what_has_not_closed_is_left_alone(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model()
    assert settled(lake).closed_until is None
    lake.land(event(0, 1), checkpoint=1)
    assert settled(lake).closed_until is None


def test_a_model_without_fixed_windows_is_sparks(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model(window={"session": {"gap": "5 seconds"}}, keys=["id"])
    lake.land(event(0, 1), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    with pytest.raises(UserError, match="no windows of a fixed size"):
        settled(lake, engine="duckdb")


class Stream:
    """Counts by tumbling windows of ten seconds, as the job does: late rows are left out."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.offset, self.checkpoint, self.mark = 0, 0, -1.0
        self.open: Counter[tuple[int, str]] = Counter()
        self.closed = -1

    def commit(self, events: list[tuple[int, str]]) -> None:
        self.checkpoint += 1
        rows = []
        for second, key in events:
            rows.append(event(self.offset, second, self.mark if self.mark >= 0 else None, id=key))
            self.offset += 1
            start = second // 10 * 10
            if start + 10 > self.mark + 0.001:
                self.open[start, key] += 1
            self.mark = max(self.mark, float(second))
        fired = [(s, k) for s, k in self.open if s + 10 <= self.mark + 0.001]
        answers = [window(s, self.open.pop((s, k)), id=k) for s, k in sorted(fired)]
        self.lake.land(*rows, checkpoint=self.checkpoint)
        if answers:
            self.lake.answer(*answers, checkpoint=self.checkpoint)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Path]]:
    yield (tmp_path_factory.mktemp("lake") for _ in iter(int, 1))


EVENTS = st.lists(st.tuples(st.integers(0, 90), st.sampled_from("ab")), min_size=1, max_size=6)
STEPS = st.lists(st.none() | EVENTS, min_size=1, max_size=8)


@settings(max_examples=draws(10), deadline=None)
@given(steps=STEPS)
def test_step_by_step_gives_what_looking_at_all_gives(
    folders: Iterator[Path], steps: list[list[tuple[int, str]] | None]
) -> None:
    lake = make_lake(next(folders))
    lake.model()
    stream = Stream(lake)
    for events in steps:
        if events is None:
            settled(lake)
        else:
            stream.commit(events)
    assert parity(lake.settings, "m").unexplained == 0
    settled(lake)
    assert parity(lake.settings, "m").different == 0
    before = lake.mart()
    settled(lake, full=True)
    assert [{**row, "settled_offsets": ""} for row in lake.mart()] == [
        {**row, "settled_offsets": ""} for row in before
    ]
