"""Parity: the stream's windows are the batch's, but for rows that it can be shown to have missed.

Both sides are read as of one pair of snapshots: the mart, and the landing table at or after the
checkpoint that the mart holds. Every closed (window, key) is computed three times:

whole     from all landed rows: what reconcile would write
expected  from the rows that the answer in the mart should take into account
mart      what is there

They differ when mart is not whole, and that is *explained by late rows* when mart is expected. A
row was missed by the stream when its window had closed by the watermark that the row was landed
with, by an earlier checkpoint, or by an earlier reconcile: after a restart the source's watermark
begins anew, while the window operator's does not. A settled window takes into account all offsets
up to those it states.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import Contract
from lakehead.errors import SystemFailure
from lakehead.jobs.records import read_observed
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import TableState, table_state
from lakehead.models import duckdb as model_duckdb
from lakehead.models.model import SETTLED, Model, load_model
from lakehead.query.engine import connect
from lakehead.query.types import quoted
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CHECKPOINT = "flink.max-committed-checkpoint-id"
_DEADLINE_SECONDS = 30
_SHOWN = 5


@dataclass(frozen=True)
class Difference:
    """One (window, key) that differs. Values are the measures, as text."""

    window_start: str
    key: list[str]
    mart: str
    whole: str
    expected: str


@dataclass(frozen=True)
class ParityReport:
    """Counts of closed (window, key) pairs.

    ``late_rows`` are the landed rows that the mart's answers do not take into account.
    ``examples`` are the first few differences, unexplained ones first.
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
    """Compare a model's mart with its landed rows.

    Raises:
        UserError: no such model, or its tables were never made.
        SystemFailure: the landing table does not reach the mart's checkpoint in time.
    """
    model = load_model(settings.pipelines, name)
    contract = contract_in_force(settings, model.stream)
    mart = table_state(settings, model.table)
    landing = _landing_reaching(settings, contract, _checkpoint(mart))
    snapshots = {model.table: mart.snapshot_id, contract.landing_table: landing.snapshot_id}
    with connect(settings, snapshots, with_file=True) as lake:
        _load_checkpoints(lake, settings, mart, "mart_files")
        _load_checkpoints(lake, settings, landing, "landing_files")
        closed = _closed_until(lake, model)
        _find_closed(lake, model, contract)
        _judge_rows(lake, model, contract)
        _compare(lake, model, contract)
        return _report(lake, mart, landing, closed)


def closed_until(settings: Settings, name: str) -> datetime | None:
    """The end of the newest window in the model's mart: it and all before it have closed."""
    model = load_model(settings.pipelines, name)
    with connect(settings, {model.table: None}) as lake:
        return _closed_until(lake, model)


def _landing_reaching(settings: Settings, contract: Contract, checkpoint: int) -> TableState:
    """The landing table, once it holds all that the mart could have seen.

    Flink commits nothing for a checkpoint without rows, but for every tenth in a row. A job that
    has stopped has committed all that it had.
    """
    patience = _DEADLINE_SECONDS + 10 * settings.tuning.checkpoint_seconds
    end = time.monotonic() + patience
    while True:
        stopped = read_observed(settings, contract.stream).state == "stopped"
        landing = table_state(settings, contract.landing_table)
        if stopped or _checkpoint(landing) >= checkpoint:
            return landing
        if time.monotonic() > end:
            raise SystemFailure(
                f"{contract.landing_table} holds checkpoint {_checkpoint(landing)}, the mart "
                f"{checkpoint}; they do not meet",
                "lakehead jobs",
            )
        time.sleep(0.1)


def _checkpoint(state: TableState) -> int:
    """The newest Flink checkpoint that the table holds, -1 before the first."""
    reached = [s for s in state.snapshots if s.sequence_number <= state.sequence_number]
    return max((int(s.summary.get(_CHECKPOINT, -1)) for s in reached), default=-1)


