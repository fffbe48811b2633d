"""The lake as a plain DuckDB connection, for Python."""

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakehead.errors import UserError
from lakehead.lake.as_of import AsOf, parse_as_of
from lakehead.lake.leases import Lease
from lakehead.query.engine import connect_plans
from lakehead.query.pinned import Pinned, pin
from lakehead.query.sandbox import DATABASE
from lakehead.query.types import quoted_table
from lakehead.query.views import make_view
from lakehead.settings import Settings, load_settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class _Held:
    """What a connection shows, and what it is to show when it is refreshed."""

    def __init__(
        self, settings: Settings, tables: Sequence[str] | None, as_of: AsOf | None
    ) -> None:
        self.settings = settings
        self.tables = tables
        self.as_of = as_of
        self.pinned = Pinned((), Lease())

    def close(self) -> None:
        self.pinned.lease.close()


_open: "weakref.WeakKeyDictionary[DuckDBPyConnection, _Held]" = weakref.WeakKeyDictionary()


def connect(
    home: str | Path | None = None,
    *,
    tables: Sequence[str] | None = None,
    as_of: str | None = None,
) -> "DuckDBPyConnection":
    """A DuckDB connection in which each table of the lake is a view, as ``landing.orders``.

    All views are of one moment, and stay so until `refresh`. ``home`` is as the command line's
    ``--home``. ``tables`` are names, or patterns with ``*`` and ``?``; by default all. ``as_of`` is
    as of ``lakehead query --as-of``. Time zone UTC. It is your own connection: you can make tables,
    and read files and data frames beside the lake. The lake cannot be written by it. Its snapshots
    are kept from expiry as long as the connection is.

    Raises:
        UserError: there is no lake, no such table, or it was not there then.
        SystemFailure: the catalog, a table's metadata or a manifest cannot be read.
    """
    settings = load_settings(None if home is None else Path(home))
    held = _Held(settings, tables, None if as_of is None else parse_as_of(as_of))
    held.pinned = pin(settings, held.tables, held.as_of)
    try:
        con = connect_plans(settings, held.pinned.tables)
        con.execute("SET python_enable_replacements = true")
    except BaseException:
        held.close()
        raise
    _open[con] = held
    weakref.finalize(con, held.close)
    return con


def refresh(con: "DuckDBPyConnection") -> list[str]:
    """Show the newest snapshots from now on, again all of one moment.

    Gives the tables that changed. The connection's database is then the lake.

    Raises:
        UserError: ``con`` is not one that `connect` gave, or as there.
        SystemFailure: as `connect`. The connection then shows what it did.
    """
    held = _open.get(con)
    if held is None:
        raise UserError("this connection is not the lake's", "con = lakehead.connect()")
    before = held.pinned
    now = pin(held.settings, held.tables, held.as_of)
    shown = {state.name: state for state in before.states}
    changed = [
        (state, plan)
        for state, plan in now.tables
        if state.name not in shown or shown[state.name].metadata_location != state.metadata_location
    ]
    gone = shown.keys() - {state.name for state in now.states}
    try:
        with _transaction(con):
            con.execute(f"USE {DATABASE}")
            for name in (*gone, *(state.name for state, _ in changed if state.name in shown)):
                _drop(con, name)
            for state, plan in changed:
                make_view(con, state, plan)
    except BaseException:
        now.lease.close()
        raise
    held.pinned = now
    before.lease.close()
    return sorted((*gone, *(state.name for state, _ in changed)))


@contextlib.contextmanager
def _transaction(con: "DuckDBPyConnection") -> Iterator[None]:
    con.execute("BEGIN")
    try:
        yield
    except BaseException:
        con.execute("ROLLBACK")
        raise
    con.execute("COMMIT")


def _drop(con: "DuckDBPyConnection", name: str) -> None:
    schema, _, table = name.rpartition(".")
    views = (
        "SELECT 1 FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND view_name = ?"
    )
    is_view = con.execute(views, [DATABASE, schema, table]).fetchone() is not None
    con.execute(f"DROP {'VIEW' if is_view else 'TABLE'} IF EXISTS {quoted_table(name)}")
