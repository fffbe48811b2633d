"""``late: update``: a late row has its windows recomputed from the lake within seconds.

The rows that a commit landed late name the windows that had closed without them. These, and no
others, are computed anew by DuckDB over all landed rows, and put in the stream's place in one
commit of the mart, if the model's gate lets them. What it does not is left to ``reconcile``. The
checkpoint up to which rows were looked at is remembered; done twice, it changes nothing.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehead.contracts.model import LANDING
from lakehead.files import write_whole
from lakehead.jobs.live import live_bound
from lakehead.lake.snapshots import table_state
from lakehead.lineage.run_events import recorded
from lakehead.proof.due import Due, Window, late_windows
from lakehead.proof.evidence import NONE, newest_checkpoint
from lakehead.proof.parity import closed_until
from lakehead.proof.publish import Gate, alone
from lakehead.proof.replace import replace_windows
from lakehead.settings import Settings


@dataclass(frozen=True)
class Settled:
    """``windows`` were recomputed; ``late_rows`` had asked for it. ``refused`` is why they were not
    published."""

    model: str
    windows: int
    late_rows: int
    landing_snapshot: int | None
    refused: str | None = None


def settle_late(settings: Settings, name: str, gate: Gate | None = None) -> Settled:
    """Recompute the closed windows of a model that rows landed late since the last time are in.

    Raises:
        UserError: no such model, or its tables were never made.
        Busy: another process is replacing windows of the mart.
        SystemFailure: others kept committing to the mart; nothing was changed.
    """
    with alone(settings, [name]):
        return _settle(settings, name, gate)


def _settle(settings: Settings, name: str, gate: Gate | None) -> Settled:
    bound = live_bound(settings, name)
    landing = table_state(settings, f"{LANDING}.{bound.root.stream}")
    seen = _seen(settings, name)
    if landing.snapshot_id is None or seen.get("snapshot") == landing.snapshot_id:
        return Settled(name, 0, 0, landing.snapshot_id)
    closed = closed_until(settings, name)
    if closed is None:
        # The mart knows of no window that has closed.
        return Settled(name, 0, 0, landing.snapshot_id)
    late, found = late_windows(settings, bound, landing, _looked_at(seen))
    # While one window is waited for, the others of its rows are not replaced at each look.
    done = seen.get("done", []) if seen.get("landing") == landing.snapshot_id else []
    windows = tuple(w for w in found if w[1] <= closed and _shown(w) not in done)
    refused = None
    if windows:
        due = Due(closed, closed, windows)
        read = {landing.name: landing.snapshot_id}
        with recorded(settings, f"settle.{name}", read, [bound.model.table]) as run:
            refused = replace_windows(settings, bound, landing, due, gate=gate).refused
            run.failed = refused
    # Closed for the stream, and not committed to the mart yet: look again.
    if any(end > closed for _, end in found):
        done = [*done, *map(_shown, windows)]
        _remember(settings, name, {**seen, "landing": landing.snapshot_id, "done": done})
    else:
        reached = max(newest_checkpoint(landing), _looked_at(seen))
        _remember(settings, name, {"snapshot": landing.snapshot_id, "checkpoint": reached})
    return Settled(name, len(windows), late, landing.snapshot_id, refused)


def _looked_at(seen: dict[str, Any]) -> int:
    return int(seen.get("checkpoint", NONE))


def _path(settings: Settings, name: str) -> Path:
    return settings.home / "settle" / f"{name}.json"


def _seen(settings: Settings, name: str) -> dict[str, Any]:
    path = _path(settings, name)
    try:
        seen: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        # A file that cannot be read is as none: what was settled is settled to the same again.
        return {}
    return seen


def _shown(window: Window) -> list[str]:
    return [moment.isoformat() for moment in window]


def _remember(settings: Settings, name: str, seen: dict[str, Any]) -> None:
    write_whole(_path(settings, name), json.dumps(seen))
