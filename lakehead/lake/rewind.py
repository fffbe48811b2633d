"""Set a table's main branch back to one of its snapshots, without what Flink then commits twice.

A job's state holds the files of its last checkpoint, committed or not. As it goes on, Flink's
committer takes them to be committed if one of main's ancestors bears that checkpoint in its summary
(Iceberg's ``SinkUtil.getMaxCommittedCheckpointId``). Main of before does not, and the files would
be committed again. So main is not set to the snapshot itself, but to an empty commit on top of it
that bears the newest checkpoint of what is given up. It also says up to when the answers in the
table had been closed, which the table itself shows no more.
"""

from datetime import UTC, datetime

from lakehead.errors import SystemFailure
from lakehead.lake.catalog import open_catalog
from lakehead.lake.given_up import AT, CLOSED, TO
from lakehead.lake.refs import Change, DropRef, SetProperty, SetRef, change_refs
from lakehead.lake.retention import CHECKPOINT, MAIN, lineage
from lakehead.lake.snapshots import TableState
from lakehead.lake.tags import TaggedTable, record
from lakehead.settings import Settings

# By these Flink's committer knows its own commits.
_FLINK = (CHECKPOINT, "flink.job-id", "flink.operator-id")
_BRANCH = "rollback"


def rewind(settings: Settings, state: TableState, then: int, closed_until: datetime | None) -> str:
    """Set main back to ``then``, from ``state``; gives the tag that keeps what was there.

    No job may be writing. Cut short, it has changed nothing that a reader sees.

    Raises:
        SystemFailure: the table was committed to meanwhile; nothing was changed.
    """
    assert state.snapshot
    now = datetime.now(UTC)
    kept = f"before-rollback-{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03}"
    change_refs(settings, lambda _: {state.name: [SetRef(_BRANCH, then, "branch")]})
    table = open_catalog(settings).load_table(state.name)
    table.append(table.schema().as_arrow().empty_table(), _summary(state, then), _BRANCH)

    def move(states: dict[str, TableState]) -> dict[str, list[Change]]:
        found = states[state.name]
        if found.uuid != state.uuid or found.snapshot_id != state.snapshot_id:
            raise SystemFailure(
                f"{state.name} was committed to while it was rolled back; nothing was changed",
                "do it again",
            )
        return {
            state.name: [
                SetRef(kept, found.refs[MAIN]),
                SetRef(MAIN, found.refs[_BRANCH], "branch"),
                DropRef(_BRANCH),
                SetProperty(AT, now.isoformat()),
                *([SetProperty(CLOSED, closed_until.isoformat())] if closed_until else []),
            ]
        }

    change_refs(settings, move)
    record(settings, kept, [TaggedTable(state.name, state.uuid, state.snapshot.id)], now)
    return kept


def _summary(state: TableState, then: int) -> dict[str, str]:
    newest = next(
        (s.summary for s in reversed(lineage(state, state.snapshot_id)) if CHECKPOINT in s.summary),
        {},
    )
    return {key: newest[key] for key in _FLINK if key in newest} | {TO: str(then)}
