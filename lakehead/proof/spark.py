"""Put the batch's answer in the stream's place, by Spark: it computes and writes, for many models
in one session; what it wrote to their branches is judged and published here."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from lakehead.jobs.live import live_bound
from lakehead.jobs.reconcile import ALL, Range, Reconciled, recompute
from lakehead.lake import staging
from lakehead.lake.snapshots import table_state
from lakehead.models.model import Model
from lakehead.proof.publish import BRANCH, TRIES, Gate, Rows, Say, alone, audit, given_up, publish
from lakehead.query.types import quoted
from lakehead.settings import Settings

NO_GATES: Mapping[str, Gate] = MappingProxyType({})


def replace_by_spark(
    settings: Settings,
    closings: Mapping[str, datetime | None],
    within: Range = ALL,
    *,
    gates: Mapping[str, Gate] = NO_GATES,
    say: Say = lambda _: None,
    dry_run: bool = False,
) -> list[Reconciled]:
    """Recompute the closed rows of models from all landed ones. Done twice, it changes nothing.

    ``closings`` is by model the time up to which its answers are closed, None where none is.
    ``gates`` are asked, by model. What one does not let through is `refused`; the others are
    published all the same.

    Raises:
        UserError: an unknown model, or a table that was never made.
        SystemFailure: Spark failed, or others kept changing these rows; each mart is unchanged, or
            wholly changed.
    """
    if dry_run:
        return recompute(settings, closings, within, say=say)
    done: dict[str, Reconciled] = {}
    left = dict(closings)
    with alone(settings, list(closings), say) as held:
        for _ in range(TRIES):
            models = {name: live_bound(settings, name).model for name in left}
            marts = {name: table_state(settings, model.table) for name, model in models.items()}
            for name, closed in left.items():
                if closed is not None:
                    staging.begin(settings, marts[name], BRANCH)
            for found in recompute(settings, left, within, BRANCH, say, held):
                name = found.model
                mart, closed, refused = marts[name], left[name], None
                if closed is not None:
                    if not found.differs:
                        staging.drop(settings, mart.name, BRANCH)
                    elif not (refused := audit(settings, mart, gates.get(name), say)):
                        rows = _replaced(models[name], closed, within, found.offsets)
                        if not publish(settings, mart, rows, say):
                            continue
                done[name] = replace(found, refused=refused)
                del left[name]
            if not left:
                return [done[name] for name in closings]
            say(f"rows of {', '.join(left)} have changed meanwhile; once more")
    name = next(iter(left))
    raise given_up(marts[name], name)


def _replaced(model: Model, closed: datetime, within: Range, offsets: Mapping[str, int]) -> Rows:
    """What Spark takes to be closed (``models.spark.closed``, and the fence), in DuckDB."""
    begins = quoted(model.partition_by)
    parts, given = [f"{quoted(end)} <= $closed" for end in model.ends], dict[str, object]()
    given["closed"] = closed
    if within.start:
        parts.append(f"{begins} >= $start")
        given["start"] = within.start
    if within.end:
        parts.append(f"{begins} < $end")
        given["end"] = within.end
    if "kafka_offset" in model.identity:
        # Partitions of a second stream are named with it.
        own = [(int(p), int(o)) for p, o in offsets.items() if "/" not in p]
        reached = [f"(kafka_partition = {p} AND kafka_offset <= {o})" for p, o in own]
        parts.append(f"({' OR '.join(reached) or 'FALSE'})")
    return Rows(" AND ".join(parts), given)
