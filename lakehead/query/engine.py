"""Run SQL over the lake.

1. Check the statement and find its tables (`sandbox.read`).
2. Read the state of all of them in one transaction: one consistent set of snapshots.
3. Plan their files, make a view of each, lock the connection.
4. Run; rows come as they are asked for.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehead.contracts.sql import literal
from lakehead.errors import UserError
from lakehead.lake.plan import Plan, plan_files
from lakehead.lake.snapshots import (
    SnapshotGone,
    TableState,
    list_tables,
    table_states,
    unknown_table,
)
from lakehead.query import sandbox
from lakehead.query.failures import translated
from lakehead.query.result import Result
from lakehead.query.views import make_view
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TRIES = 3
_MIN_MEMORY = 512 * 2**20
_MEMORY_SHARE = 4


def run(
    settings: Settings,
    sql: str,
    params: Sequence[object] | Mapping[str, object] | None = None,
    snapshots: Mapping[str, int] | None = None,
) -> Result:
    """Answer one SELECT, SHOW, DESCRIBE or EXPLAIN from a stranger; nothing is written.

    ``params`` fill ``?`` or ``$name``. ``snapshots`` pins tables to a snapshot id; all others
    are read as of now.

    Raises:
        UserError: no lake, no such table or snapshot, or SQL that is wrong or not allowed.
        SystemFailure: the catalog, a manifest or a data file cannot be read.
        KeyboardInterrupt: Ctrl-C; the query was stopped first. Also while rows are fetched.
    """
    for attempt in range(_TRIES):
        try:
            return _run(settings, sql, params, snapshots or {})
        except SnapshotGone:
            # Expired between reading the state and the files; the newer state has newer files.
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("unreachable")


def connect(
    settings: Settings, tables: Mapping[str, int | None], *, with_file: bool = False
) -> "DuckDBPyConnection":
    """A connection for SQL of lakehead's own, with a view of each table; the caller closes it.

    ``tables`` is table -> snapshot id, None for the newest. ``with_file`` adds the column
    ``lake_file``: each row's `DataFile.path`. Time zone UTC. Not locked: it can make tables.

    Raises:
        UserError: there is no lake, no such table or no such snapshot.
        SystemFailure: the catalog, a manifest or a data file cannot be read.
    """
    con = _open(settings)
    try:
        with translated():
            for state in table_states(settings, tables).values():
                make_view(con, state, plan_files(settings, state), with_file)
    except BaseException:
        con.close()
        raise
    return con


def _run(settings: Settings, sql: str, params: object, snapshots: Mapping[str, int]) -> Result:
    con = _open(settings)
    try:
        reading = sandbox.read(con, sql)
        wanted = _wanted(settings, reading, snapshots)
        states = table_states(settings, wanted)
        if reading.show_tables:
            return Result(con, _catalogue(states), None, states)
        plans = {name: plan_files(settings, state) for name, state in states.items()}
        with translated():
            for name, state in states.items():
                make_view(con, state, plans[name])
            sandbox.lock(con, _paths(plans))
        return _result(con, reading, params, states, settings)
    except BaseException:
        con.close()
        raise


def _result(
    con: "DuckDBPyConnection",
    reading: sandbox.Reading,
    params: object,
    states: dict[str, TableState],
    settings: Settings,
) -> Result:
    import duckdb

    try:
        return Result(con, reading.sql, params, states)
    except UserError as error:
        if isinstance(error.__cause__, duckdb.CatalogException):
            text = str(error.__cause__)
            if "Table with name " in text:
                name = text.split("Table with name ", 1)[1].split(" does not exist")[0]
                raise unknown_table(name.strip('"'), list_tables(settings)) from error
        raise


def _wanted(
    settings: Settings, reading: sandbox.Reading, snapshots: Mapping[str, int]
) -> dict[str, int | None]:
    """Table -> snapshot id, names as the catalog has them."""
    names = list_tables(settings)
    by_lower = {name.lower(): name for name in names}
    used = names if reading.whole_lake or reading.show_tables else list(reading.tables)
    wanted: dict[str, int | None] = {}
    for name in used:
        if name.lower() not in by_lower:
            raise unknown_table(name, names)
        wanted[by_lower[name.lower()]] = None
    for name, snapshot in snapshots.items():
        if name.lower() not in by_lower:
            raise unknown_table(name, names)
        if by_lower[name.lower()] in wanted:
            wanted[by_lower[name.lower()]] = snapshot
    return wanted


def _catalogue(states: Mapping[str, TableState]) -> str:
    """SHOW TABLES: the lake's tables, as their newest snapshots' own counts have them."""
    columns = "SELECT NULL::VARCHAR, NULL::BIGINT, NULL::BIGINT, NULL::BIGINT, NULL::TIMESTAMPTZ"
    rows = [f"({columns} WHERE false)"]
    for name, state in sorted(states.items()):
        counts = [
            state.summary.get(key, "0" if state.snapshot is None else "NULL")
            for key in ("total-records", "total-data-files", "total-files-size")
        ]
        checked = [c if c == "NULL" or c.isdecimal() else "NULL" for c in counts]
        at = state.committed_at
        moment = f"TIMESTAMPTZ {literal(at.isoformat())}" if at else "NULL"
        rows.append(f"(SELECT {literal(name)}, {', '.join(checked)}, {moment})")
    union = " UNION ALL ".join(rows)
    return f'FROM ({union}) AS t("table", "rows", files, bytes, committed_at) ORDER BY 1'


def _paths(plans: Mapping[str, Plan]) -> list[str]:
    return [file.path for plan in plans.values() for file in plan.files]


def _open(settings: Settings) -> "DuckDBPyConnection":
    import duckdb

    spill = settings.home / "cache" / "spill"
    con = duckdb.connect(config=sandbox.configuration(spill, _memory()))
    con.execute(f"ATTACH ':memory:' AS {sandbox.DATABASE}")
    con.execute(f"USE {sandbox.DATABASE}")
    con.execute("SET TimeZone = 'UTC'")
    return con


def _memory() -> int:
    """Bytes a query may use: a share of the machine, since Kafka and Flink live on it as well."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(_MIN_MEMORY, total // _MEMORY_SHARE)
