"""``reconcile`` by Spark: the batch answer in the place of the stream's, for closed windows.

It is written to a branch of each mart. Who asked for it publishes that (``proof.publish``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

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
    """Answers that begin at or after ``start`` and before ``end``; None is no bound.

    So ranges that lie end to end have each answer once.
    """

    start: datetime | None = None
    end: datetime | None = None


ALL = Range()


@dataclass(frozen=True)
class Reconciled:
    """Counts of (window, key) rows. ``settled`` were right already; ``changed`` were not.

    ``closed_until`` is the end of the newest closed window, None when none has closed. ``why`` is
    the reason for the engine. ``refused`` is why the gate did not let it be published; the mart is
    as it was.
    """

    model: str
    windows: int
    changed: int
    added: int
    removed: int
    settled: int
    closed_until: str | None
    offsets: dict[str, int]
    engine: str = "spark"
    why: str = ""
    seconds: float = 0.0
    refused: str | None = None

    @property
    def differs(self) -> bool:
        return bool(self.changed or self.added or self.removed or self.settled)


def recompute(
    settings: Settings,
    closings: Mapping[str, datetime | None],
    within: Range = ALL,
    branch: str | None = None,
    say: Say = lambda _: None,
    holding: Sequence[IO[str]] = (),
) -> list[Reconciled]:
    """Recompute the closed rows of models and replace them in ``branch`` of their marts, in one
    commit each; without a branch, count what would change.

    ``closings`` is by model the time up to which the stream's answer is closed. One Spark session
    does them all; it keeps the files of ``holding`` open as long as it runs.

    Raises:
        UserError: an unknown model, or a table that was never made.
        SystemFailure: Spark failed; each branch is unchanged, or wholly changed.
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
            specs[name] = specification(bound, landing, within, closed, branch)
    if specs:
        job = {"session": session(settings), "catalog": CATALOG, "dry_run": branch is None}
        counts = run_spark(settings, "reconcile.py", {**job, "models": specs}, say, holding)
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
    branch: str | None = None,
) -> dict[str, Any]:
    """What Spark is given of a model; ``landing`` are snapshot ids by stream."""
    model = bound.model
    end = min(closed_until, within.end) if within.end else closed_until
    if within.start and within.start >= end:
        raise UserError(
            f"no window has closed between {within.start.isoformat()} and {end.isoformat()}",
            f"lakehead parity {model.name}",
        )
    closed = model_spark.closed(model, closed_until, within.start, within.end)
    if "kafka_offset" in model.identity:
        # A row that came to be landed since is in the mart, and not in the batch.
        closed += f" AND {FENCE}"
    relations = {stream: identifier(f"landed_{stream}") for stream in landing}
    # As Iceberg names a branch to Spark.
    mart = model.table if branch is None else f"{model.table}.branch_{branch}"
    return {
        "landing": {
            f"landed_{stream}": {"table": f"{LANDING}.{stream}", "snapshot": str(snapshot)}
            for stream, snapshot in landing.items()
            if snapshot is not None
        },
        "mart": mart,
        "closed": closed,
        "batch": model_spark.answer(bound, relations),
        "differing": model_spark.differing(model, "batch"),
        "merge": model_spark.merge(model, "batch", closed, mart),
    }
