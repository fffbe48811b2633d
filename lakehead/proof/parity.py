"""Parity: the stream's answer is the batch's, but for rows that it can be shown to have missed.

Both sides are read as of one set of snapshots: the mart, and the landing table at or after the
checkpoint that the mart holds. Every closed row of the mart is computed three times:

whole     from all landed rows: what reconcile would write
expected  from the rows that the answer in the mart should take into account
mart      what is there

They differ when mart is not whole, and that is *explained by late rows* when mart is expected.
Which rows the stream missed is told by ``lateness``. A settled row takes into account all offsets
up to those it states.
"""

import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import LANDING
from lakehead.errors import SystemFailure
from lakehead.jobs.live import has_live_version, live_bound
from lakehead.jobs.records import read_observed
from lakehead.lake.snapshots import TableState, list_tables, table_state
from lakehead.models import duckdb as model_duckdb
from lakehead.models.bind import Bound
from lakehead.models.flink import LEFT_OUT
from lakehead.models.header import SETTLED
from lakehead.models.load import bound_model
from lakehead.models.model import Model, model_names
from lakehead.proof.lateness import (
    CHECKPOINT,
    judge_rows,
    judge_second,
    late_rows,
    load_checkpoints,
)
from lakehead.query.engine import connect
from lakehead.query.types import quoted
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DEADLINE_SECONDS = 30
_SHOWN = 5


@dataclass(frozen=True)
class Difference:
    """One row that differs. Values are the measures, as text."""

    window_start: str
    key: list[str]
    mart: str
    whole: str
    expected: str


@dataclass(frozen=True)
class ParityReport:
    """Counts of closed rows of the mart, (window, key) pairs where there are windows.

    ``late_rows`` are the landed rows that the stream left out of a closed answer, and that no
    settled one has taken in since. ``examples`` are the first few differences, unexplained ones
    first.
    """

    windows: int
    different: int
    explained_by_late: int
    unexplained: int
    settled: int
    late_rows: int
    closed_until: str | None
    mart_snapshot: int | None
    landing_snapshot: int | None
    examples: list[Difference] = field(default_factory=list)


def parity(settings: Settings, name: str) -> ParityReport:
    """Compare a model's mart with its landed rows, by the version of the model that fed it.

    Raises:
        UserError: no such model, no version of it has the mart, or its tables were never made.
        SystemFailure: the landing table does not reach the mart's checkpoint in time.
    """
    bound = live_bound(settings, name)
    model = bound.model
    first, *others = bound.streams
    mart = table_state(settings, model.table)
    landing = _landing_reaching(settings, first, _checkpoint(mart))
    tables: dict[str, int | None] = {
        model.table: mart.snapshot_id,
        f"{LANDING}.{first}": landing.snapshot_id,
        **{f"{LANDING}.{stream}": None for stream in others},
    }
    if others:
        tables[LEFT_OUT] = None
    with connect(settings, tables, with_file=True) as lake:
        load_checkpoints(lake, settings, mart, "mart_files")
        load_checkpoints(lake, settings, landing, "landing_files")
        closed = _closed_until(lake, model)
        relations = _judge(lake, bound, first)
        _compute(lake, bound, relations, closed)
        _compare(lake, model)
        return _report(lake, bound, mart, landing, closed)


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
    """The time up to which the answers in a model's mart are closed."""
    model = live_bound(settings, name).model
    with connect(settings, {model.table: None}) as lake:
        return _closed_until(lake, model)


def _landing_reaching(settings: Settings, stream: str, checkpoint: int) -> TableState:
    """The landing table, once it holds all that the mart could have seen.

    Flink commits nothing for a checkpoint without rows, but for every tenth in a row. A job that
    has stopped has committed all that it had.
    """
    table = contract_in_force(settings, stream).landing_table
    patience = _DEADLINE_SECONDS + 10 * settings.tuning.checkpoint_seconds
    end = time.monotonic() + patience
    while True:
        stopped = read_observed(settings, stream).state == "stopped"
        landing = table_state(settings, table)
        if stopped or _checkpoint(landing) >= checkpoint:
            return landing
        if time.monotonic() > end:
            raise SystemFailure(
                f"{table} holds checkpoint {_checkpoint(landing)}, the mart "
                f"{checkpoint}; they do not meet",
                "lakehead jobs",
            )
        time.sleep(0.1)


def _checkpoint(state: TableState) -> int:
    """The newest Flink checkpoint that the table holds, -1 before the first."""
    reached = [s for s in state.snapshots if s.sequence_number <= state.sequence_number]
    return max((int(s.summary.get(CHECKPOINT, -1)) for s in reached), default=-1)


def _closed_until(lake: "DuckDBPyConnection", model: Model) -> datetime | None:
    newest = f"max({quoted(model.clock)})"
    if model.kind == "join":
        # The batch knows no watermark; what it settled had closed.
        settled = f"max(greatest(event_time, right_event_time)) FILTER ({SETTLED} IS NOT NULL)"
        newest = f"greatest({newest}, {settled})"
    row = lake.execute(f"SELECT {newest} FROM {_table(model.table)}").fetchone()
    return row[0] if row else None


