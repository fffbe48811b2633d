"""How far a snapshot of a landing or dead table reaches, as its own rows say.

It is kept under the home by snapshot: of a newer one only the files are read that commits since
then have added.
"""

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lakehead.files import write_whole
from lakehead.lake.plan import Plan, plan_files
from lakehead.lake.retention import lineage
from lakehead.lake.snapshots import TableState
from lakehead.query.types import quoted, quoted_table
from lakehead.query.views import make_view
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PREFIX = "reach$"
_KEPT = 20
_FORMAT = 1
_one_reads = threading.Lock()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Reach:
    """``ends`` is by partition the offset after the newest of the rows; ``newest`` their newest
    event time, None where there is none."""

    ends: Mapping[int, int] = field(default_factory=dict)
    newest: datetime | None = None

    def and_(self, other: "Reach") -> "Reach":
        """What the rows of both reach."""
        ends = {p: max(r.ends.get(p, 0) for r in (self, other)) for p in {*self.ends, *other.ends}}
        times = [t for t in (self.newest, other.newest) if t is not None]
        return Reach(ends, max(times, default=None))


def reach(
    con: "DuckDBPyConnection", settings: Settings, state: TableState, clock: str | None = None
) -> Reach:
    """Of ``state``'s snapshot; ``clock`` is its column of event times, if it has one.

    Raises:
        SystemFailure: a manifest or a file cannot be read.
    """
    if state.snapshot_id is None:
        return Reach()
    # Who asks for the same at the same time waits for it, and does not read it as well.
    with _one_reads:
        return _reach(con, settings, state, state.snapshot_id, clock)


def _reach(
    con: "DuckDBPyConnection",
    settings: Settings,
    state: TableState,
    snapshot: int,
    clock: str | None,
) -> Reach:
    path = settings.home / "cache" / "reach" / f"{state.uuid}.json"
    known = _load(path)
    if snapshot in known:
        return known[snapshot]
    led_here = [s.id for s in lineage(state, snapshot)]
    base = next((i for i in reversed(led_here) if i in known), None)
    files = plan_files(settings, state).files
    if base is not None:
        since = set(led_here[led_here.index(base) + 1 :])
        files = tuple(f for f in files if f.snapshot_id in since)
    found = _read(con, state, Plan(files), clock).and_(known.get(base or 0, Reach()))
    _store(path, {**known, snapshot: found})
    return found


def _read(con: "DuckDBPyConnection", state: TableState, plan: Plan, clock: str | None) -> Reach:
    wanted = {"kafka_partition", "kafka_offset", clock}
    narrow = replace(state, fields=tuple(f for f in state.fields if f.name in wanted))
    make_view(con, narrow, plan, prefix=_PREFIX)
    view = quoted_table(_PREFIX + state.name)
    has_clock = any(f.name == clock for f in narrow.fields)
    newest = f"max(epoch_us({quoted(clock)}))" if clock and has_clock else "NULL"
    rows = con.execute(
        f"SELECT kafka_partition, max(kafka_offset) + 1, {newest} FROM {view} GROUP BY 1"
    ).fetchall()
    con.execute(f"DROP VIEW {view}")
    times = [_moment(us) for _, _, us in rows if us is not None]
    return Reach({p: end for p, end, _ in rows}, max(times, default=None))


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _load(path: Path) -> dict[int, Reach]:
    """By snapshot id, oldest first; nothing where nothing can be read."""
    try:
        raw = json.loads(path.read_bytes())
        if raw["format"] != _FORMAT:
            return {}
        return {
            int(snapshot): Reach(
                {int(p): int(end) for p, end in ends.items()},
                None if newest is None else datetime.fromisoformat(newest),
            )
            for snapshot, (ends, newest) in raw["snapshots"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _store(path: Path, known: Mapping[int, Reach]) -> None:
    kept = list(known.items())[-_KEPT:]
    snapshots = {
        str(i): [dict(r.ends), r.newest.isoformat() if r.newest else None] for i, r in kept
    }
    # A home that cannot be written to still answers, only slower.
    with contextlib.suppress(OSError):
        write_whole(path, json.dumps({"format": _FORMAT, "snapshots": snapshots}))
