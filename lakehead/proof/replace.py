"""Put the batch's answer of some windows in the stream's place, by DuckDB."""

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from lakehead.contracts.model import LANDING
from lakehead.contracts.sql import literal
from lakehead.lake import staging
from lakehead.lake.plan import plan_files
from lakehead.lake.rewrite import replace_files
from lakehead.lake.snapshots import TableState, table_state, table_states
from lakehead.models import duckdb as model_duckdb
from lakehead.models.bind import Bound
from lakehead.models.header import SETTLED
from lakehead.proof.bounds import landed_files, mart_files
from lakehead.proof.due import Due
from lakehead.proof.publish import BRANCH, TRIES, Gate, Rows, Say, audit, given_up, publish
from lakehead.query.engine import connect_plans
from lakehead.query.types import quoted, quoted_table
from lakehead.query.views import FILE_COLUMN, make_view
from lakehead.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from duckdb import DuckDBPyConnection
    from pyiceberg.table import Table

# Of the landed rows those in files that may hold what is due.
_DUE = "due_"
# So many rows of a mart are written at a time, to a file at most.
_FILE_ROWS = 2_000_000


@dataclass(frozen=True)
class Replaced:
    """How the mart's rows of these windows differed from the batch's, as in `Reconciled`.

    ``offsets`` are, by partition, the last that were taken into account. ``refused`` is why the
    gate did not let it be published: the mart is as it was, the branch stays.
    """

    windows: int
    changed: int
    added: int
    removed: int
    settled: int
    offsets: dict[str, int]
    refused: str | None = None

    @property
    def differs(self) -> bool:
        return bool(self.changed or self.added or self.removed or self.settled)


def replace_windows(
    settings: Settings,
    bound: Bound,
    landing: TableState,
    due: Due,
    *,
    dry_run: bool = False,
    gate: Gate | None = None,
    say: Say = lambda _: None,
) -> Replaced:
    """Recompute the windows that are due from all landed rows. Done twice, it changes nothing.

    The rows are written to the branch `BRANCH` of the mart, and published when the ``gate`` lets
    them. One at a time may do so: see ``alone``.

    Raises:
        SystemFailure: others kept changing these windows; nothing was changed.
    """
    name = bound.model.table
    for _ in range(TRIES):
        mart = table_state(settings, name)
        found, batch = _batch(settings, bound, mart, landing, due)
        if dry_run:
            return found
        if not found.differs:
            # Of one that was killed, or not let through.
            staging.drop(settings, name, BRANCH)
            return found
        say(f"writing to the branch {BRANCH} of {name}")
        staging.begin(settings, mart, BRANCH)
        staging.write(
            settings, name, BRANCH, partial(_overwrite, settings, bound, mart, due, batch)
        )
        if refused := audit(settings, mart, gate, say):
            return replace(found, refused=refused)
        rows = Rows(
            *due.windows(),
            prepare=lambda lake: due.prepare(lake, bound),
            files=lambda settings, state: mart_files(settings, state, due),
        )
        if publish(settings, mart, rows, say):
            return found
        say(f"windows of {bound.model.name} have changed meanwhile; once more")
    raise given_up(mart, bound.model.name)


def _batch(
    settings: Settings, bound: Bound, mart: TableState, landing: TableState, due: Due
) -> tuple[Replaced, "pa.Table"]:
    """How the mart differs from the batch, and the batch."""
    pins = {landing.name: landing.snapshot_id, mart.name: mart.snapshot_id}
    states = table_states(settings, pins)
    landed, there = states[landing.name], states[mart.name]
    plans = [(landed, plan_files(settings, landed)), (there, mart_files(settings, there, due))]
    with connect_plans(settings, plans) as lake:
        make_view(lake, landed, landed_files(settings, landed, bound, due), prefix=_DUE)
        due.prepare(lake, bound)
        offsets = _compute(lake, bound, due)
        found = _compare(lake, bound, due, offsets)
        return found, lake.execute("FROM batch").to_arrow_table()