def _load_checkpoints(
    lake: "DuckDBPyConnection", settings: Settings, state: TableState, table: str
) -> None:
    """Which checkpoint each data file was committed with; NULL where it was not the stream's."""
    by_snapshot = {s.id: s.summary.get(_CHECKPOINT) for s in state.snapshots}
    files = plan_files(settings, state).files
    lake.execute(f"CREATE TABLE {table} (lake_file VARCHAR, checkpoint BIGINT)")
    rows = [(f.path, by_snapshot.get(f.snapshot_id)) for f in files]
    if rows:
        lake.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)


def _closed_until(lake: "DuckDBPyConnection", model: Model) -> datetime | None:
    row = lake.execute(f"SELECT max(window_end) FROM {_quoted(model.table)}").fetchone()
    return row[0] if row else None


def _find_closed(lake: "DuckDBPyConnection", model: Model, contract: Contract) -> None:
    """Which windows have closed, by which checkpoint, and by which offsets of a reconcile."""
    mart = _quoted(model.table)
    start = model_duckdb.window_start(model, contract.event_time)
    seconds = int(model.window.total_seconds())
    lake.execute(
        # When each window had closed: the first checkpoint with a window as late, or later.
        f"CREATE VIEW fired AS SELECT checkpoint, max(max(window_end)) OVER (ORDER BY checkpoint)"
        f" AS closed_until FROM {mart} JOIN mart_files USING (lake_file)"
        f" WHERE checkpoint IS NOT NULL AND {SETTLED} IS NULL GROUP BY checkpoint"
    )
    lake.execute(
        "CREATE TABLE closed_windows AS SELECT w.window_start, w.window_end,"
        " (SELECT min(checkpoint) FROM fired WHERE closed_until >= w.window_end) AS checkpoint"
        f" FROM (SELECT DISTINCT {start} AS window_start,"
        f" {start} + INTERVAL '{seconds}' SECOND AS window_end"
        f" FROM {_quoted(contract.landing_table)}) w"
        f" WHERE window_end <= (SELECT max(window_end) FROM {mart})"
    )
    lake.execute(
        # A reconcile took windows up to some end to be closed: what landed after it came too late.
        "CREATE TABLE reconciles AS SELECT CAST(upto AS JSON) AS upto, covers FROM"
        f" (SELECT {SETTLED} AS upto, max(window_end) AS covers FROM {mart}"
        f" WHERE {SETTLED} IS NOT NULL GROUP BY {SETTLED})"
    )
    lake.execute(
        "CREATE TABLE closed_offsets AS SELECT window_start, p, min(upto) AS upto FROM"
        " (SELECT w.window_start, p, coalesce("
        "CAST(r.upto ->> CAST(p AS VARCHAR) AS BIGINT), -1) AS upto"
        " FROM closed_windows w JOIN reconciles r ON r.covers >= w.window_end,"
        f" (SELECT DISTINCT kafka_partition AS p FROM {_quoted(contract.landing_table)}))"
        " GROUP BY window_start, p"
    )


def _judge_rows(lake: "DuckDBPyConnection", model: Model, contract: Contract) -> None:
    """Which landed rows of closed windows the answer in the mart missed."""
    keys = _key_columns(model)
    start = model_duckdb.window_start(model, contract.event_time)
    lake.execute(
        f"CREATE TABLE settled AS SELECT {', '.join(keys)}, CAST({SETTLED} AS JSON) AS upto"
        f" FROM {_quoted(model.table)} WHERE {SETTLED} IS NOT NULL"
    )
    settled_here = " AND ".join(f"r.{k} IS NOT DISTINCT FROM s.{k}" for k in keys)
    lake.execute(
        "CREATE TABLE judged AS SELECT r.*, CASE"
        " WHEN s.upto IS NOT NULL THEN"
        " kafka_offset > CAST(s.upto ->> CAST(kafka_partition AS VARCHAR) AS BIGINT)"
        " ELSE coalesce(epoch_ms(watermark) + 1 >= epoch_ms(r.window_end), FALSE)"
        " OR coalesce(f.checkpoint > r.fired, FALSE)"
        " OR coalesce(kafka_offset > c.upto, FALSE) END AS missed"
        f" FROM (SELECT l.*, c.window_start, c.window_end, c.checkpoint AS fired"
        f" FROM {_quoted(contract.landing_table)} l"
        f" JOIN closed_windows c ON c.window_start = {start}) r"
        f" LEFT JOIN landing_files f USING (lake_file)"
        " LEFT JOIN closed_offsets c ON c.window_start = r.window_start AND c.p = kafka_partition"
        f" LEFT JOIN settled s ON {settled_here}"
    )


