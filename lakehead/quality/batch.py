"""The rows of a table's snapshot as one DuckDB view, ``batch``: what GX judges, and SQL shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehead.contracts.sql import literal
from lakehead.errors import UserError
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import Field, TableState, table_state
from lakehead.quality.expectation import Expectation, Suite
from lakehead.query.engine import connect
from lakehead.query.failures import translated
from lakehead.query.types import duckdb_type, quoted
from lakehead.query.views import FILE_COLUMN
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VIEW = "batch"
MAIN_BRANCH = "main"


@dataclass(frozen=True)
class Batch:
    """``rows`` of ``table`` at ``snapshot_id``, all or those of files that came after ``since``."""

    con: "DuckDBPyConnection"
    table: str
    snapshot_id: int
    columns: tuple[str, ...]
    rows: int


@contextmanager
def open_batch(
    settings: Settings, suite: Suite, snapshot_id: int | None = None, since: int | None = None
) -> Iterator[Batch]:
    """The rows of the suite's table; with ``since``, an earlier snapshot, those of new files.

    Raises:
        UserError: no such table or snapshot, nothing was committed, or the table lacks a column.
        SystemFailure: the catalog, a manifest or a data file cannot be read.
    """
    state = table_state(settings, suite.table, snapshot_id)
    if state.snapshot is None:
        raise UserError(f"{suite.table} has no rows yet: nothing was committed to it")
    # The columns are those of now, as the suite's are: one that came later is null.
    fields = table_state(settings, suite.table).fields
    columns = tuple(f.name for f in fields)
    _hold_columns(suite, columns)
    only = None if since is None else _new_files(settings, state, since)
    tables = {suite.table: state.snapshot.id}
    con = connect(settings, tables, with_file=only is not None)
    try:
        with translated():
            source = ".".join(map(quoted, suite.table.split(".")))
            there = {f.id: f.name for f in state.fields}
            listed = ", ".join(_selected(f, there.get(f.id)) for f in fields)
            where = ""
            if only is not None:
                files = ", ".join(map(literal, only)) or "NULL"
                where = f" WHERE {FILE_COLUMN} IN ({files})"
            con.execute(f"CREATE VIEW {VIEW} AS SELECT {listed} FROM {source}{where}")
            (rows,) = con.execute(f"SELECT count(*) FROM {VIEW}").fetchall()[0]
            yield Batch(con, suite.table, state.snapshot.id, columns, rows)
    finally:
        con.close()


def failing_rows(
    batch: Batch, suite: Suite, expectation: Expectation, limit: int | None = None
) -> "Iterator[dict[str, Any]]":
    """The rows that break the expectation, whole, by the suite's identity; all, or the first few.

    They come as they are asked for: ask for nothing else of the batch meanwhile.
    """
    order = ", ".join(map(quoted, suite.identity))
    more = "" if limit is None else f" LIMIT {int(limit)}"
    result = batch.con.execute(f"{broken_query(expectation, VIEW)} ORDER BY {order}{more}")
    while rows := result.fetchmany(1000):
        yield from (dict(zip(batch.columns, row, strict=True)) for row in rows)


def broken_query(expectation: Expectation, source: str) -> str:
    """A SELECT of the rows of ``source``, which is SQL, that break the expectation."""
    clause = "QUALIFY" if expectation.windowed else "WHERE"
    return f"SELECT * FROM {source} {clause} {expectation.broken}"


def branch_snapshot(settings: Settings, table: str, branch: str) -> int:
    """The snapshot that a branch or tag of the table stands at.

    Raises:
        UserError: no such table, or no such branch.
    """
    refs = table_state(settings, table).refs
    if branch not in refs:
        known = ", ".join(sorted(refs)) or "none yet"
        raise UserError(
            f"{table} has no branch {branch!r}; it has {known}",
            f"lakehead quality check {table} --branch {MAIN_BRANCH}",
        )
    return refs[branch]


def _new_files(settings: Settings, state: TableState, since: int) -> list[str]:
    before = {f.path for f in plan_files(settings, table_state(settings, state.name, since)).files}
    return [f.path for f in plan_files(settings, state).files if f.path not in before]


def _selected(field: Field, then: str | None) -> str:
    value = f"CAST(NULL AS {duckdb_type(field.type)})" if then is None else quoted(then)
    return f"{value} AS {quoted(field.name)}"


def _hold_columns(suite: Suite, columns: tuple[str, ...]) -> None:
    for expectation in suite.expectations:
        for column in expectation.columns:
            if column not in columns:
                raise UserError(
                    f"{suite.table} has no column {column!r}, of which {expectation.name} is "
                    f"expected; it has {', '.join(columns)}",
                    f"lakehead quality suite {suite.name}",
                )
