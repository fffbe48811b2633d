"""Aggregates in two steps: first of the rows of a slice, then of the slices of each window.

A row of a window that hops or cumulates is in many windows, but in one slice.
Source: Krishnamurthy, Wu, Franklin, "On-the-fly sharing for streamed aggregation", SIGMOD 2006.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from lakehead.models.render import render

_SPLIT = (exp.Count, exp.Sum, exp.Min, exp.Max)


@dataclass(frozen=True)
class Parts:
    """``values`` are what a slice has one row for each of, and ``of_rows`` aggregates of it, by
    column; ``of_slices`` the trees that were split, over all those columns."""

    values: Mapping[str, exp.Expr]
    of_rows: Mapping[str, exp.AggFunc]
    of_slices: tuple[exp.Expr, ...]

    @property
    def of_row(self) -> Mapping[str, exp.Expr]:
        """What ``of_rows`` are for a single row."""
        return {name: _of_row(node) for name, node in self.of_rows.items()}


def split(trees: Iterable[exp.Expr]) -> Parts | None:
    """The trees in two steps; None where an aggregate needs every row, as a percentile does."""
    trees = tuple(trees)
    if not all(isinstance(n, _SPLIT) for tree in trees for n in tree.find_all(exp.AggFunc)):
        return None
    names: dict[str, str] = {}
    values: dict[str, exp.Expr] = {}
    of_rows: dict[str, exp.AggFunc] = {}

    def in_slices(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.AggFunc):
            return node
        name = names.setdefault(render(node, "flink"), f"part${len(names)}")
        column = exp.column(name, quoted=True)
        if isinstance(node.this, exp.Distinct):
            [values[name]] = node.this.expressions
            return exp.Count(this=exp.Distinct(expressions=[column]))
        of_rows[name] = node
        return _of_slices(node, column)

    of_slices = tuple(tree.transform(in_slices) for tree in trees)
    return Parts(values, of_rows, of_slices)


def _of_row(node: exp.AggFunc) -> exp.Expr:
    argument: exp.Expr = node.this
    if not isinstance(node, exp.Count):
        return argument
    one, none = exp.Literal.number(1), exp.Literal.number(0)
    if isinstance(argument, exp.Star):
        return one
    missing = exp.Is(this=argument, expression=exp.Null())
    return exp.Case(ifs=[exp.If(this=missing, true=none)], default=one)


def _of_slices(node: exp.AggFunc, column: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Count):
        return exp.Sum(this=column)
    if isinstance(node.this, exp.Collate):
        column = exp.Collate(this=column, expression=node.this.expression)
    return type(node)(this=column)
