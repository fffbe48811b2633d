"""Datasets, the steps that make them of each other, and how far one reaches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from lakehead.contracts.types import FieldType

DatasetKind = Literal["topic", "landing", "dead", "mart", "alerts"]
# The terms of OpenLineage's column lineage.
Direct = Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION"]
Indirect = Literal["FILTER", "GROUP_BY", "JOIN", "SORT", "WINDOW"]
# Stands for the rows of a dataset, whatever is in them.
ROWS = "*"


class Column(NamedTuple):
    """A column, or with a dot in ``name`` a field within it; ``ROWS`` for the rows themselves."""

    table: str
    name: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


@dataclass(frozen=True)
class Dataset:
    """A topic or a table; ``comments`` are what the contract says of columns."""

    name: str
    kind: DatasetKind
    description: str
    columns: Mapping[str, FieldType]
    comments: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def leaves(self) -> dict[str, FieldType]:
        """Its columns by type, those that are objects as the fields within them."""
        return {k: v for name, kind in self.columns.items() for k, v in leaves(name, kind).items()}

    def within(self, path: str) -> tuple["Column", ...]:
        """The column ``path``, or the fields within the object that it is; none where unknown."""
        found = (p for p in (*self.leaves, ROWS) if p == path or p.startswith(f"{path}."))
        return tuple(Column(self.name, p) for p in found)


@dataclass(frozen=True)
class Derived:
    """How a column is made: of ``origins``, by ``expression`` as it was written."""

    column: Column
    origins: tuple[Column, ...]
    expression: str
    how: Direct


@dataclass(frozen=True)
class Use:
    """A column that decides which rows there are, and not what is in them."""

    column: Column
    how: Indirect


@dataclass(frozen=True)
class Step:
    """What makes its ``outputs`` of its ``inputs``: the landing of a stream, or a model.

    ``what`` says it in a few words. ``sql`` is a model's SELECT, else empty.
    """

    name: str
    what: str
    description: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    derived: tuple[Derived, ...]
    uses: tuple[Use, ...] = ()
    sql: str = ""

    @property
    def by_use(self) -> dict[str, list[str]]:
        """The columns that decide which rows there are, by what they do."""
        found: dict[str, list[str]] = {}
        for use in self.uses:
            found.setdefault(use.how, []).append(str(use.column))
        return found


@dataclass(frozen=True)
class Edge:
    """``target`` is made of ``source`` by the step ``by``; ``how`` is the expression or the use."""

    source: str
    target: str
    by: str
    how: str


class Edges:
    """Edges without a circle, by either end."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        self.all = tuple(dict.fromkeys(edges))
        self._into: dict[str, list[Edge]] = {}
        self._from: dict[str, list[Edge]] = {}
        for edge in self.all:
            self._into.setdefault(edge.target, []).append(edge)
            self._from.setdefault(edge.source, []).append(edge)

    def into(self, name: str) -> list[Edge]:
        return self._into.get(name, [])

    def out_of(self, name: str) -> list[Edge]:
        return self._from.get(name, [])

    def upstream(self, starts: Iterable[str], depth: int | None = None) -> tuple[Edge, ...]:
        """What they are made of, as far as ``depth`` edges away."""
        return self._reached(starts, depth, up=True)

    def downstream(self, starts: Iterable[str], depth: int | None = None) -> tuple[Edge, ...]:
        """What is made of them, as far as ``depth`` edges away."""
        return self._reached(starts, depth, up=False)

    def _reached(self, starts: Iterable[str], depth: int | None, up: bool) -> tuple[Edge, ...]:
        found: dict[Edge, None] = {}
        front = list(dict.fromkeys(starts))
        seen = set(front)
        while front and depth != 0:
            depth = None if depth is None else depth - 1
            further = []
            for name in front:
                for edge in self.into(name) if up else self.out_of(name):
                    found[edge] = None
                    end = edge.source if up else edge.target
                    if end not in seen:
                        seen.add(end)
                        further.append(end)
            front = further
        return tuple(found)


@dataclass(frozen=True)
class Graph:
    """All datasets of a project by name, and all its steps; each after what it reads."""

    datasets: Mapping[str, Dataset]
    steps: tuple[Step, ...]

    @cached_property
    def tables(self) -> Edges:
        """Between datasets."""
        return Edges(
            Edge(source, target, step.name, step.what)
            for step in self.steps
            for source in step.inputs
            for target in step.outputs
        )

    @cached_property
    def columns(self) -> Edges:
        """Between columns. What decides rows leads to the output's ``ROWS``, and so on."""
        edges = []
        for step in self.steps:
            for made in step.derived:
                for origin in made.origins:
                    edges.append(Edge(str(origin), str(made.column), step.name, made.expression))
            for output in step.outputs:
                rows = str(Column(output, ROWS))
                for use in step.uses:
                    edges.append(Edge(str(use.column), rows, step.name, use.how))
                for name in step.inputs:
                    edges.append(Edge(str(Column(name, ROWS)), rows, step.name, "rows"))
        return Edges(edges)

    @cached_property
    def derived(self) -> dict[Column, Derived]:
        return {made.column: made for step in self.steps for made in step.derived}

    def column(self, text: str) -> Column:
        """The column that is written ``text``. Raises KeyError where its table is not there."""
        parts = text.split(".")
        for i in range(len(parts) - 1, 0, -1):
            if (table := ".".join(parts[:i])) in self.datasets:
                return Column(table, ".".join(parts[i:]))
        raise KeyError(text)

    def is_rows(self, text: str) -> bool:
        return text.endswith(f".{ROWS}")

    def made_by(self, name: str) -> Step | None:
        """The step that makes a dataset; None for the topic of a stream."""
        return next((step for step in self.steps if name in step.outputs), None)

    def fields(self, column: Column) -> tuple[Column, ...]:
        """The fields of contracts that a column is made of in the end, sorted."""
        made = self.derived.get(column)
        if made is None:
            return () if column.name == ROWS else (column,)
        return tuple(sorted({f for origin in made.origins for f in self.fields(origin)}))


def leaves(name: str, kind: FieldType) -> dict[str, FieldType]:
    """``address`` as ``address.city``, ``address.zip`` where it is an object, else as it is."""
    if kind.kind != "object":
        return {name: kind}
    return {k: v for inner, of in kind.members for k, v in leaves(f"{name}.{inner}", of).items()}
