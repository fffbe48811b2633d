"""Run SQL over the lake.

1. Check the statement and find its tables (`sandbox.read`).
2. Read the state of all of them in one transaction: one consistent set of snapshots.
3. Plan their files, make a view of each, lock the connection. An `Extension` may make views of its
   own, with rows that the lake does not have yet (`lakehead.live`).
4. Run; rows come as they are asked for.
"""

import contextlib
import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from lakehead.contracts.sql import literal
from lakehead.errors import UserError
from lakehead.lake.as_of import AsOf, resolve
from lakehead.lake.leases import Lease, lease
from lakehead.lake.plan import Plan, plan_files
from lakehead.lake.snapshots import (
    TableState,
    again_where_gone,
    list_tables,
    table_states,
    unknown_table,
)
from lakehead.query import sandbox
from lakehead.query.failures import translated
from lakehead.query.result import Result, interruptible
from lakehead.query.types import quoted
from lakehead.query.views import make_view
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MIN_MEMORY = 512 * 2**20
_MEMORY_SHARE = 4


class Extension(Protocol):
    """What puts rows into tables that the lake does not have yet. Of one query, in this order:"""

    def needs(self, tables: Collection[str], known: Collection[str]) -> Collection[str]:
        """Of the ``known`` tables, which are all of the lake's, those whose state is read besides
        ``tables``, which the SQL names: as of the same moment. A guest must see them."""

    def make_views(
        self, con: "DuckDBPyConnection", states: Mapping[str, TableState]
    ) -> Collection[str]:
        """Make the views that it makes, and name them."""


def run(
    settings: Settings,
    sql: str,
    params: Sequence[object] | Mapping[str, object] | None = None,
    snapshots: Mapping[str, int] | None = None,
    as_of: AsOf | None = None,
    extension: Extension | None = None,
    guest: sandbox.Guest | None = None,
) -> Result:
    """Answer one SELECT, SHOW, DESCRIBE or EXPLAIN from a stranger; nothing is written.

    ``params`` fill ``?`` or ``$name``. ``snapshots`` pins tables to a snapshot id; all others
    are read as of now. ``as_of`` is the moment that all tables are read as of, with their columns
    of then; what lists tables lists those that were there. ``extension`` is of tables as of now.
    ``guest`` narrows what is seen and used.

    Raises:
        UserError: no lake, no such table or snapshot, none of then, or SQL that is wrong or not
            allowed.
        SystemFailure: the catalog, a manifest or a data file cannot be read.
        KeyboardInterrupt: Ctrl-C; the query was stopped first. Also while rows are fetched.
    """
    return again_where_gone(
        partial(_run, settings, sql, params, snapshots or {}, as_of, extension, guest)
    )


def diff(
    settings: Settings,
    sql: str,
    before: AsOf | None,
    after: AsOf | None,
    params: Sequence[object] | Mapping[str, object] | None = None,
) -> Result:
    """The rows that one SELECT has as of two moments, and has not as of the other; None is now.

    Each stands with its ``change``: ``-`` for one that was there before, ``+`` for one that is
    there after. A row counts as often as it is there. ``tables`` of the result are those after.

    Raises:
        UserError: as `run`, or it is no SELECT, or its columns are not the same as of both.
        SystemFailure, KeyboardInterrupt: as `run`.
    """
    con = _open(settings)
    try:
        reading = sandbox.read(con, sql)
        if reading.explain or reading.show_tables or reading.whole_lake:
            raise UserError("a difference is that of a SELECT from tables of the lake")
        newest = table_states(settings, _wanted(list_tables(settings), reading, {}))
        states = [
            newest if moment is None else resolve(moment, newest, newest)
            for moment in (before, after)
        ]
        held = lease(settings, [state for side in states for state in side.values()])
        try:
            plans = [{n: plan_files(settings, s) for n, s in side.items()} for side in states]
            with translated():
                sandbox.lock(con, [path for side in plans for path in _paths(side)])
                # Each side is kept as a table, so that memory holds what no file has to.
                columns = []
                for i, side in enumerate(states):
                    keep = partial(_kept, con, f"side{i}", reading.sql, params, side, plans[i])
                    columns.append(interruptible(con, keep))
            return Result(con, _difference(*columns), None, states[1], held)
        except BaseException:
            held.close()
            raise
    except BaseException:
        con.close()
        raise


def _kept(
    con: "DuckDBPyConnection",
    name: str,
    sql: str,
    params: object,
    states: Mapping[str, TableState],
    plans: Mapping[str, Plan],
) -> list[str]:
    """Make a table of a query's rows as of these states; gives its columns."""
    for table, state in states.items():
        make_view(con, state, plans[table])
    con.sql(sql, params=params).create(f"main.{name}")
    for table in states:
        namespace = table.rpartition(".")[0]
        con.execute(f"DROP SCHEMA IF EXISTS {quoted(namespace)} CASCADE")
    return [row[0] for row in con.execute(f"DESCRIBE main.{name}").fetchall()]


