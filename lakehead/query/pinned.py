"""Tables held at one consistent set of snapshots, for longer than a query."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from lakehead.lake.as_of import AsOf, resolve
from lakehead.lake.leases import Lease, lease
from lakehead.lake.plan import Plan, plan_files
from lakehead.lake.snapshots import TableState, again_where_gone, list_tables, table_states
from lakehead.query.catalogue import matching
from lakehead.settings import Settings


@dataclass(frozen=True)
class Pinned:
    """Each table with its files. They are kept from expiry until ``lease`` is closed."""

    tables: tuple[tuple[TableState, Plan], ...]
    lease: Lease

    @property
    def states(self) -> list[TableState]:
        return [state for state, _ in self.tables]


def pin(
    settings: Settings, patterns: Sequence[str] | None = None, as_of: AsOf | None = None
) -> Pinned:
    """The tables like ``patterns``, by default all, in the catalog's order, as of one moment.

    Raises:
        UserError: there is no lake, no such table, or a table that is named was not there then.
        SystemFailure: the catalog, a table's metadata or a manifest cannot be read.
    """
    return again_where_gone(partial(_pin, settings, patterns, as_of))


def _pin(settings: Settings, patterns: Sequence[str] | None, as_of: AsOf | None) -> Pinned:
    names = list_tables(settings)
    named: set[str] = set()
    if patterns is not None:
        found = {n for pattern in patterns for n in matching(pattern, names, whole=True)}
        named = {n for n in found if n.lower() in {p.lower() for p in patterns}}
        names = sorted(found)
    states = table_states(settings, dict.fromkeys(names))
    if as_of is not None:
        states = resolve(as_of, states, named)
    held = lease(settings, states.values())
    try:
        return Pinned(tuple((s, plan_files(settings, s)) for s in states.values()), held)
    except BaseException:
        held.close()
        raise
