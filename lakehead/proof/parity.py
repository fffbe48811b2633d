"""Parity: the stream's answer is the batch's, but for differences whose cause can be shown.

Both sides are read as of one set of snapshots: the mart, and the landing table at or after the
checkpoint that the mart holds. Every closed row of the mart is computed three times:

whole     from all landed rows: what reconcile would write
expected  from the rows that the answer in the mart should take into account
mart      what is there

They differ when mart is not whole, and that is *explained* when mart is expected, by one of the
``causes``. Which rows the stream missed is told by ``lateness``. A settled row takes into account
all offsets up to those it states.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import LANDING
from lakehead.errors import SystemFailure
from lakehead.jobs.live import bound_to, has_live_version, live_bound, live_model
from lakehead.jobs.reconcile import ALL, Range
from lakehead.jobs.records import read_observed
from lakehead.jobs.versions import Version
from lakehead.lake.given_up import closed_before_rollback
from lakehead.lake.snapshots import TableState, list_tables, table_state
from lakehead.models import duckdb as model_duckdb
from lakehead.models.bind import Bound
from lakehead.models.flink import LEFT_OUT
from lakehead.models.header import SETTLED
from lakehead.models.load import bound_model
from lakehead.models.model import Model, model_names
from lakehead.proof.causes import DUPLICATE, LATE_ROWS, REDRIVEN, Expected, expected_by_cause
from lakehead.proof.evidence import (
    closed,
    closings_upto,
    landed,
    newest_checkpoint,
    recorded_checkpoint,
)
from lakehead.proof.lateness import judge_rows, judge_second, late_rows, load_evidence
from lakehead.query.engine import connect
from lakehead.query.types import quoted, quoted_table
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DEADLINE_SECONDS = 30
_SHOWN = 5
_UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Difference:
    """One row that differs, and why: a cause, or ``unexplained``. Values are the measures, as
    text; ``expected`` is what the late rows make of it."""

    window_start: str
    key: list[str]
    mart: str
    whole: str
    expected: str
    cause: str


@dataclass(frozen=True)
class ParityReport:
    """Counts of closed rows of the mart, (window, key) pairs where there are windows.

    ``different`` ones are explained, by their cause, or unexplained. ``late_rows`` are the landed
    rows that the stream left out of a closed answer, and that no settled one has taken in since.
    ``offsets`` are, by partition, the last that the landing tables held; those of a second stream
    are named with it. ``mart_hash`` and ``batch_hash`` are those of the rows on each side: the sum
    of the lower halves of the MD5 of each row's text, modulo 2^64. ``given_up`` are the unexplained
    ones that the mart lacks since it was rolled back. ``examples`` are the first few differences,
    unexplained ones first.
    """

    windows: int
    different: int
    explained_by_late: int
    explained_by_redriven: int
    explained_by_duplicate: int
    unexplained: int
    settled: int
    late_rows: int
    closed_until: str | None
    mart_snapshot: int | None
    landing_snapshot: int | None
    offsets: dict[str, int]
    mart_hash: str
    batch_hash: str
    given_up: int
    examples: list[Difference] = field(default_factory=list)


def parity(
    settings: Settings, name: str, within: Range = ALL, filling: Version | None = None
) -> ParityReport:
    """Compare a model's mart with its landed rows, by the version of the model that fed it.

    ``filling`` is a version that has not taken over: then it is its table that is compared.

    Raises:
        UserError: no such model, no version of it has the mart, or its tables were never made.
        SystemFailure: the landing table does not reach the mart's checkpoint in time.
    """
    bound, version = live_model(settings, name)
    if filling is not None:
        bound, version = bound_to(settings, bound.root.stream, filling), filling.version
    model = bound.model
    first, *others = bound.streams
    mart = table_state(settings, model.table)
    reached = max(newest_checkpoint(mart), closings_upto(settings, mart))
    landing = _landing_reaching(settings, first, reached)
    tables: dict[str, int | None] = {
        model.table: mart.snapshot_id,
        f"{LANDING}.{first}": landing.snapshot_id,
        **{f"{LANDING}.{stream}": None for stream in others},
    }
    if others:
        tables[LEFT_OUT] = None
    with connect(settings, tables) as lake:
        load_evidence(lake, landed(settings, first, landing), closed(settings, model, mart))
        until = closed_in(lake, model, mart, quoted_table(model.table))
        relations = _judge(lake, bound, first, version)
        causes = expected_by_cause(settings, lake, relations)
        _compute(lake, bound, relations, causes, until, within)
        _compare(lake, model, list(causes))
        return _report(lake, bound, mart, landing, until)


def answering(settings: Settings) -> list[str]:
    """The models that have a mart and, of each stream that they read, a landing table: those whose
    jobs were submitted.

    Raises:
        UserError: there is no lake yet, or a model is wrong.
    """
    tables = set(list_tables(settings))
    names = []
    for name in model_names(settings.pipelines):
        bound = bound_model(settings, name)
        needed = {bound.model.table, *(f"{LANDING}.{s}" for s in bound.streams)}
        if needed <= tables and has_live_version(settings, bound):
            names.append(name)
    return names


def closed_until(settings: Settings, name: str) -> datetime | None:
    """The time up to which the answers in a mart are closed, or were as it was rolled back."""
    model = live_bound(settings, name).model
    mart = table_state(settings, model.table)
    with connect(settings, {model.table: mart.snapshot_id}) as lake:
        return closed_in(lake, model, mart, quoted_table(model.table))


def _landing_reaching(settings: Settings, stream: str, checkpoint: int) -> TableState:
    """The landing table, once it holds all that the mart could have seen.

    Flink commits nothing for a checkpoint without rows, but for every tenth in a row. A job that
    has stopped has committed all that it had.
    """
    table = contract_in_force(settings, stream).landing_table
    patience = _DEADLINE_SECONDS + 10 * settings.tuning.checkpoint_seconds
    end = time.monotonic() + patience
    recorded = recorded_checkpoint(settings, stream)
    while True:
        stopped = read_observed(settings, stream).state == "stopped"
        landing = table_state(settings, table)
        holds = max(newest_checkpoint(landing), recorded)
        if stopped or holds >= checkpoint:
            return landing
        if time.monotonic() > end:
            raise SystemFailure(
                f"{table} holds checkpoint {holds}, the mart {checkpoint}; they do not meet",
                "lakehead jobs",
            )
        time.sleep(0.1)


def closed_in(
    lake: "DuckDBPyConnection", model: Model, mart: TableState, table: str
) -> datetime | None:
    """As `closed_until`, of the mart's rows as ``table`` has them: a name, quoted."""
    newest = f"max({quoted(model.clock)})"
    if model.kind == "join":
        # The batch knows no watermark; what it settled had closed.
        settled = f"max(greatest(event_time, right_event_time)) FILTER ({SETTLED} IS NOT NULL)"
        newest = f"greatest({newest}, {settled})"
    row = lake.execute(f"SELECT {newest} FROM {table}").fetchone()
    assert row
    known: list[datetime] = [t for t in (row[0], closed_before_rollback(mart)) if t is not None]
    return max(known, default=None)


