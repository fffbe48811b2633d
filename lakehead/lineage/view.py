"""What is looked at: all of a lineage, or what lies up and down of one table or column."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lakehead.errors import UserError
from lakehead.lineage.graph import ROWS, Column, Edge, Edges, Graph

_NEXT = "lakehead lineage"


@dataclass(frozen=True)
class Target:
    """A dataset; with ``columns``, these columns of it: one, or the fields of one."""

    table: str
    columns: tuple[Column, ...] = ()

    @property
    def starts(self) -> tuple[str, ...]:
        return tuple(map(str, self.columns)) or (self.table,)


@dataclass(frozen=True)
class View:
    """The edges ``up`` and ``down`` of a target; without one, all edges are ``down``.

    ``starts`` are what the edges begin at.
    """

    target: Target | None
    starts: tuple[str, ...]
    up: tuple[Edge, ...]
    down: tuple[Edge, ...]

    @property
    def edges(self) -> tuple[Edge, ...]:
        return tuple(dict.fromkeys((*self.up, *self.down)))

    @property
    def nodes(self) -> tuple[str, ...]:
        ends = (end for edge in self.edges for end in (edge.source, edge.target))
        return tuple(dict.fromkeys((*self.starts, *ends)))


def look(
    graph: Graph,
    target: Target | None,
    *,
    up: bool = True,
    down: bool = True,
    depth: int | None = None,
) -> View:
    """What the target is made of, ``up``, and what is made of it, ``down``; ``depth`` edges far."""
    if target is None:
        roots = [name for name in graph.datasets if not graph.tables.into(name)]
        return View(None, tuple(roots), (), graph.tables.downstream(roots, depth))
    edges: Edges = graph.columns if target.columns else graph.tables
    starts = target.starts
    if up and target.columns and any(s.uses for s in graph.steps if target.table in s.outputs):
        # What decides which rows there are decides what is in them.
        starts = tuple(dict.fromkeys((*starts, str(Column(target.table, ROWS)))))
    return View(
        target,
        starts,
        edges.upstream(starts, depth) if up else (),
        edges.downstream(target.starts, depth) if down else (),
    )


def find(graph: Graph, asked: str) -> Target:
    """A dataset, a model, or a column of one: ``orders.price``, ``marts.revenue_by_country``.

    Raises:
        UserError: there is none; names those that are near.
    """
    known = {name.lower(): name for name in graph.datasets}
    models = {step.name: step.outputs[0] for step in graph.steps if step.sql}
    known = {**models, **known}
    lower = asked.strip().lower()
    if lower in known:
        return Target(known[lower])
    parts = lower.split(".")
    for i in range(len(parts) - 1, 0, -1):
        if table := known.get(".".join(parts[:i])):
            return Target(table, _columns(graph, table, ".".join(parts[i:])))
    near = _near(lower, [*known, *map(str, _all_columns(graph))])
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    names = ", ".join(graph.datasets) or "none"
    raise UserError(f"there is no table or topic {asked!r}{meant}\nthere are: {names}", _NEXT)


def _columns(graph: Graph, table: str, path: str) -> tuple[Column, ...]:
    dataset = graph.datasets[table]
    found = dataset.within(path)
    if not found:
        near = _near(path, [*dataset.leaves])
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UserError(
            f"{table} has no column {path!r}{meant}\ncolumns: {', '.join(dataset.leaves)}",
            f"{_NEXT} {table} --columns",
        )
    return found


def _all_columns(graph: Graph) -> Iterable[Column]:
    return (Column(d.name, leaf) for d in graph.datasets.values() for leaf in d.leaves)


def _near(asked: str, known: Sequence[str]) -> list[str]:
    by_last: dict[str, str] = {}
    for name in known:
        by_last.setdefault(name.split(".")[-1], name)
    close = difflib.get_close_matches(asked, known, n=3, cutoff=0.6)
    close += [by_last[n] for n in difflib.get_close_matches(asked.split(".")[-1], by_last, n=2)]
    return list(dict.fromkeys(close))[:3]