def _compute(lake: "DuckDBPyConnection", bound: Bound, due: Due) -> dict[str, int]:
    """Makes ``batch``; gives the offsets that it takes into account."""
    landed = quoted_table(f"{LANDING}.{bound.root.stream}")
    near = quoted_table(f"{_DUE}{LANDING}.{bound.root.stream}")
    offsets = dict(
        lake.execute(
            "SELECT kafka_partition::VARCHAR, max(kafka_offset)"
            f" FROM {landed} GROUP BY 1 ORDER BY 1"
        ).fetchall()
    )
    condition, given = due.rows(bound)
    lake.execute(f"CREATE TABLE due_rows AS SELECT * FROM {near} WHERE {condition}", given)
    answer = model_duckdb.answer(bound, {bound.root.stream: "due_rows"})
    columns = ", ".join(quoted(c) for c in bound.model.mart_columns if c != SETTLED)
    condition, given = due.windows()
    lake.execute(
        f"CREATE TABLE batch AS SELECT {columns}, $offsets AS {SETTLED}"
        f" FROM ({answer}) WHERE {condition}",
        {**given, "offsets": json.dumps(offsets)},
    )
    return offsets


def _compare(
    lake: "DuckDBPyConnection", bound: Bound, due: Due, offsets: dict[str, int]
) -> Replaced:
    model = bound.model
    condition, given = due.windows()
    mart = quoted_table(model.table)
    lake.execute(f"CREATE TABLE there AS SELECT * FROM {mart} WHERE {condition}", given)
    same = " AND ".join(f"t.{quoted(c)} IS NOT DISTINCT FROM s.{quoted(c)}" for c in model.identity)
    changed = " OR ".join(f"t.{quoted(c)} IS DISTINCT FROM s.{quoted(c)}" for c in model.measures)
    both = "t.window_start IS NOT NULL AND s.window_start IS NOT NULL"
    counted = lake.execute(
        "SELECT count(s.window_start),"
        f" count(*) FILTER ({both} AND ({changed or 'FALSE'})),"
        " count(*) FILTER (t.window_start IS NULL),"
        " count(*) FILTER (s.window_start IS NULL),"
        f" count(*) FILTER ({both} AND NOT ({changed or 'FALSE'}) AND t.{SETTLED} IS NULL)"
        f" FROM batch s FULL JOIN there t ON {same}"
    ).fetchone()
    assert counted
    windows, differing, added, removed, settled = counted
    return Replaced(windows, differing, added, removed, settled, offsets)


def _overwrite(
    settings: Settings,
    bound: Bound,
    mart: TableState,
    due: Due,
    batch: "pa.Table",
    table: "Table",
) -> None:
    """The files that rows of these windows are in are written anew, their other rows with them."""
    import pyarrow as pa

    there = table_state(settings, mart.name, mart.snapshot_id)
    plan = mart_files(settings, there, due)
    with connect_plans(settings, [(there, plan)], with_file=True) as lake:
        due.prepare(lake, bound)
        schema = table.schema().as_arrow()
        lake.register("batch", batch.cast(schema))
        name, (condition, given) = quoted_table(mart.name), due.windows()
        sql = f"SELECT DISTINCT {FILE_COLUMN} FROM {name} WHERE {condition}"
        paths = {path for (path,) in lake.execute(sql, given).fetchall()}
        listed = ", ".join(map(literal, sorted(paths))) or "NULL"
        columns = ", ".join(map(quoted, schema.names))
        rows = lake.execute(
            f"SELECT {columns} FROM {name} WHERE {FILE_COLUMN} IN ({listed})"
            f" AND ({condition}) IS NOT TRUE UNION ALL SELECT {columns} FROM batch",
            given,
        ).to_arrow_reader(_FILE_ROWS)
        parts = (pa.Table.from_batches([part]) for part in rows if part.num_rows)
        replace_files(table, BRANCH, paths, parts)