def _judge(lake: "DuckDBPyConnection", bound: Bound, first: str) -> dict[str, str]:
    """The relation of each stream, its rows judged."""
    model = bound.model
    judge_rows(lake, model, _table(model.table), _table(f"{LANDING}.{first}"))
    relations = {first: "judged_rows"}
    if model.kind == "rows":
        # Rows come in the order of their offsets: what lies behind the newest is open.
        lake.execute(
            f"CREATE VIEW reached AS SELECT kafka_partition AS p, max(kafka_offset) AS o"
            f" FROM {_table(model.table)} GROUP BY 1"
        )
        relations[first] = (
            "(SELECT j.* FROM judged_rows j JOIN reached ON kafka_partition = p"
            " AND kafka_offset <= o)"
        )
    for second in bound.streams[1:]:
        judge_second(lake, model, _table(f"{LANDING}.{second}"), _table(LEFT_OUT))
        relations[second] = "judged_second"
    return relations


def _compute(
    lake: "DuckDBPyConnection", bound: Bound, relations: dict[str, str], closed: datetime | None
) -> None:
    """Makes the tables ``whole``, ``streamed`` and ``settled``, of closed rows."""
    model = bound.model
    condition = (
        "TRUE" if model.kind == "rows" else " AND ".join(f"{quoted(t)} <= $1" for t in model.ends)
    )
    parameters = [] if model.kind == "rows" else [closed]

    def make(table: str, sql: str) -> None:
        lake.execute(f"CREATE TABLE {table} AS SELECT * FROM ({sql}) WHERE {condition}", parameters)

    make("whole", model_duckdb.answer(bound, relations))
    make("streamed", model_duckdb.answer(bound, relations, late=True))
    mart = f"SELECT * EXCLUDE (lake_file) FROM {_table(model.table)}"
    make("mart", mart)
    _settle(lake, bound, relations)


def _settle(lake: "DuckDBPyConnection", bound: Bound, relations: dict[str, str]) -> None:
    """Makes ``settled``: what each settled row should be, by the offsets that it states."""
    model = bound.model
    lake.execute("CREATE TABLE settled AS SELECT * FROM streamed WHERE FALSE")
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
        for stream, relation in relations.items():
            # Partitions of a second stream are named with it.
            prefix, condition = ("", within) if stream == first else (f"{stream}/", "TRUE")
            named = {k.removeprefix(prefix): o for k, o in offsets.items() if k.startswith(prefix)}
            rows[stream] = _up_to(relation, named, condition)
        answer = model_duckdb.answer(bound, rows)
        lake.execute(
            f"INSERT INTO settled SELECT a.* FROM ({answer}) a JOIN mart m ON {same}"
            f" WHERE m.{SETTLED} = $3",
            [start, end, upto],
        )


def _up_to(relation: str, offsets: dict[str, int], condition: str) -> str:
    """The rows of a relation up to an offset of each partition."""
    pairs = [f"({p}, {int(o)})" for p, o in offsets.items() if p.isdecimal()] or ["(-1, -1)"]
    return (
        f"(SELECT j.* FROM {relation} j JOIN (VALUES {', '.join(pairs)}) AS u(upto_p, upto_o)"
        f" ON kafka_partition = upto_p AND kafka_offset <= upto_o WHERE {condition})"
    )


def _compare(lake: "DuckDBPyConnection", model: Model) -> None:
    """Whole, expected and mart, side by side."""
    keys = [quoted(c) for c in model.identity]
    selected = ", ".join(keys)
    shown = ", ".join(f"{k}::VARCHAR" for k in keys if k != '"window_start"')
    measures = ", ".join(f"'{m}': {quoted(m)}" for m in model.measures) or "'there': TRUE"
    sides = ("whole", "streamed", "settled", "mart")
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
    lake.execute(
        "CREATE TABLE compared AS SELECT coalesce(mart.began, whole.began) AS began,"
        " coalesce(mart.key, whole.key) AS key, mart.measures AS mart, whole.measures AS whole,"
        " CASE WHEN mart.upto IS NULL THEN streamed.measures ELSE settled.measures END AS expected,"
        " coalesce(mart.copies, 0) > 1 AS doubled"
        f" FROM ({union}) keys {joins}"
    )


def _report(
    lake: "DuckDBPyConnection",
    bound: Bound,
    mart: TableState,
    landing: TableState,
    closed: datetime | None,
) -> ParityReport:
    different = "(mart IS DISTINCT FROM whole OR doubled)"
    unexplained = f"{different} AND (mart IS DISTINCT FROM expected OR doubled)"
    counts = lake.execute(
        f"SELECT count(*), count(*) FILTER ({different}), count(*) FILTER ({unexplained})"
        " FROM compared"
    ).fetchone()
    settled = lake.execute("SELECT count(*) FROM mart WHERE settled_offsets IS NOT NULL").fetchone()
    assert counts and settled
    rows = lake.execute(
        "SELECT CAST(began AS VARCHAR), key, CAST(mart AS VARCHAR), CAST(whole AS VARCHAR),"
        f" CAST(expected AS VARCHAR) FROM compared WHERE {different}"
        f" ORDER BY ({unexplained}) DESC, began, key LIMIT {_SHOWN}"
    ).fetchall()
    return ParityReport(
        windows=counts[0],
        different=counts[1],
        explained_by_late=counts[1] - counts[2],
        unexplained=counts[2],
        settled=settled[0],
        late_rows=late_rows(lake, bound, "judged_rows", closed),
        closed_until=closed.isoformat() if closed else None,
        mart_snapshot=mart.snapshot_id,
        landing_snapshot=landing.snapshot_id,
        examples=[Difference(r[0], list(r[1]), *(v or "nothing" for v in r[2:])) for r in rows],
    )


def _table(name: str) -> str:
    return ".".join(quoted(part) for part in name.split("."))
