"""What a table has lost by going back to one of its snapshots, or would lose."""

from dataclasses import dataclass
from datetime import datetime

from lakehead.errors import UserError
from lakehead.lake.retention import lineage
from lakehead.lake.snapshots import Snapshot, TableState

# In the summary of the commit that a rollback leaves: to which snapshot it went back.
TO = "lakehead.rollback-to"
# Properties of the table: when it was rolled back last, and up to when its answers had been closed,
# which its rows do not show any more.
AT = "lakehead.rolled-back-at"
CLOSED = "lakehead.closed-until"


@dataclass(frozen=True)
class GivenUp:
    """What going back to the snapshot ``then`` from ``now`` means. Rows are those of the table.

    ``commits`` are those since, which main would not have any more.
    """

    now: Snapshot
    then: Snapshot
    commits: int
    rows_now: int
    rows_then: int


def given_up(state: TableState, then: int) -> GivenUp | None:
    """What is given up by going back to ``then``; None where the table is there already.

    Raises:
        UserError: the snapshot is not retained, or the table's main branch was never at it.
    """
    target = state.as_of(then).snapshot
    assert target and state.snapshot
    own = [s.id for s in lineage(state, state.snapshot.id)]
    if then not in own and then not in {s for _, s in state.log}:
        raise UserError(
            f"{state.name} was never at snapshot {then}: it is one of a branch",
            "choose a tag, a time, or a snapshot that the table was at",
        )
    if then == state.snapshot.id or state.summary.get(TO) == str(then):
        return None
    kept = {s.id for s in lineage(state, then)}
    commits = sum(s not in kept for s in own)
    return GivenUp(state.snapshot, target, commits, _rows(state.snapshot), _rows(target))


def closed_before_rollback(state: TableState) -> datetime | None:
    """Up to when the table's answers had been closed as it was last rolled back; None if never."""
    return _time(state.properties.get(CLOSED))


def rolled_back_at(state: TableState) -> datetime | None:
    """When the table was last rolled back; None if never."""
    return _time(state.properties.get(AT))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _rows(snapshot: Snapshot) -> int:
    return int(snapshot.summary.get("total-records", 0))
