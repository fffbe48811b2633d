"""kill -9 between every two steps: the next run finishes, and nothing is lost, doubled or visible
half-done."""

from pathlib import Path

import pytest

from lakehead.lake.leases import held, lease
from lakehead.lake.snapshots import table_state
from lakehead.maintenance.run import plan
from lakehead.proof.parity import parity
from lakehead.proof.reconcile import reconcile
from lakehead.proof.settle import settle_late
from lakehead.proof.totals import totals
from lakehead.query.engine import run
from tests.killed import changes
from tests.small_lake import TUMBLE, Lake, event, make_lake, window

MART = "marts.m"
# Write to a branch, do it again on what the stream has committed meanwhile, publish.
PUBLISHED = [
    f"branches of {MART}",
    f"commit {MART}",
    f"branches of {MART}",
    f"commit {MART}",
    f"branches of {MART}",
]
LEDGER = [f"{what} ops.{name}" for name in ("ledger", "closings") for what in ("make", "commit")]
RECONCILE = [*LEDGER, *PUBLISHED, "make ops.reconciles", "commit ops.reconciles"]
SETTLE = [*PUBLISHED, "write m.json"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two closed windows, of which one lacks a late row; ten rows of a third, which is open."""
    made = make_lake(tmp_path)
    made.model(**TUMBLE, late="update")
    made.feed(state="stopped")
    made.land(event(0, 1), event(1, 11), event(2, 21), checkpoint=1)
    made.answer(window(0, 1), window(10, 1), checkpoint=1)
    made.land(event(3, 5, 20), checkpoint=2)
    return made


def counts(lake: Lake) -> list[int]:
    return [row["n"] for row in lake.mart()]


def refs(lake: Lake) -> set[str]:
    return set(table_state(lake.settings, MART).refs)


def prove(lake: Lake) -> None:
    """The stream's own third window is there once, if it came at all, and all else is the batch."""
    assert counts(lake)[:2] == [2, 1]
    assert counts(lake)[2:] in ([], [1])
    assert refs(lake) == {"main"}
    assert parity(lake.settings, "m").unexplained == 0


@pytest.mark.parametrize("step", range(1, len(RECONCILE) + 1))
def test_reconcile_that_is_killed_is_done_by_the_next(lake: Lake, step: int) -> None:
    done = changes(lake, ["reconcile", "m"], kill_after=step)
    assert done == RECONCILE[:step]
    published = step >= RECONCILE.index("make ops.reconciles")
    assert counts(lake) in ([[2, 1, 1]] if published else [[1, 1], [1, 1, 1]])

    [again] = reconcile(lake.settings, ["m"])
    assert again.changed == (0 if published else 1)
    prove(lake)
    assert parity(lake.settings, "m").different == 0
    with run(lake.settings, "SELECT count(*), max(closed_until) FROM ops.reconciles") as found:
        # Killed at the very end, it had been recorded.
        assert found.fetchall()[0][0] == (2 if step == len(RECONCILE) else 1)
    [total] = totals(lake.settings, ["orders"], "all")
    assert (total.produced, total.landed, total.lost) == (4, 4, 0)


# What is common to both is killed above.
@pytest.mark.parametrize("step", [2, len(PUBLISHED), len(SETTLE)])
def test_what_settles_late_rows_and_is_killed_is_done_by_the_next(lake: Lake, step: int) -> None:
    done = changes(lake, ["settle", "m"], kill_after=step)
    assert done == SETTLE[:step]
    published = step >= len(PUBLISHED)
    assert counts(lake) in ([[2, 1, 1]] if published else [[1, 1], [1, 1, 1]])
    settle_late(lake.settings, "m")
    prove(lake)
    assert settle_late(lake.settings, "m").windows == 0


def test_maintain_that_is_killed_before_spark_begins_keeps_nobody_from_anything(lake: Lake) -> None:
    for offset in range(4, 10):
        lake.land(event(offset, 22), checkpoint=offset)
    [before] = plan(lake.settings, ["landing.orders"])
    assert before.due
    assert changes(lake, ["maintain", "landing.orders"], kill_after=1) == [
        "say what is to be expired"
    ]
    state = table_state(lake.settings, "landing.orders")
    assert held(lake.settings) == {}
    taken = lease(lake.settings, [state.as_of(state.snapshots[0].id)])
    taken.close()
    [again] = plan(lake.settings, ["landing.orders"])
    assert (again.compaction, again.expire) == (before.compaction, before.expire)


def test_these_are_all_the_steps(lake: Lake) -> None:
    assert changes(lake, ["reconcile", "m"]) == RECONCILE
    assert counts(lake) == [2, 1, 1]