def _judge(
    lake: "DuckDBPyConnection", bound: Bound, first: str, version: str | None
) -> dict[str, str]:
    """The relation of each stream, its rows judged."""
    model = bound.model
    judge_rows(lake, model, quoted_table(model.table), quoted_table(f"{LANDING}.{first}"))
    relations = {first: "judged_rows"}
    if model.kind == "rows":
        # Rows come in the order of their offsets: what lies behind the newest is open.
        lake.execute(
            f"CREATE VIEW reached AS SELECT kafka_partition AS p, max(kafka_offset) AS o"
            f" FROM {quoted_table(model.table)} GROUP BY 1"
        )
        relations[first] = (
            "(SELECT j.* FROM judged_rows j JOIN reached ON kafka_partition = p"
            " AND kafka_offset <= o)"
        )
    for second in bound.streams[1:]:
        judge_second(
            lake, model, version, quoted_table(f"{LANDING}.{second}"), quoted_table(LEFT_OUT)
        )
        relations[second] = "judged_second"
    return relations


def _compute(
    lake: "DuckDBPyConnection",
    bound: Bound,
    relations: dict[str, str],
    causes: Mapping[str, Expected],
    closed: datetime | None,
    within: Range,
) -> None:
    """Makes the tables ``whole`` and ``mart``, and for each cause ``streamed_CAUSE`` and
    ``settled_CAUSE``, of closed rows."""
    model = bound.model
    begins = quoted(model.partition_by)
    bounds: dict[str, datetime | None] = {}
    if within.start:
        bounds[f"{begins} >= $start"] = within.start
    if within.end:
        bounds[f"{begins} < $end"] = within.end
    if model.kind != "rows":
        bounds |= {f"{quoted(t)} <= $closed": closed for t in model.ends}
    condition = " AND ".join(bounds) or "TRUE"
    parameters = {bound.rsplit("$", 1)[1]: value for bound, value in bounds.items()}

    def make(table: str, sql: str) -> None:
        lake.execute(f"CREATE TABLE {table} AS SELECT * FROM ({sql}) WHERE {condition}", parameters)

    make("whole", model_duckdb.answer(bound, relations))
    make("mart", f"SELECT * FROM {quoted_table(model.table)}")
    for cause, expected in causes.items():
        make(f"streamed_{cause}", model_duckdb.answer(bound, expected.relations, late=True))
        _settle(lake, bound, cause, expected)


