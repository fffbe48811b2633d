"""``reconcile``: put the batch answer in the place of the stream's, for windows that are closed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakehead.contracts.model import LANDING
from lakehead.contracts.sql import identifier
from lakehead.errors import UserError
from lakehead.jobs.live import live_bound
from lakehead.jobs.spark import run_spark, session
from lakehead.lake.catalog import CATALOG
from lakehead.lake.snapshots import table_state
from lakehead.models import spark as model_spark
from lakehead.models.bind import Bound
from lakehead.settings import Settings

Say = Callable[[str], None]
# Stands for: the row's offset is one that the landed rows reach. Spark knows which they are.
FENCE = "`fence$`"


@dataclass(frozen=True)
class Range:
    """Windows that begin at or after ``start`` and end at or before ``end``; None is no bound."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class Reconciled:
    """Counts of (window, key) rows. ``settled`` were right already; ``changed`` were not.

    ``closed_until`` is the end of the newest closed window, None when none has closed.
    """

    model: str
    windows: int
    changed: int
    added: int
    removed: int
    settled: int
    closed_until: str | None
    offsets: dict[str, int]


def reconcile(
    settings: Settings,
    closings: Mapping[str, datetime | None],
    within: Range = Range(),
    say: Say = lambda _: None,
    dry_run: bool = False,
) -> list[Reconciled]:
    """Recompute the closed rows of models and replace them, in one commit each.

    ``closings`` is by model the time up to which the stream's answer is closed. One Spark session
    does them all. ``dry_run`` counts what would change, and changes nothing.

    Raises:
        UserError: an unknown model, or a table that was never made.
        SystemFailure: Spark failed; each mart is unchanged, or wholly changed.
    """
    done = {name: Reconciled(name, 0, 0, 0, 0, 0, None, {}) for name in closings}
    specs = {}
    for name, closed in closings.items():
        bound = live_bound(settings, name)
        landing = {
            stream: table_state(settings, f"{LANDING}.{stream}").snapshot_id
            for stream in bound.streams
        }
        if closed is not None and landing[bound.streams[0]] is not None:
            specs[name] = specification(bound, landing, within, closed)
    if specs:
        job = {"session": session(settings), "catalog": CATALOG, "dry_run": dry_run}
        counts = run_spark(settings, "reconcile.py", {**job, "models": specs}, say)
        for name, counted in counts.items():
            closed = closings[name]
            assert closed
            done[name] = Reconciled(model=name, closed_until=closed.isoformat(), **counted)
    return list(done.values())


def specification(
    bound: Bound,
    landing: Mapping[str, int | None],
    within: Range,
    closed_until: datetime,
) -> dict[str, Any]:
    """What Spark is given of a model; ``landing`` are snapshot ids by stream."""
    model = bound.model
    end = min(closed_until, within.end) if within.end else closed_until
    if within.start and within.start >= end:
        raise UserError(
            f"no window has closed between {within.start.isoformat()} and {end.isoformat()}",
            f"lakehead parity {model.name}",
        )
    closed = model_spark.closed(model, end, within.start)
    if "kafka_offset" in model.identity:
        # A row that came to be landed since is in the mart, and not in the batch.
        closed += f" AND {FENCE}"
    relations = {stream: identifier(f"landed_{stream}") for stream in landing}
    return {
        "landing": {
            f"landed_{stream}": {"table": f"{LANDING}.{stream}", "snapshot": str(snapshot)}
            for stream, snapshot in landing.items()
            if snapshot is not None
        },
        "mart": model.table,
        "closed": closed,
        "batch": model_spark.answer(bound, relations),
        "differing": model_spark.differing(model, "batch"),
        "merge": model_spark.merge(model, "batch", closed),
    }
