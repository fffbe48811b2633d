"""Build a model's mart anew from the lake, beside the one that is read, and put it in its place.

1. A version that means what the live one means begins in the stream's job, with a table and a
   state of its own, at the offsets of the job's savepoint; the batch answers all that was landed
   before: `lakehead.jobs.takeover`. Of a rebuild from some time on, the answers before it are kept,
   with the evidence of how they came about.
2. The new table is held against the landed rows. What is not explained keeps it from taking over.
3. Both change names in one commit of the catalog; the old table is kept for a roll-back.

Kafka needs none of the old records for it. Cut short at any point, it is made whole by doing it
again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehead.errors import SystemFailure, UserError
from lakehead.jobs.live import live_bound
from lakehead.jobs.plan import Plan, plan
from lakehead.jobs.rollback import live_version
from lakehead.jobs.submit import submit
from lakehead.jobs.versions import Replays, Version
from lakehead.models.bind import Bound
from lakehead.models.header import SETTLED
from lakehead.proof.audit import audit
from lakehead.proof.ledger import inherit_closings, record
from lakehead.proof.parity import ParityReport, closed_until, parity
from lakehead.query.engine import connect
from lakehead.query.types import quoted, quoted_table
from lakehead.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True)
class Rebuilt:
    """What was done, or would be.

    ``lacking`` are offsets that are not in the lake, so that no answer has them. ``answers`` are
    the closed rows of the new table, of which ``differing`` were not so in the old one; both None
    where nothing took over. ``kept`` is what the old table is called then.
    """

    model: str
    plan: Plan
    lacking: int
    answers: int | None = None
    differing: int | None = None
    kept: str | None = None


def rebuild(
    settings: Settings,
    model: str,
    start: datetime | None = None,
    *,
    despite_gaps: bool = False,
    dry_run: bool = False,
    say: Say = lambda _: None,
) -> Rebuilt:
    """Replay a model from ``start`` on, or from its first answer.

    Raises:
        UserError: the model is not submitted, or has changed since; it has no windows of a fixed
            size and ``start`` is given; the lake lacks offsets.
        SystemFailure: the new table is not what the landed rows say. Nothing took over.
        LakeheadError: the job or the batch failed.
    """
    desired, _ = live_version(settings, model)
    bound = live_bound(settings, model)
    if start is not None:
        _check_start(settings, bound, start)
    say(f"looking for gaps in {desired.name}")
    lacking = _lacking(settings, desired.name, despite_gaps)
    since = start.astimezone(UTC).isoformat() if start else None
    starts = {model: since}
    planned, _ = plan(settings, desired.name, replays=Replays(starts))
    _check_unchanged(planned, model)
    if dry_run:
        return Rebuilt(model, planned, lacking)
    reports: list[tuple[ParityReport, int]] = []

    def check(version: Version) -> None:
        reports.append(_checked(settings, bound, version))

    done = submit(settings, desired.name, say, replays=Replays(starts, check=check))
    if not reports:
        return Rebuilt(model, done, lacking)
    [(report, differing)] = reports
    _, live = live_version(settings, model)
    return Rebuilt(model, done, lacking, report.windows, differing, live.kept)


def abandon(settings: Settings, model: str, say: Say = lambda _: None) -> Plan:
    """Give up a replay that has not taken over, and drop its table.

    Raises:
        UserError: the model is not submitted.
        LakeheadError: the job failed.
    """
    desired, _ = live_version(settings, model)
    return submit(settings, desired.name, say, replays=Replays(abandoned=frozenset([model])))


def _check_start(settings: Settings, bound: Bound, start: datetime) -> None:
    model = bound.model.name
    if not bound.model.judged_by_window:
        raise UserError(
            f"{model} has no windows of a fixed size, and is built anew as a whole",
            f"lakehead replay {model}",
        )
    closed = closed_until(settings, model)
    if closed is None or start >= closed:
        upto = f"up to {closed.isoformat()}" if closed else "nowhere yet"
        raise UserError(
            f"--from is {start.isoformat()}, and the windows of {model} have closed {upto}",
            f"lakehead query 'SELECT max(window_end) FROM {bound.model.table}'",
        )


def _check_unchanged(planned: Plan, model: str) -> None:
    change = next((v.change for v in planned.versions if v.model == model), "removed")
    if change not in ("replayed", "filling"):
        raise UserError(
            f"{model} has changed since it was submitted: {change}",
            f"lakehead submit {planned.stream}",
        )


def _lacking(settings: Settings, stream: str, despite_gaps: bool) -> int:
    found = audit(settings, stream)
    if found.lost and not despite_gaps:
        hit = next(p for p in found.partitions if p.lost)
        raise UserError(
            f"the lake lacks {found.lost:,} offsets of {stream}, the first of them "
            f"{hit.missing[0]} of partition {hit.partition}; no answer could have them",
            "restore them (lakehead rollback --help), or go on without: --despite-gaps",
        )
    return found.lost


def _checked(settings: Settings, bound: Bound, version: Version) -> tuple[ParityReport, int]:
    stream, model = bound.root.stream, bound.model.name
    record(settings, stream)
    if version.replayed_from:
        inherit_closings(settings, bound.model.table, version.table)
    report = parity(settings, model, filling=version)
    if report.unexplained:
        first = report.examples[0]
        raise SystemFailure(
            f"the replay of {model} does not take over: {report.unexplained:,} of "
            f"{report.windows:,} answers are not what the landed rows say, the first of "
            f"{first.window_start} {first.key}: {first.mart}, expected {first.expected}; "
            f"{bound.model.table} is as it was",
            f"lakehead replay {model} --abandon",
        )
    return report, _differing(settings, bound, version, report)


def _differing(settings: Settings, bound: Bound, version: Version, report: ParityReport) -> int:
    """Rows of the new table, of closed windows, that the old one does not have just so."""
    model = bound.model
    columns = ", ".join(quoted(c) for c in model.mart_columns if c != SETTLED)
    closed = " AND ".join(f"{quoted(t)} <= $1" for t in model.ends) or "$1 IS NOT NULL"
    new, old = (
        f"SELECT {columns} FROM {quoted_table(t)} WHERE {closed}"
        for t in (version.table, model.table)
    )
    tables = {version.table: report.mart_snapshot, model.table: None}
    with connect(settings, tables) as lake:
        sql = f"SELECT count(*) FROM ({new} EXCEPT ALL {old})"
        counted = lake.execute(sql, [report.closed_until]).fetchone()
    assert counted
    return int(counted[0])
