"""The fence of two snapshots: whatever checkpoint each holds, no record is below it unsettled."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lakehead.lake.retention import CHECKPOINT
from lakehead.lake.snapshots import Snapshot, TableState
from lakehead.live.fence import Ends, fences, landing_upto

VALID, DEAD, EMPTY = "valid", "dead", "empty"
Log = dict[int, list[str]]


@dataclass
class Table:
    """A table's commits, in order: by snapshot, the checkpoint and the end of each partition."""

    kind: str
    log: Log
    checkpoints: list[Ends]
    snapshots: list[Snapshot] = field(default_factory=list)
    covers: dict[int, int] = field(default_factory=dict)

    def commit(self, checkpoint: int) -> None:
        self._add(checkpoint, {CHECKPOINT: str(checkpoint)})

    def compact(self) -> None:
        """A commit without rows of its own, which bears no checkpoint."""
        if self.snapshots:
            self._add(self.covers[self.snapshots[-1].id], {})

    def expire(self, count: int) -> None:
        newest = [i for i, s in enumerate(self.snapshots) if CHECKPOINT in s.summary][-1:]
        self.snapshots = self.snapshots[min([count, *newest]) :]

    def _add(self, checkpoint: int, summary: dict[str, str]) -> None:
        number = len(self.covers) + 1
        parent = self.snapshots[-1].id if self.snapshots else None
        at = datetime(2026, 1, 1, tzinfo=UTC)
        self.covers[number] = checkpoint
        self.snapshots.append(Snapshot(number, parent, number, at, 0, "", summary))

    @property
    def state(self) -> TableState:
        newest = self.snapshots[-1] if self.snapshots else None
        return TableState(self.kind, self.kind, "", newest, (), tuple(self.snapshots), True, {})

    def held(self, state: TableState) -> set[tuple[int, int]]:
        """The coordinates of the rows of a snapshot."""
        if state.snapshot_id is None:
            return set()
        ends = self.checkpoints[self.covers[state.snapshot_id]]
        return {(p, o) for p, e in ends.items() for o in range(e) if self.log[p][o] == self.kind}

    def reach(self, state: TableState) -> Ends:
        ends: dict[int, int] = {}
        for p, o in self.held(state):
            ends[p] = max(ends.get(p, 0), o + 1)
        return ends


Partition = st.lists(st.sampled_from([VALID, VALID, DEAD, EMPTY]), max_size=12)
Commits = st.lists(
    st.tuples(st.sampled_from(["landing", "dead", "compact", "expire"]), st.integers(0, 3)),
    max_size=12,
)


@given(Partition, Partition, st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6))), Commits)
def test_each_offset_is_there_once(
    first: list[str],
    second: list[str],
    steps: list[tuple[int, int]],
    commits: list[tuple[str, int]],
) -> None:
    log = {0: first, 1: second}
    checkpoints: list[Ends] = [{0: 0, 1: 0}]
    for more in steps:
        before = checkpoints[-1]
        checkpoints.append({p: min(len(log[p]), before[p] + more[p]) for p in log})
    landing, dead = Table(VALID, log, checkpoints), Table(DEAD, log, checkpoints)
    at = {"landing": 0, "dead": 0}
    for what, number in commits:
        match what:
            case "compact":
                landing.compact()
            case "expire":
                landing.expire(number)
            case _:
                # A checkpoint without rows may be passed over.
                at[what] = min(at[what] + number, len(checkpoints) - 1)
                (landing if what == "landing" else dead).commit(at[what])
    # The ledger is written up to what both hold.
    both = checkpoints[min(at.values())]
    for recorded in ({}, both):
        found = fences(
            landing.state,
            dead.state,
            lambda state: (landing if state.name == VALID else dead).reach(state),
            recorded,
        )
        check(log, landing.held(landing.state), dead.held(dead.state), found.landing, found.dead)
    alone = fences(landing.state, None, landing.reach, {})
    assert alone.landing == landing.reach(landing.state)


def check(
    log: Log, landed: set[tuple[int, int]], died: set[tuple[int, int]], fence: Ends, dead: Ends
) -> None:
    for p, records in log.items():
        for o, kind in enumerate(records):
            seen = (p, o) in landed or (p, o) in died
            as_landed = [(p, o) in landed, kind == VALID and o >= fence.get(p, 0) and not seen]
            as_dead = [(p, o) in died, kind == DEAD and o >= dead.get(p, 0) and not seen]
            assert sum(as_landed) == (kind == VALID)
            assert sum(as_dead) == (kind == DEAD)


def test_the_dead_fence_follows_the_landing_table() -> None:
    log = {0: [DEAD, *[VALID] * 9]}
    checkpoints: list[Ends] = [{0: n} for n in range(11)]
    landing, dead = Table(VALID, log, checkpoints), Table(DEAD, log, checkpoints)
    for checkpoint in range(1, 11):
        landing.commit(checkpoint)
    dead.commit(1)

    def dead_fence() -> Ends:
        reach = {VALID: landing.reach, DEAD: dead.reach}
        return fences(landing.state, dead.state, lambda s: reach[s.name](s), {}).dead

    assert dead_fence() == {0: 1}
    # An empty commit, as the job makes one after every tenth checkpoint without rows.
    dead.commit(8)
    assert dead_fence() == {0: 8}
    # The snapshot of then is gone: the fence is low, and so right.
    landing.expire(9)
    assert landing_upto(landing.state, 8) is None
    assert dead_fence() == {0: 1}