def _settle(lake: "DuckDBPyConnection", bound: Bound, cause: str, expected: Expected) -> None:
    """Makes ``settled_CAUSE``: what each settled row should be, by the offsets that it states."""
    model = bound.model
    lake.execute(f"CREATE TABLE settled_{cause} AS SELECT * FROM streamed_{cause} WHERE FALSE")
    starts = "first_event_time" if model.kind == "sequence" else model.partition_by
    ends = f"greatest({', '.join(map(quoted, model.ends))})"
    same = " AND ".join(f"a.{quoted(c)} IS NOT DISTINCT FROM m.{quoted(c)}" for c in model.identity)
    groups = lake.execute(
        f"SELECT {SETTLED}, min({quoted(starts)}), max({ends}) FROM mart"
        f" WHERE {SETTLED} IS NOT NULL GROUP BY 1"
    ).fetchall()
    for upto, start, end in groups:
        offsets = json.loads(upto)
        first = bound.streams[0]
        within = f"{quoted(bound.root.event_time)} >= $1 AND {quoted(bound.root.event_time)} <= $2"
        rows = {}
        for stream, relation in expected.relations.items():
            # Partitions of a second stream are named with it.
            prefix, condition = ("", within) if stream == first else (f"{stream}/", "TRUE")
            named = {k.removeprefix(prefix): o for k, o in offsets.items() if k.startswith(prefix)}
            rows[stream] = _up_to(relation, named, condition, expected.spared)
        answer = model_duckdb.answer(bound, rows)
        lake.execute(
            f"INSERT INTO settled_{cause} SELECT a.* FROM ({answer}) a JOIN mart m ON {same}"
            f" WHERE m.{SETTLED} = $3",
            [start, end, upto],
        )


def _up_to(relation: str, offsets: dict[str, int], condition: str, spared: str) -> str:
    """The rows of a relation up to an offset of each partition, and those that are ``spared``."""
    pairs = [f"({p}, {int(o)})" for p, o in offsets.items() if p.isdecimal()] or ["(-1, -1)"]
    return (
        f"(SELECT j.* FROM {relation} j LEFT JOIN (VALUES {', '.join(pairs)}) AS u(upto_p, upto_o)"
        f" ON kafka_partition = upto_p WHERE (kafka_offset <= upto_o OR {spared}) AND {condition})"
    )


def _compare(lake: "DuckDBPyConnection", model: Model, causes: Sequence[str]) -> None:
    """Makes ``compared``: whole, expected and mart, side by side; ``cause`` is null where mart is
    whole."""
    keys = [quoted(c) for c in model.identity]
    selected = ", ".join(keys)
    shown = ", ".join(f"{k}::VARCHAR" for k in keys if k != '"window_start"')
    measures = ", ".join(f"'{m}': {quoted(m)}" for m in model.measures) or "'there': TRUE"
    sides = ["whole", "mart", *(f"{s}_{c}" for c in causes for s in ("streamed", "settled"))]
    for side in sides:
        upto = f"any_value({SETTLED})" if side == "mart" else "NULL"
        lake.execute(
            f"CREATE TABLE {side}_rows AS SELECT {selected}, count(*) AS copies,"
            f" any_value({quoted(model.partition_by)}) AS began, [{shown}]::VARCHAR[] AS key,"
            f" {upto} AS upto, any_value({{ {measures} }}) AS measures"
            f" FROM {side} GROUP BY {selected}"
        )
    union = " UNION ".join(f"SELECT {selected} FROM {side}_rows" for side in ("whole", "mart"))
    joins = " ".join(
        f"LEFT JOIN {side}_rows {side} ON "
        + " AND ".join(f"{side}.{k} IS NOT DISTINCT FROM keys.{k}" for k in keys)
        for side in sides
    )
    expected = {
        c: f"CASE WHEN mart.upto IS NULL THEN streamed_{c}.measures ELSE settled_{c}.measures END"
        for c in causes
    }
    found = " ".join(
        f"WHEN mart.measures IS NOT DISTINCT FROM ({values}) THEN '{cause}'"
        for cause, values in expected.items()
    )
    doubled = "coalesce(mart.copies, 0) > 1"
    lake.execute(
        "CREATE TABLE compared AS SELECT coalesce(mart.began, whole.began) AS began,"
        " coalesce(mart.key, whole.key) AS key, mart.measures AS mart, whole.measures AS whole,"
        f" {expected[LATE_ROWS]} AS expected,"
        f" CASE WHEN {doubled} THEN '{_UNEXPLAINED}'"
        f" WHEN mart.measures IS NOT DISTINCT FROM whole.measures THEN NULL"
        f" {found} ELSE '{_UNEXPLAINED}' END AS cause"
        f" FROM ({union}) keys {joins}"
    )