def _compare(lake: "DuckDBPyConnection", model: Model, contract: Contract) -> None:
    """Whole, expected and mart, side by side by window and key."""
    keys = _key_columns(model)
    event_time = contract.event_time
    columns = "* EXCLUDE (window_start, window_end, fired)"
    lake.execute(f"CREATE VIEW all_rows AS SELECT {columns} FROM judged")
    lake.execute(f"CREATE VIEW counted_rows AS SELECT {columns} FROM judged WHERE NOT missed")
    sides = {
        "whole": f"({model_duckdb.windows(model, event_time, 'all_rows')})",
        "expected": f"({model_duckdb.windows(model, event_time, 'counted_rows')})",
        "mart": _quoted(model.table),
    }
    for side, relation in sides.items():
        lake.execute(
            f"CREATE TABLE {side} AS SELECT {', '.join(keys)}, count(*) AS copies,"
            f" [{', '.join(keys[1:])}]::VARCHAR[] AS key,"
            f" any_value({{ {_struct(model)} }}) AS measures"
            f" FROM {relation} GROUP BY {', '.join(keys)}"
        )
    joined = " AND ".join(f"{{left}}.{k} IS NOT DISTINCT FROM {{right}}.{k}" for k in keys)
    lake.execute(
        "CREATE TABLE compared AS SELECT"
        " coalesce(m.window_start, w.window_start) AS window_start,"
        " coalesce(m.key, w.key) AS key,"
        " m.measures AS mart, w.measures AS whole, e.measures AS expected,"
        " coalesce(m.copies, 0) > 1 AS doubled"
        f" FROM mart m FULL OUTER JOIN whole w ON {joined.format(left='m', right='w')}"
        f" LEFT JOIN expected e ON"
        f" {joined.format(left='e', right='w')}"
    )


def _report(
    lake: "DuckDBPyConnection", mart: TableState, landing: TableState, closed: datetime | None
) -> ParityReport:
    different = "(mart IS DISTINCT FROM whole OR doubled)"
    unexplained = f"{different} AND (mart IS DISTINCT FROM expected OR doubled)"
    counts = lake.execute(
        f"SELECT count(*), count(*) FILTER ({different}), count(*) FILTER ({unexplained})"
        " FROM compared"
    ).fetchone()
    late = lake.execute("SELECT count(*) FROM judged WHERE missed").fetchone()
    settled = lake.execute("SELECT count(*) FROM settled").fetchone()
    assert counts and late and settled
    rows = lake.execute(
        "SELECT CAST(window_start AS VARCHAR), key, CAST(mart AS VARCHAR), CAST(whole AS VARCHAR),"
        f" CAST(expected AS VARCHAR) FROM compared WHERE {different}"
        f" ORDER BY ({unexplained}) DESC, window_start, key LIMIT {_SHOWN}"
    ).fetchall()
    return ParityReport(
        windows=counts[0],
        different=counts[1],
        explained_by_late=counts[1] - counts[2],
        unexplained=counts[2],
        settled=settled[0],
        late_rows=late[0],
        closed_until=closed.isoformat() if closed else None,
        mart_snapshot=mart.snapshot_id,
        landing_snapshot=landing.snapshot_id,
        examples=[Difference(r[0], list(r[1]), *(v or "nothing" for v in r[2:])) for r in rows],
    )


def _key_columns(model: Model) -> list[str]:
    return ["window_start", *(quoted(k) for k in model.keys)]


def _struct(model: Model) -> str:
    return ", ".join(f"'{m}': {quoted(m)}" for m in model.measures)


def _quoted(table: str) -> str:
    return ".".join(quoted(part) for part in table.split("."))
