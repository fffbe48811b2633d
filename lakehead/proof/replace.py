"""Put the batch's answer of some windows in the stream's place, by DuckDB."""

import json
import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from lakehead.contracts.model import LANDING
from lakehead.lake import staging
from lakehead.lake.snapshots import TableState, table_state
from lakehead.models import duckdb as model_duckdb
from lakehead.models.bind import Bound
from lakehead.models.header import SETTLED
from lakehead.proof.due import Due
from lakehead.proof.publish import BRANCH, TRIES, Gate, Rows, Say, audit, given_up, publish
from lakehead.query.engine import connect
from lakehead.query.types import quoted, quoted_table
from lakehead.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from duckdb import DuckDBPyConnection
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table


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
        staging.write(settings, name, BRANCH, partial(_overwrite, batch, due))
        if refused := audit(settings, mart, gate, say):
            return replace(found, refused=refused)
        rows = Rows(*due.windows(), lambda lake: _note_late(lake, due))
        if publish(settings, mart, rows, say):
            return found
        say(f"windows of {bound.model.name} have changed meanwhile; once more")
    raise given_up(mart, bound.model.name)


def _batch(
    settings: Settings, bound: Bound, mart: TableState, landing: TableState, due: Due
) -> tuple[Replaced, "pa.Table"]:
    """How the mart differs from the batch, and the batch."""
    pins = {landing.name: landing.snapshot_id, mart.name: mart.snapshot_id}
    with connect(settings, pins) as lake:
        _note_late(lake, due)
        offsets = _compute(lake, bound, due)
        found = _compare(lake, bound, due, offsets)
        return found, lake.execute("FROM batch").to_arrow_table()


def _note_late(lake: "DuckDBPyConnection", due: Due) -> None:
    lake.execute("CREATE TABLE late_windows (s TIMESTAMPTZ, e TIMESTAMPTZ)")
    if due.late:
        lake.executemany("INSERT INTO late_windows VALUES (?, ?)", [list(w) for w in due.late])


def _compute(lake: "DuckDBPyConnection", bound: Bound, due: Due) -> dict[str, int]:
    """Makes ``batch``; gives the offsets that it takes into account."""
    landed = f'"{LANDING}".{quoted(bound.root.stream)}'
    offsets = dict(
        lake.execute(
            "SELECT kafka_partition::VARCHAR, max(kafka_offset)"
            f" FROM {landed} GROUP BY 1 ORDER BY 1"
        ).fetchall()
    )
    condition, given = due.rows(bound)
    lake.execute(f"CREATE TABLE due_rows AS SELECT * FROM {landed} WHERE {condition}", given)
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


def _overwrite(batch: "pa.Table", due: Due, table: "Table") -> None:
    with warnings.catch_warnings():
        # A window that only late rows are in is not there yet.
        warnings.filterwarnings("ignore", "Delete operation did not match", UserWarning)
        rows = batch.cast(table.schema().as_arrow())
        table.overwrite(rows, overwrite_filter=_filter(due), branch=BRANCH)


def _filter(due: Due) -> "BooleanExpression":
    """The windows that are due, for Iceberg."""
    from pyiceberg.expressions import (
        And,
        EqualTo,
        GreaterThan,
        GreaterThanOrEqual,
        LessThan,
        LessThanOrEqual,
        Or,
        Reference,
    )
    from pyiceberg.expressions.literals import literal

    start, end = Reference("window_start"), Reference("window_end")
    found: BooleanExpression = LessThanOrEqual(term=end, value=literal(due.upto.isoformat()))
    within = due.within
    if within.start:
        found = And(found, GreaterThanOrEqual(term=start, value=literal(within.start.isoformat())))
    if within.end:
        found = And(found, LessThan(term=start, value=literal(within.end.isoformat())))
    if due.after:
        either: list[BooleanExpression] = [
            GreaterThan(term=end, value=literal(due.after.isoformat()))
        ]
        for began, ended in due.late:
            either.append(
                And(
                    EqualTo(term=start, value=literal(began.isoformat())),
                    EqualTo(term=end, value=literal(ended.isoformat())),
                )
            )
        found = And(found, Or(*either) if len(either) > 1 else either[0])
    return found
