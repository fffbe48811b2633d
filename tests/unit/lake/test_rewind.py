"""A table goes back, and Flink's committer finds there what it has committed."""

from datetime import UTC, datetime, timedelta

import pytest
from lake_rows import some_rows
from pyiceberg.table import Table

from lakehead.errors import SystemFailure, UserError
from lakehead.lake.catalog import open_catalog
from lakehead.lake.given_up import closed_before_rollback, given_up
from lakehead.lake.plan import plan_files
from lakehead.lake.retention import CHECKPOINT, Retention, expirable, lineage
from lakehead.lake.rewind import rewind
from lakehead.lake.snapshots import TableState, table_state
from lakehead.lake.tags import list_tags
from lakehead.settings import Settings

NAME = "landing.orders"
CLOSED = datetime(2026, 1, 1, 10, tzinfo=UTC)


def commit(settings: Settings, first: int, checkpoint: int | None, job: str = "job-1") -> int:
    """Two rows, as Flink commits them; gives the snapshot."""
    table = open_catalog(settings).load_table(NAME)
    marks = {CHECKPOINT: str(checkpoint), "flink.job-id": job, "flink.operator-id": "op"}
    table.append(some_rows(table, first, 2), marks if checkpoint is not None else {})
    return at(settings).snapshot_id or 0


def at(settings: Settings) -> TableState:
    return table_state(settings, NAME)


def max_committed_checkpoint(state: TableState, job: str, operator: str = "op") -> int:
    """Iceberg's ``SinkUtil.getMaxCommittedCheckpointId``."""
    for snapshot in reversed(lineage(state, state.snapshot_id)):
        summary = snapshot.summary
        if summary.get("flink.job-id") == job and summary.get("flink.operator-id") in (
            None,
            operator,
        ):
            value = summary.get(CHECKPOINT)
            if value is not None:
                return int(value)
    return -1


def rows(settings: Settings) -> list[int]:
    found = open_catalog(settings).load_table(NAME).scan().to_arrow()["id"].to_pylist()
    return sorted(found)


def test_main_goes_back_and_what_was_there_is_kept(settings: Settings, table: Table) -> None:
    first = commit(settings, 0, 1)
    commit(settings, 10, 2)
    last = commit(settings, 20, 3)
    found = given_up(at(settings), first)
    assert found
    assert (found.commits, found.rows_now, found.rows_then) == (2, 6, 2)
    kept = rewind(settings, at(settings), first, CLOSED)
    state = at(settings)
    assert rows(settings) == [0, 1]
    assert plan_files(settings, state).rows == 2
    assert (state.summary["total-records"], state.tags) == ("2", {kept: last})
    assert list(state.refs) == ["main", kept]
    assert closed_before_rollback(state) == CLOSED
    [tag] = list_tags(settings)
    assert (tag.name, [t.snapshot_id for t in tag.tables]) == (kept, [last])


def test_the_committer_finds_its_newest_checkpoint(settings: Settings, table: Table) -> None:
    first = commit(settings, 0, 1, "job-1")
    commit(settings, 10, 7, "job-2")
    # A batch has committed since.
    commit(settings, 20, None)
    assert max_committed_checkpoint(at(settings), "job-2") == 7
    rewind(settings, at(settings), first, CLOSED)
    assert max_committed_checkpoint(at(settings), "job-2") == 7
    assert max_committed_checkpoint(at(settings), "job-1") == 1
    commit(settings, 30, 9, "job-3")
    rewind(settings, at(settings), first, None)
    assert max_committed_checkpoint(at(settings), "job-3") == 9
    assert rows(settings) == [0, 1]


def test_a_rollback_can_be_taken_back(settings: Settings, table: Table) -> None:
    first = commit(settings, 0, 1)
    commit(settings, 10, 2)
    kept = rewind(settings, at(settings), first, CLOSED)
    later = commit(settings, 20, 3)
    found = given_up(at(settings), at(settings).tags[kept])
    assert found and (found.commits, found.rows_now, found.rows_then) == (2, 4, 4)
    again = rewind(settings, at(settings), at(settings).tags[kept], CLOSED)
    assert rows(settings) == [0, 1, 10, 11]
    assert at(settings).tags[again] == later
    assert max_committed_checkpoint(at(settings), "job-1") == 3


def test_there_already_is_nothing_to_give_up(settings: Settings, table: Table) -> None:
    first = commit(settings, 0, 1)
    assert given_up(at(settings), first) is None
    commit(settings, 10, 2)
    rewind(settings, at(settings), first, CLOSED)
    assert given_up(at(settings), first) is None


def test_expiry_leaves_what_a_rollback_needs(settings: Settings, table: Table) -> None:
    first = commit(settings, 0, 1)
    last = commit(settings, 10, 2)
    rewind(settings, at(settings), first, CLOSED)
    mark = at(settings).snapshot_id
    # A batch commits after it.
    commit(settings, 20, None)
    commit(settings, 30, None)
    later = datetime.now(UTC) + timedelta(days=400)
    gone = {s.id for s in expirable(at(settings), Retention(timedelta(days=1)), later)}
    assert not gone & {first, last, mark}


def test_a_branch_is_no_part_of_the_history(settings: Settings, table: Table) -> None:
    first = commit(settings, 0, 1)
    table.refresh().manage_snapshots().create_branch(first, "audit").commit()
    table.refresh().append(some_rows(table, 50, 1), branch="audit")
    with pytest.raises(UserError, match=r"was never at snapshot .*: it is one of a branch"):
        given_up(at(settings), at(settings).refs["audit"])
    with pytest.raises(UserError, match=r"landing\.orders has no snapshot 5; it was expired"):
        given_up(at(settings), 5)


def test_committed_to_meanwhile_nothing_is_changed(settings: Settings, table: Table) -> None:
    first = commit(settings, 0, 1)
    commit(settings, 10, 2)
    stale = at(settings)
    commit(settings, 20, 3)
    with pytest.raises(SystemFailure, match="was committed to while it was rolled back"):
        rewind(settings, stale, first, CLOSED)
    assert rows(settings) == [0, 1, 10, 11, 20, 21]
    # What is left of it does not disturb the next.
    rewind(settings, at(settings), first, CLOSED)
    assert rows(settings) == [0, 1]
