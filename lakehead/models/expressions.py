"""The expressions of a model: typed, and made such that every engine answers alike.

What is read is the ANSI SQL of a model's SELECT (`reader`); what comes out is an engine-neutral
tree, whose types are explicit (`values`), and which `render` writes for each engine. Whatever could
differ from engine to engine, or from run to run, is refused with a reason.
"""

from dataclasses import dataclass

from sqlglot import exp

from lakehead.contracts.types import FieldType
from lakehead.models.reader import Columns, Reader
from lakehead.models.render import render
from lakehead.models.values import BOOLEAN, Refused, Value, cast_value, double_of

__all__ = ["Columns", "Refused", "Typed", "condition", "output", "render", "typed"]

_DEEPEST = 80


@dataclass(frozen=True)
class Typed:
    """An expression that every engine answers alike, and its type.

    ``tree`` is engine-neutral, made only of nodes that `render` knows; its columns are those that
    were written. ``aggregate`` is whether it holds an aggregate function; ``columns`` are those
    that it reads outside of one. ``source`` is what was written.
    """

    tree: exp.Expr
    type: FieldType
    aggregate: bool
    columns: frozenset[str] = frozenset()
    source: exp.Expr | None = None


def typed(
    node: exp.Expr,
    columns: Columns,
    *,
    aggregates: bool = False,
    accept: frozenset[str] = frozenset(),
) -> Typed:
    """The expression over ``columns``, by their names as they may be written.

    A column alone is what it is; a float that is computed is NULL where it is not finite.
    ``aggregates`` allows aggregate functions. ``accept`` has ``rounding``, where sums of floats
    may differ in their last digits, and ``approximate``.

    Raises:
        Refused: engines could answer differently, or it does not make sense.
    """
    try:
        if max(inner.depth for inner in node.walk()) - node.depth > _DEEPEST:
            raise Refused(node, "is nested too deep; a second model may read this one")
        value = Reader(columns, aggregates, accept).value(node)
        tree = value.tree
        if not value.finite and not value.column:
            tree = double_of(value)
    except RecursionError as error:
        raise Refused(node, "is nested too deep; a second model may read this one") from error
    return Typed(tree, value.known, value.aggregate, value.columns, node)


def condition(
    node: exp.Expr,
    columns: Columns,
    *,
    aggregates: bool = False,
    accept: frozenset[str] = frozenset(),
) -> exp.Expr:
    """The engine-neutral tree of a condition.

    Raises:
        Refused: as `typed`; or it is not one.
    """
    read = typed(node, columns, aggregates=aggregates, accept=accept)
    if read.type != BOOLEAN:
        raise Refused(node, f"gives a {read.type}, expected a condition that is true or false")
    return read.tree


def output(expression: Typed, wanted: FieldType) -> exp.Expr:
    """The expression cast to the declared type of an output column.

    A number that does not fit is NULL; a decimal is rounded half away from zero.

    Raises:
        Refused: engines would cast differently, or it makes no sense.
    """
    node = expression.source or expression.tree
    finite = not isinstance(expression.tree, exp.Column | exp.Dot)
    value = Value(node, expression.tree, expression.type, finite=finite)
    try:
        return cast_value(node, value, wanted).tree
    except Refused as error:
        raise Refused(node, f"the output says {wanted}; {error.why}") from error
