"""Which snapshots of a table nobody needs any more."""

import itertools
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from lakehead.lake.snapshots import Snapshot, TableState

CHECKPOINT = "flink.max-committed-checkpoint-id"
MAIN = "main"


@dataclass(frozen=True)
class Retention:
    """``keep``: a snapshot that was the table's newest within this time stays.

    ``recorded`` is the checkpoint up to which the ledger has read the table, None where it does not
    need to. ``held`` are snapshots that somebody reads now.
    """

    keep: timedelta
    recorded: int | None = None
    held: Collection[int] = ()


def expirable(state: TableState, retention: Retention, now: datetime) -> list[Snapshot]:
    """The snapshots that may go, oldest first.

    There stay, besides what ``retention`` says: the newest; what tags and branches name, and all
    that led to it; and the newest of the stream's job, which finds in it how far it had come, for
    without it files would be committed twice (Iceberg's ``SinkUtil.getMaxCommittedCheckpointId``).
    Of what led to the newest only the beginning goes: who walks it back is to find no gap.
    """
    led_here = lineage(state, state.snapshot_id)
    wanted = _named(state) | set(retention.held)
    before = now - retention.keep
    by_job = [s.id for s in led_here if CHECKPOINT in s.summary][-1:]
    gone = []
    for snapshot, after in itertools.pairwise(led_here):
        unread = retention.recorded is not None and _checkpoint(snapshot) > retention.recorded
        if snapshot.id in by_job or unread or after.committed_at >= before:
            break
        gone.append(snapshot)
    ids = {s.id for s in led_here}
    gone += [s for s in state.snapshots if s.id not in ids and s.committed_at < before]
    return [s for s in gone if s.id not in wanted]


def _named(state: TableState) -> set[int]:
    """What a tag or a branch beside main names, and what led to it."""
    heads = [head for name, head in state.refs.items() if name != MAIN]
    return {s.id for head in heads for s in lineage(state, head)}


def lineage(state: TableState, snapshot_id: int | None) -> list[Snapshot]:
    """The snapshot, and those that led to it as far as they are retained; oldest first."""
    by_id = {s.id: s for s in state.snapshots}
    found = []
    at = by_id.get(snapshot_id) if snapshot_id is not None else None
    while at is not None:
        found.append(at)
        at = by_id.get(at.parent_id) if at.parent_id is not None else None
    return found[::-1]


def _checkpoint(snapshot: Snapshot) -> int:
    return int(snapshot.summary.get(CHECKPOINT, -1))
