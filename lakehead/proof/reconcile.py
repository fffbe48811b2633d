"""``reconcile``: settle the windows that closed, or that rows came late to, since the last time.

1. The ledger is written, so that no evidence of the stream's own answers goes with its files.
2. For each model it is found out what is due (``due``), and how many rows that takes.
3. Few rows are recomputed by DuckDB, many, and models without fixed windows, by one Spark session;
   the rows are the same. They are written to a branch, judged, and published: each mart is changed
   in one commit, or not at all (``publish``).
4. What was settled is recorded in ``ops.reconciles``, from which the next one goes on. Killed
   before that, the next one does the same again, which changes nothing.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from lakehead.contracts.model import LANDING
from lakehead.contracts.types import FieldType
from lakehead.errors import LakeheadError, UserError
from lakehead.jobs.live import live_bound
from lakehead.jobs.reconcile import ALL, Range, Reconciled
from lakehead.lake.given_up import rolled_back_at
from lakehead.lake.ops import Records, append
from lakehead.lake.snapshots import TableState, list_tables, table_state
from lakehead.lineage.run_events import Run, recorded
from lakehead.models.bind import Bound
from lakehead.proof.bounds import landed_files
from lakehead.proof.due import Due, touched_windows
from lakehead.proof.evidence import NONE, newest_checkpoint
from lakehead.proof.ledger import record
from lakehead.proof.parity import closed_until
from lakehead.proof.publish import Gate, Say, alone
from lakehead.proof.replace import replace_windows
from lakehead.proof.spark import NO_GATES, replace_by_spark
from lakehead.query.engine import connect, connect_plans
from lakehead.query.types import quoted
from lakehead.settings import Settings

Engine = Literal["auto", "duckdb", "spark"]
RECONCILES = Records(
    "ops.reconciles",
    (
        ("done_at", FieldType("timestamp")),
        ("model", FieldType("string")),
        ("table_uuid", FieldType("string")),
        ("engine", FieldType("string")),
        ("why", FieldType("string")),
        ("closed_until", FieldType("timestamp")),
        ("landing_checkpoint", FieldType("long")),
        ("landing_snapshot", FieldType("long")),
        ("windows", FieldType("long")),
        ("changed", FieldType("long")),
        ("added", FieldType("long")),
        ("removed", FieldType("long")),
        ("settled", FieldType("long")),
        ("seconds", FieldType("double")),
        ("offsets", FieldType("string")),
    ),
    "done_at",
)
# From there on Spark's sort and spill are worth the seconds that its session takes.
MOST_ROWS = 20_000_000


@dataclass(frozen=True)
class Work:
    """What is to be done for a model, by which engine, and why by that. ``rows`` are about those of
    the files that are read; ``due`` is None where all closed answers are looked at, by Spark.
    """

    name: str
    engine: Literal["duckdb", "spark"]
    why: str
    rows: int
    closed_until: datetime
    landing: TableState
    mart: TableState
    due: Due | None = None
    whole: bool = False


def reconcile(
    settings: Settings,
    names: Sequence[str],
    within: Range = ALL,
    *,
    engine: Engine = "auto",
    full: bool = False,
    gates: Mapping[str, Gate] = NO_GATES,
    say: Say = lambda _: None,
    dry_run: bool = False,
) -> list[Reconciled]:
    """Settle what is due of these models; ``full`` looks at all closed windows again.

    ``within`` names a range instead, all of whose closed windows are looked at. ``gates`` are
    asked, by model, before its answers are published. What one does not let through is `refused`,
    and stays due; the others are published all the same.

    Raises:
        UserError: an unknown model, a table that was never made, or DuckDB is asked for a model
            without fixed windows.
        SystemFailure: Spark failed, or others kept committing; each mart is unchanged, or wholly
            changed.
    """
    found = {name: Reconciled(name, 0, 0, 0, 0, 0, None, {}) for name in names}
    if not dry_run:
        _write_ledger(settings, names, say)
    works = [
        work for name in names if (work := _work(settings, name, within, engine, full)) is not None
    ]
    for work in works:
        if work.engine == "duckdb":
            say(f"recomputing {work.name} in DuckDB: {work.why}")
            with _recorded(settings, work, dry_run) as run:
                done = _by_duckdb(settings, work, gates.get(work.name), say, dry_run)
                run.failed = done.refused
            found[work.name] = done
    closings = {w.name: w.closed_until for w in works if w.engine == "spark"}
    if closings:
        begun = time.monotonic()
        by_spark = {w.name: w for w in works if w.engine == "spark"}
        with ExitStack() as stack:
            runs = {
                name: stack.enter_context(_recorded(settings, work, dry_run))
                for name, work in by_spark.items()
            }
            for each in replace_by_spark(
                settings, closings, within, gates=gates, say=say, dry_run=dry_run
            ):
                runs[each.model].failed = each.refused
                why = by_spark[each.model].why
                took = round(time.monotonic() - begun, 3)
                found[each.model] = replace(each, engine="spark", why=why, seconds=took)
    if not dry_run:
        say("recording what was settled")
        _remember(settings, works, found)
    return list(found.values())


def _recorded(settings: Settings, work: Work, dry_run: bool) -> AbstractContextManager[Run]:
    """The run's OpenLineage events. What Spark reads is as new as ``work.landing`` or newer, so of
    that no snapshot is told."""
    if dry_run:
        return nullcontext(Run())
    inputs: dict[str, int | None] = {
        f"{LANDING}.{stream}": None for stream in live_bound(settings, work.name).streams
    }
    if work.engine == "duckdb":
        inputs[work.landing.name] = work.landing.snapshot_id
    return recorded(settings, f"reconcile.{work.name}", inputs, [work.mart.name])


def _work(settings: Settings, name: str, within: Range, engine: Engine, full: bool) -> Work | None:
    """None where nothing has closed yet."""
    bound = live_bound(settings, name)
    # First what has closed, and then what has landed by now.
    closed = closed_until(settings, name)
    landing = table_state(settings, f"{LANDING}.{bound.root.stream}")
    if closed is None or landing.snapshot_id is None:
        return None
    mart = table_state(settings, bound.model.table)
    if not bound.model.judged_by_window:
        if engine == "duckdb":
            raise UserError(
                f"{name} has no windows of a fixed size, and is recomputed by Spark alone",
                f"lakehead reconcile {name} --engine spark",
            )
        why = "no windows of a fixed size"
        return Work(name, "spark", why, 0, closed, landing, mart, None, within == ALL)
    due = _due(settings, bound, landing, mart, closed, within, full)
    rows = _rows(settings, landing, bound, due)
    chosen: Literal["duckdb", "spark"] = "duckdb" if rows <= MOST_ROWS else "spark"
    why = f"{rows:,} rows are {'more than' if rows > MOST_ROWS else 'at most'} {MOST_ROWS:,}"
    if engine != "auto":
        chosen, why = engine, "as asked for"
    return Work(name, chosen, why, rows, closed, landing, mart, due, within == ALL)


def _due(
    settings: Settings,
    bound: Bound,
    landing: TableState,
    mart: TableState,
    closed: datetime,
    within: Range,
    full: bool,
) -> Due:
    if within != ALL:
        return Due(upto=closed, within=within)
    last = None if full else _last(settings, mart)
    if last is None:
        return Due(upto=closed)
    after, checkpoint = last
    late = touched_windows(settings, bound, landing, checkpoint, after)
    return Due(upto=max(closed, after), after=after, late=tuple(late))


def _rows(settings: Settings, landing: TableState, bound: Bound, due: Due) -> int:
    """About how many rows are read."""
    files = landed_files(settings, landing, bound, due)
    if files.rows <= MOST_ROWS or (due.after is None and due.within == ALL):
        return files.rows
    condition, given = due.rows(bound)
    with connect_plans(settings, [(landing, files)]) as lake:
        due.prepare(lake, bound)
        sql = f'SELECT count(*) FROM "{LANDING}".{quoted(bound.root.stream)} WHERE {condition}'
        counted = lake.execute(sql, given).fetchone()
    assert counted
    return int(counted[0])


def _by_duckdb(
    settings: Settings, work: Work, gate: Gate | None, say: Say, dry_run: bool
) -> Reconciled:
    assert work.due
    begun = time.monotonic()
    bound = live_bound(settings, work.name)
    with nullcontext() if dry_run else alone(settings, [work.name], say):
        done = replace_windows(
            settings, bound, work.landing, work.due, dry_run=dry_run, gate=gate, say=say
        )
    return Reconciled(
        model=work.name,
        windows=done.windows,
        changed=done.changed,
        added=done.added,
        removed=done.removed,
        settled=done.settled,
        closed_until=work.due.upto.isoformat(),
        offsets=done.offsets,
        engine="duckdb",
        why=work.why,
        seconds=round(time.monotonic() - begun, 3),
        refused=done.refused,
    )


def _write_ledger(settings: Settings, names: Sequence[str], say: Say) -> None:
    for stream in sorted({live_bound(settings, name).root.stream for name in names}):
        say(f"writing the ledger of {stream}")
        try:
            record(settings, stream)
        except LakeheadError as error:
            say(f"the ledger of {stream} is not written: {error.message}")


def _last(settings: Settings, mart: TableState) -> tuple[datetime, int] | None:
    """Up to when the last reconcile of a mart had settled, and the checkpoint that it had read;
    None where there was none since the mart was rolled back."""
    if RECONCILES.table not in list_tables(settings):
        return None
    with connect(settings, {RECONCILES.table: None}) as lake:
        found: tuple[datetime, int] | None = lake.execute(
            f"SELECT closed_until, landing_checkpoint FROM {RECONCILES.table}"
            " WHERE table_uuid = $1 AND done_at > coalesce($2, done_at - INTERVAL 1 DAY)"
            " ORDER BY done_at DESC LIMIT 1",
            [mart.uuid, rolled_back_at(mart)],
        ).fetchone()
    return found


def _remember(settings: Settings, works: Sequence[Work], done: dict[str, Reconciled]) -> None:
    """Of a range nothing is remembered: what lies before and after it is still due. So is what was
    refused."""
    now = datetime.now(UTC)
    append(
        settings,
        RECONCILES,
        [
            {
                "done_at": now,
                "model": work.name,
                "table_uuid": work.mart.uuid,
                "engine": work.engine,
                "why": work.why,
                "closed_until": work.due.upto if work.due else work.closed_until,
                "landing_checkpoint": max(newest_checkpoint(work.landing), NONE),
                "landing_snapshot": work.landing.snapshot_id,
                "offsets": json.dumps(done[work.name].offsets),
                **{
                    name: getattr(done[work.name], name)
                    for name in ("windows", "changed", "added", "removed", "settled", "seconds")
                },
            }
            for work in works
            if work.whole and done[work.name].refused is None
        ],
    )
