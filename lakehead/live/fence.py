"""From which offset on the topic is read, so that every record is in an answer exactly once.

The job commits a checkpoint to the landing table and to the dead table one after the other, so that
two snapshots of one moment may hold different checkpoints. Each holds, by partition, all of its
records up to an offset that the snapshot does not state, and none after that (ADR 0016: one reader,
in order). What is stated are the rows' own offsets:

- A landing table has all valid records up to its newest row. From there on the topic is read, and
  what lies there in the dead table is left out, for it has been judged.
- A dead table may have no row for hours. But it has all dead records up to its newest checkpoint,
  and the landing table's rows of that checkpoint say up to where at least that is.

A fence that lies too low makes the tail longer, and never wrong: what the other table has is left
out by its coordinates. Kafka's committed offsets are not asked: they are another clock than the
snapshots.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lakehead.lake.retention import CHECKPOINT, lineage
from lakehead.lake.snapshots import TableState
from lakehead.proof.evidence import NONE, newest_checkpoint

Ends = Mapping[int, int]


@dataclass(frozen=True)
class Fences:
    """By partition, the first offset that the tail of a table may hold; 0 where none is named."""

    landing: Ends
    dead: Ends


def fences(
    landing: TableState,
    dead: TableState | None,
    reach: Callable[[TableState], Ends],
    recorded: Ends,
) -> Fences:
    """The fences of two snapshots of one moment.

    ``reach`` gives by partition the offset after the newest row of a snapshot. ``recorded`` are
    those up to which the ledger was written by that moment: it writes what both tables hold.
    """
    first = reach(landing)
    if dead is None:
        return Fences(first, {})
    settled = landing_upto(landing, newest_checkpoint(dead))
    parts = [reach(dead), recorded, reach(settled) if settled is not None else {}]
    partitions = {p for part in parts for p in part}
    return Fences(first, {p: max(part.get(p, 0) for part in parts) for p in partitions})


def landing_upto(landing: TableState, checkpoint: int) -> TableState | None:
    """The newest retained snapshot of the table with no rows of a later checkpoint than this; None
    where none is known to be so."""
    found, reached = None, NONE
    for snapshot in lineage(landing, landing.snapshot_id):
        reached = max(reached, int(snapshot.summary.get(CHECKPOINT, NONE)))
        # Of snapshots before the first that bears a checkpoint it is not known what they hold.
        if reached != NONE and reached <= checkpoint:
            found = snapshot.id
    return None if found is None else landing.as_of(found)