def _report(
    lake: "DuckDBPyConnection",
    bound: Bound,
    mart: TableState,
    landing: TableState,
    closed: datetime | None,
) -> ParityReport:
    unexplained = f"cause = '{_UNEXPLAINED}'"
    # Without a rollback the comparison is with NULL, and counts nothing.
    given_up = f"{unexplained} AND mart IS NULL AND began < $1"
    counts = lake.execute(
        f"SELECT count(*), count(cause), count(*) FILTER ({given_up}) FROM compared",
        [closed_before_rollback(mart)],
    ).fetchone()
    by_cause = dict(lake.execute("SELECT cause, count(*) FROM compared GROUP BY 1").fetchall())
    settled = lake.execute("SELECT count(*) FROM mart WHERE settled_offsets IS NOT NULL").fetchone()
    assert counts and settled
    columns = [c for c in bound.model.mart_columns if c != SETTLED]
    rows = lake.execute(
        "SELECT CAST(began AS VARCHAR), key, CAST(mart AS VARCHAR), CAST(whole AS VARCHAR),"
        f" CAST(expected AS VARCHAR), cause FROM compared WHERE cause IS NOT NULL"
        f" ORDER BY ({unexplained}) DESC, began, key LIMIT {_SHOWN}"
    ).fetchall()
    return ParityReport(
        windows=counts[0],
        different=counts[1],
        explained_by_late=by_cause.get(LATE_ROWS, 0),
        explained_by_redriven=by_cause.get(REDRIVEN, 0),
        explained_by_duplicate=by_cause.get(DUPLICATE, 0),
        unexplained=by_cause.get(_UNEXPLAINED, 0),
        settled=settled[0],
        late_rows=late_rows(lake, bound, "judged_rows", closed),
        closed_until=closed.isoformat() if closed else None,
        mart_snapshot=mart.snapshot_id,
        landing_snapshot=landing.snapshot_id,
        offsets=_offsets(lake, bound),
        mart_hash=_hash(lake, "mart", columns),
        batch_hash=_hash(lake, "whole", columns),
        given_up=counts[2],
        examples=[Difference(r[0], list(r[1]), *(v or "nothing" for v in r[2:])) for r in rows],
    )


def _offsets(lake: "DuckDBPyConnection", bound: Bound) -> dict[str, int]:
    found: dict[str, int] = {}
    for i, stream in enumerate(bound.streams):
        rows = lake.execute(
            f"SELECT kafka_partition, max(kafka_offset) FROM {quoted_table(f'{LANDING}.{stream}')}"
            " GROUP BY 1 ORDER BY 1"
        ).fetchall()
        found |= {f"{stream}/{p}" if i else str(p): offset for p, offset in rows}
    return found


def _hash(lake: "DuckDBPyConnection", side: str, columns: list[str]) -> str:
    """Of the rows of one side, as values of the mart's types; in whatever order they lie."""
    listed = ", ".join(map(quoted, columns))
    lake.execute(f"CREATE OR REPLACE TABLE hashed AS SELECT {listed} FROM mart LIMIT 0")
    lake.execute(f"INSERT INTO hashed SELECT {listed} FROM {side}")
    found = lake.execute(
        f"SELECT sum(md5_number_lower(CAST(row({listed}) AS VARCHAR))) % 18446744073709551616"
        " FROM hashed"
    ).fetchone()
    assert found
    return f"{int(found[0] or 0):016x}"