def _difference(before: list[str], after: list[str]) -> str:
    if before != after:
        raise UserError(
            f"the columns are {', '.join(before)} as of the first moment, and {', '.join(after)} as"
            " of the second",
            "name the columns that both have",
        )
    order = ", ".join(str(i + 2) for i in range(len(after)))
    return (
        "SELECT '-' AS change, * FROM (FROM main.side0 EXCEPT ALL FROM main.side1) UNION ALL"
        " SELECT '+', * FROM (FROM main.side1 EXCEPT ALL FROM main.side0)"
        f" ORDER BY {order}, 1 DESC"
    )


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
    states = table_states(settings, tables).values()
    return connect_plans(settings, [(s, plan_files(settings, s)) for s in states], with_file)


def connect_plans(
    settings: Settings, plans: Sequence[tuple[TableState, Plan]], with_file: bool = False
) -> "DuckDBPyConnection":
    """As `connect`, over just the files of these plans."""
    con = _open(settings)
    try:
        with translated():
            for state, plan in plans:
                make_view(con, state, plan, with_file)
    except BaseException:
        con.close()
        raise
    return con


def _run(
    settings: Settings,
    sql: str,
    params: object,
    snapshots: Mapping[str, int],
    as_of: AsOf | None,
    extension: Extension | None,
    guest: sandbox.Guest | None,
) -> Result:
    con = _open(settings, guest.memory_bytes if guest else None)
    try:
        reading = sandbox.read(con, sql)
        every = list_tables(settings)
        # Those that there are, for all that the guest can tell.
        names = [name for name in every if guest is None or guest.sees(name)]
        wanted = _wanted(names, reading, snapshots)
        if extension is not None and not reading.show_tables:
            named = {name.lower() for name in reading.tables}
            more = extension.needs([name for name in wanted if name.lower() in named], every)
            _check_seen(more, names)
            wanted = {**dict.fromkeys(more), **wanted}
        states = table_states(settings, wanted)
        if as_of is not None:
            named = {name.lower() for name in reading.tables}
            states = resolve(as_of, states, {name for name in states if name.lower() in named})
        if reading.show_tables:
            return Result(con, _catalogue(states), None, states)
        held = lease(settings, states.values())
        try:
            plans = {name: plan_files(settings, state) for name, state in states.items()}
            with translated():
                made = extension.make_views(con, states) if extension is not None else ()
                for name, state in states.items():
                    if name not in made:
                        make_view(con, state, plans[name])
                sandbox.lock(con, _paths(plans))
            return _result(con, reading, params, states, names, held)
        except BaseException:
            held.close()
            raise
    except BaseException:
        con.close()
        raise


def _result(
    con: "DuckDBPyConnection",
    reading: sandbox.Reading,
    params: object,
    states: dict[str, TableState],
    names: list[str],
    held: Lease,
) -> Result:
    import duckdb

    try:
        return Result(con, reading.sql, params, states, held)
    except UserError as error:
        if isinstance(error.__cause__, duckdb.CatalogException):
            text = str(error.__cause__)
            if "Table with name " in text:
                name = text.split("Table with name ", 1)[1].split(" does not exist")[0]
                raise unknown_table(name.strip('"'), names) from error
        raise


def _check_seen(needed: Collection[str], names: Collection[str]) -> None:
    if hidden := sorted(set(needed) - set(names)):
        raise UserError(
            f"a live answer is made of {', '.join(hidden)} as well, which this token may not see",
            "ask without live: SET lakehead.live = off; or lakehead token new NAME --tables ...",
        )


def _wanted(
    names: list[str], reading: sandbox.Reading, snapshots: Mapping[str, int]
) -> dict[str, int | None]:
    """Table -> snapshot id, names as the catalog has them."""
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
    """SHOW TABLES: the lake's tables, as their snapshots' own counts have them."""
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


def _open(settings: Settings, memory_bytes: int | None = None) -> "DuckDBPyConnection":
    import duckdb

    # DuckDB names its files the same in each process: in one folder two would read each other's.
    spill = settings.home / "cache" / "spill" / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    with contextlib.suppress(OSError):
        spill.parent.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(config=sandbox.configuration(spill, memory_bytes or _memory()))
    con.execute(f"ATTACH ':memory:' AS {sandbox.DATABASE}")
    con.execute(f"USE {sandbox.DATABASE}")
    con.execute("SET TimeZone = 'UTC'")
    return con


def _memory() -> int:
    """Bytes a query may use: a share of the machine, since Kafka and Flink live on it as well."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(_MIN_MEMORY, total // _MEMORY_SHARE)
