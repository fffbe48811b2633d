"""Marts with the answers that are not closed yet, computed from the landed rows and the tail.

What is closed comes from the mart, as the stream or a reconcile has answered it. Behind that the
model is computed by DuckDB: it leaves out what the job has found too late for an answer, by the
watermark that rows were landed with, and takes in all else, the tail's rows among it. So an open
answer is what the stream would say if nothing more came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lakehead.contracts.model import LANDING
from lakehead.errors import UserError
from lakehead.jobs.live import live_bound
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import TableState
from lakehead.live.rows import LAKE, TAIL, behind
from lakehead.models import duckdb as model_duckdb
from lakehead.models.batch import LATE
from lakehead.models.bind import Bound
from lakehead.models.model import model_names
from lakehead.models.windows import Cumulate, Hop, Session
from lakehead.proof.parity import closed_in
from lakehead.query.result import interruptible
from lakehead.query.types import duckdb_type, quoted, quoted_table
from lakehead.query.views import make_view
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEW = "new$"
_MARTS = "marts"


@dataclass(frozen=True)
class MartReach:
    """``closed_until`` is None where no answer has closed; ``open`` are the rows computed behind
    it."""

    closed_until: datetime | None
    open: int


def model_of(settings: Settings, table: str) -> Bound | None:
    """The model that feeds a table now, as it feeds it; None where none does."""
    namespace, _, last = table.rpartition(".")
    if namespace != _MARTS:
        return None
    names = model_names(settings.pipelines)
    for name in sorted(names, key=lambda name: name != last):
        try:
            bound = live_bound(settings, name)
        except UserError:
            # It cannot be read, or has no table now: then it does not feed this one.
            continue
        if bound.model.table == table:
            return bound
    return None


def make_live(
    con: "DuckDBPyConnection", settings: Settings, bound: Bound, states: Mapping[str, TableState]
) -> MartReach:
    """Make the mart as a view with its open answers. The landing tables of its streams are there
    already, with their tails (``rows.make_live``)."""
    model = bound.model
    mart = states[model.table]
    make_view(con, mart, plan_files(settings, mart), prefix=LAKE)
    stored = quoted_table(LAKE + mart.name)
    closed = closed_in(con, model, mart, stored)
    relations = {
        stream: _relation(con, settings, bound, states[f"{LANDING}.{stream}"], stored, closed)
        for stream in bound.streams
    }
    answer = model_duckdb.answer(bound, relations, late=True)
    columns = ", ".join(quoted(f.name) for f in mart.fields)
    there = {*model.head, *model.columns}
    selected = ", ".join(
        f"CAST({quoted(f.name) if f.name in there else 'NULL'} AS {duckdb_type(f.type)})"
        f" AS {quoted(f.name)}"
        for f in mart.fields
    )
    conditions, given = ["TRUE"], {}
    if closed is not None and model.kind != "rows":
        ends = f"greatest({', '.join(map(quoted, model.ends))})"
        conditions.append(f"{ends} > $closed")
        given["closed"] = closed
    if model.kind not in ("window", "rows"):
        # The stream answers some before they are closed by the mart's clock: they are there.
        same = " AND ".join(
            f"a.{quoted(c)} IS NOT DISTINCT FROM m.{quoted(c)}" for c in model.identity
        )
        conditions.append(f"NOT EXISTS (FROM {stored} m WHERE {same})")
    name = quoted_table(TAIL + mart.name)
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(TAIL + mart.name.rpartition('.')[0])}")
    computed = (
        f"CREATE TABLE {name} AS SELECT {selected} FROM ({answer}) a"
        f" WHERE {' AND '.join(conditions)}"
    )
    interruptible(con, lambda: con.execute(computed, given))
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(mart.name.rpartition('.')[0])}")
    con.execute(
        f"CREATE VIEW {quoted_table(mart.name)} AS SELECT {columns} FROM {stored}"
        f" UNION ALL SELECT {columns} FROM {name}"
    )
    counted = con.execute(f"SELECT count(*) FROM {name}").fetchone()
    assert counted
    return MartReach(closed, int(counted[0]))


def _relation(
    con: "DuckDBPyConnection",
    settings: Settings,
    bound: Bound,
    landing: TableState,
    stored: str,
    closed: datetime | None,
) -> str:
    """The rows of a stream that open answers may need, with what each was too late for."""
    model, table = bound.model, quoted_table(landing.name)
    if landing.name != f"{LANDING}.{bound.root.stream}":
        # A model's own scan of its second stream judges it anew; what that finds late is not known.
        return f"(SELECT *, NULL::BIGINT AS {quoted(LATE)} FROM {table})"
    # A window closes as the watermark reaches its last millisecond.
    more = 1 if model.judged_by_window or isinstance(model.window, Session) else 0
    late = f"epoch_ms(watermark) + {more} AS {quoted(LATE)}"
    if model.kind == "rows":
        # Rows come in the order of their offsets.
        return (
            f"(SELECT r.*, {late} FROM {table} r LEFT JOIN (SELECT kafka_partition AS p,"
            f" max(kafka_offset) AS o FROM {stored} GROUP BY 1) ON r.kafka_partition = p"
            " WHERE o IS NULL OR kafka_offset > o)"
        )
    window, clock = model.window, bound.root.event_time
    if closed is None or not isinstance(window, Hop | Cumulate):
        return f"(SELECT *, {late} FROM {table})"
    # Windows of a fixed size that end after that: few files, of all that were landed.
    begin = closed - window.size
    micros = (begin - _EPOCH) // timedelta(microseconds=1)
    plan = behind(plan_files(settings, landing), landing, clock, micros)
    new = f"{_NEW}{model.name}$"
    make_view(con, landing, plan, prefix=new)
    condition = f"{quoted(clock)} >= make_timestamptz({micros})"
    return (
        f"(SELECT *, {late} FROM {quoted_table(new + landing.name)} WHERE {condition}"
        f" UNION ALL SELECT *, {late} FROM {quoted_table(TAIL + landing.name)} WHERE {condition})"
    )
