"""What maintenance would do to a table, and why. Nothing is done here."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lakehead.lake.plan import Plan
from lakehead.lake.retention import Retention, expirable
from lakehead.lake.snapshots import TableState
from lakehead.maintenance.layout import Layout

TARGET_BYTES = 128 * 2**20
# Iceberg's own measure of a file that is to be rewritten (RewriteDataFiles, min-file-size-bytes).
SMALL_BYTES = TARGET_BYTES * 3 // 4
LEAST_FILES = 5
MOST_MANIFESTS = 20
ORPHAN_AGE = timedelta(days=3)


@dataclass(frozen=True)
class Wanted:
    """What is wanted beside what is due: removal of orphans of an age, statistics."""

    orphans: timedelta | None = None
    statistics: bool = False


NOTHING_MORE = Wanted()


@dataclass(frozen=True)
class Compaction:
    """``files`` small ones of ``partitions`` become about ``after``."""

    files: int
    bytes: int
    partitions: int
    after: int


@dataclass(frozen=True)
class TableWork:
    """A table as it is, and what is due. ``expire`` are ids of snapshots."""

    table: str
    uuid: str
    files: int
    bytes: int
    snapshots: int
    manifests: int
    sort: tuple[str, ...] = ()
    compaction: Compaction | None = None
    expire: tuple[int, ...] = ()
    rewrite_manifests: bool = False
    orphans_before: datetime | None = None
    statistics: bool = False
    why: list[str] = field(default_factory=list)

    @property
    def due(self) -> bool:
        return bool(self.why)


def plan_table(
    state: TableState,
    files: Plan,
    layout: Layout,
    now: datetime,
    held: Collection[int] = (),
    wanted: Wanted = NOTHING_MORE,
) -> TableWork:
    """What is due. ``held`` are snapshots that somebody reads."""
    compaction = _compaction(files)
    gone = expirable(state, Retention(layout.keep, layout.recorded, held), now)
    # A compaction's files come with manifests of their own, so that the others are merged after it.
    many = files.manifests > MOST_MANIFESTS
    why = []
    if compaction:
        why.append(
            f"{compaction.files} files are smaller than {SMALL_BYTES >> 20} MiB,"
            f" {compaction.bytes / compaction.files / 2**20:.1f} MiB each"
        )
    if gone:
        why.append(f"{len(gone)} snapshots were superseded more than {layout.keep} ago")
    if many:
        why.append(f"{files.manifests} manifests are read to plan a query")
    if wanted.orphans is not None:
        why.append(f"files that no snapshot has, older than {wanted.orphans}, were asked to go")
    if wanted.statistics:
        why.append("statistics were asked for")
    return TableWork(
        table=state.name,
        uuid=state.uuid,
        files=len(files.files),
        bytes=sum(f.bytes for f in files.files),
        snapshots=len(state.snapshots),
        manifests=files.manifests,
        sort=layout.sort,
        compaction=compaction,
        expire=tuple(s.id for s in gone),
        rewrite_manifests=many,
        orphans_before=None if wanted.orphans is None else now - wanted.orphans,
        statistics=wanted.statistics,
        why=why,
    )


def _compaction(files: Plan) -> Compaction | None:
    small: Counter[str] = Counter()
    size: defaultdict[str, int] = defaultdict(int)
    for file in files.files:
        if file.bytes < SMALL_BYTES:
            partition = str(sorted(file.partition.items()))
            small[partition] += 1
            size[partition] += file.bytes
    due = [partition for partition, count in small.items() if count >= LEAST_FILES]
    if not due:
        return None
    return Compaction(
        files=sum(small[p] for p in due),
        bytes=sum(size[p] for p in due),
        partitions=len(due),
        after=sum(math.ceil(size[p] / TARGET_BYTES) for p in due),
    )
