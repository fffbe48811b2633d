"""Which snapshots may go: never one that somebody needs, and never one from the middle."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lakehead.lake.retention import CHECKPOINT, Retention, expirable, lineage
from lakehead.lake.snapshots import Snapshot, TableState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def snapshot(
    number: int, parent: int | None, age: timedelta, checkpoint: int | None = None
) -> Snapshot:
    summary = {} if checkpoint is None else {CHECKPOINT: str(checkpoint)}
    return Snapshot(number, parent, number, NOW - age, 0, "", summary)


def table(*snapshots: Snapshot, **refs: int) -> TableState:
    newest = snapshots[-1] if snapshots else None
    main = {"main": newest.id} if newest else {}
    return TableState("t", "uuid", "", newest, (), snapshots, True, {**main, **refs})


def row(*checkpoints: int | None, every: timedelta = HOUR) -> list[Snapshot]:
    """One after the other, the newest now."""
    count = len(checkpoints)
    return [
        snapshot(i + 1, i or None, every * (count - 1 - i), c) for i, c in enumerate(checkpoints)
    ]


def gone(state: TableState, keep: timedelta = HOUR, **more: object) -> list[int]:
    return [s.id for s in expirable(state, Retention(keep, **more), NOW)]  # type: ignore[arg-type]


def test_what_was_the_newest_within_the_time_stays() -> None:
    # The third was superseded an hour ago, the second two.
    state = table(*row(1, 2, 3, 4, 5))
    assert gone(state, HOUR) == [1, 2]
    assert gone(state, timedelta(minutes=59)) == [1, 2, 3]
    assert gone(state, timedelta(days=1)) == []


def test_a_table_that_rests_keeps_what_it_is() -> None:
    assert gone(table(snapshot(1, None, timedelta(days=900), 1))) == []
    assert gone(table()) == []


def test_the_newest_of_the_streams_job_stays_and_what_came_after_it() -> None:
    state = table(*row(1, 2, None, None, None, None))
    assert gone(state) == [1]


def test_what_the_ledger_has_not_read_stays() -> None:
    state = table(*row(1, 2, 3, 4, 5, 6))
    assert gone(state, recorded=2) == [1, 2]
    assert gone(state, recorded=-1) == []
    # No hole: what lies behind the first that must stay, stays.
    assert gone(table(*row(1, 3, None, None, 4, 5)), recorded=1) == [1]


def test_what_is_read_or_named_stays() -> None:
    state = table(*row(1, 2, 3, 4, 5))
    assert gone(state, held={2}) == [1]
    assert gone(table(*row(1, 2, 3, 4, 5), before=2)) == []
    assert gone(table(*row(1, 2, 3, 4, 5), before=1)) == [2]


def test_what_a_branch_has_stays_and_what_lies_aside_goes() -> None:
    aside = snapshot(9, 1, timedelta(days=2))
    after = snapshot(10, 9, timedelta(days=2))
    on_main = row(1, 2, 3)
    assert gone(table(aside, after, *on_main)) == [9, 10]
    assert gone(table(aside, after, *on_main, audited=10)) == []
    assert gone(table(aside, after, *on_main, audited=9)) == [10]


HISTORIES = st.lists(st.none() | st.integers(0, 30), min_size=1, max_size=25).map(
    lambda cs: row(*cs, every=timedelta(minutes=20))
)


@given(
    history=HISTORIES,
    keep=st.integers(0, 300),
    recorded=st.none() | st.integers(-1, 30),
    tag=st.none() | st.integers(1, 25),
)
def test_what_is_left_leads_without_a_gap_from_the_job_to_the_newest(
    history: list[Snapshot], keep: int, recorded: int | None, tag: int | None
) -> None:
    refs = {} if tag is None or tag > len(history) else {"tag": tag}
    state = table(*history, **refs)
    dropped = set(gone(state, timedelta(minutes=keep), recorded=recorded))
    left = tuple(s for s in history if s.id not in dropped)
    assert history[-1] in left
    assert not refs or refs["tag"] in {s.id for s in left}
    walked = lineage(table(*left), history[-1].id)
    jobs = [s for s in history if CHECKPOINT in s.summary]
    assert not jobs or jobs[-1] in walked
    assert all(s.id not in dropped for s in walked)
    for one in dropped:
        assert recorded is None or int(history[one - 1].summary.get(CHECKPOINT, -1)) <= recorded
        assert history[one].committed_at < NOW - timedelta(minutes=keep)
