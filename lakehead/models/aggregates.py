"""The aggregate functions of models: COUNT, SUM, AVG, MIN, MAX and percentiles.

None depends on the order of the rows, but for sums and percentiles of floats, whose last digits do
or differ between engines: those are for models that accept ``rounding``.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from sqlglot import exp

from lakehead.contracts.types import NUMERIC, TIMES, FieldType
from lakehead.models.values import (
    DOUBLE,
    LONG,
    Refused,
    Value,
    as_decimal,
    by_bytes,
    cast_tree,
    converted,
    decimal,
    double_of,
    double_tree,
    made,
    unsigned_zero,
    whole_tree,
)

# A sum of that many digits fits into a decimal for 10^10 rows.
_SUMMED = 28
_SUM_GROWS = 10
_ROUNDING = "accept: [rounding] in the header"


class Reader(Protocol):
    """What reads the parts of an expression."""

    @property
    def accept(self) -> frozenset[str]: ...

    def value(self, node: exp.Expr) -> Value: ...
    def typed_value(self, node: exp.Expr, *kinds: str) -> Value: ...
    def boolean(self, node: exp.Expr) -> Value: ...
    def number(self, node: exp.Expr) -> Value: ...


Read = Callable[[Reader, exp.Expr], Value]


def name_of(node: exp.Expr) -> str:
    """What an aggregate is called here, FILTER or not; empty where it is none."""
    if isinstance(node, exp.Filter):
        inner = name_of(node.this)
        return inner if inner in AGGREGATES else ""
    if isinstance(node, exp.WithinGroup):
        return name_of(node.this)
    if isinstance(node, exp.Anonymous):
        return node.name.upper()
    return node.key.upper() if isinstance(node, exp.AggFunc) else ""


def _parts(node: exp.Expr) -> tuple[exp.Expr, exp.Expr | None]:
    """The aggregate, and the condition of its FILTER."""
    if isinstance(node, exp.Filter):
        return node.this, node.expression.this
    return node, None


def _filtered(read: Reader, condition: exp.Expr | None, tree: exp.Expr) -> exp.Expr:
    """The argument where the condition holds, else NULL: so every engine leaves it out."""
    if condition is None:
        return tree
    return exp.Case(ifs=[exp.If(this=read.boolean(condition).tree, true=tree)])


def _argument(node: exp.Expr) -> exp.Expr:
    """The one argument."""
    more = [v for k, v in node.args.items() if k not in ("this", "big_int") and v]
    argument: exp.Expr | None = node.this
    if more or argument is None:
        raise Refused(node, "expected one argument")
    if isinstance(argument, exp.Distinct):
        raise Refused(node, f"expected {node.key.upper()} without DISTINCT, or COUNT(DISTINCT x)")
    return argument


def _count(read: Reader, node: exp.Expr) -> Value:
    aggregate, condition = _parts(node)
    if aggregate.expressions or aggregate.this is None:
        raise Refused(node, "expected COUNT(*), COUNT(x) or COUNT(DISTINCT x)")
    if isinstance(aggregate.this, exp.Distinct):
        return _count_distinct(read, node, aggregate.this.expressions, condition)
    if isinstance(aggregate.this, exp.Star | exp.Literal):
        one = whole_tree(1, FieldType("int"))
        counted = exp.Star() if condition is None else _filtered(read, condition, one)
        return made(node, exp.Count(this=counted), LONG, [])
    value = read.value(aggregate.this).typed()
    tree = value.tree if value.finite else converted(value, DOUBLE)
    return made(node, exp.Count(this=_filtered(read, condition, tree)), LONG, [value])


def _count_distinct(
    read: Reader, node: exp.Expr, counted: list[exp.Expr], condition: exp.Expr | None
) -> Value:
    if len(counted) != 1:
        raise Refused(node, "expected one value in COUNT(DISTINCT x)")
    value = read.value(counted[0])
    kind = value.known
    if kind.nested or kind.kind == "binary":
        raise Refused(node, f"a whole {kind.kind} cannot be compared; expected a part of it")
    floating = kind.kind in ("float", "double")
    tree = unsigned_zero(double_of(value)) if floating else value.tree
    distinct = exp.Distinct(expressions=[_filtered(read, condition, tree)])
    return made(node, exp.Count(this=distinct), LONG, [value])


def _approximate(read: Reader, node: exp.Expr) -> Value:
    """Exact in every engine: Flink has no estimate, and no batch may make its answer worse."""
    aggregate, condition = _parts(node)
    if "approximate" not in read.accept:
        raise Refused(
            node,
            "an estimate differs between engines; write COUNT(DISTINCT x), which is exact",
        )
    return _count_distinct(read, node, [_argument(aggregate)], condition)


def _sum(read: Reader, node: exp.Expr) -> Value:
    aggregate, condition = _parts(node)
    value = read.number(_argument(aggregate))
    if not value.exact:
        _accepts_rounding(read, node, "SUM")
        tree = exp.Sum(this=_filtered(read, condition, double_of(value)))
        return made(node, tree, DOUBLE, [value], finite=False)
    type_ = as_decimal(value.known)
    if type_.precision > _SUMMED:
        raise Refused(
            node,
            f"adds up numbers of {type_.precision} digits, and may overflow; expected at most "
            f"{_SUMMED}, such as SUM(CAST(x AS DECIMAL({_SUMMED}, {min(type_.scale, _SUMMED)})))",
        )
    result = decimal(type_.precision + _SUM_GROWS, type_.scale)
    tree = exp.Sum(this=_filtered(read, condition, converted(value, type_)))
    return made(node, cast_tree(tree, result), result, [value])


def _avg(read: Reader, node: exp.Expr) -> Value:
    """SUM / COUNT, rounded once each: engines' own averages have other digits."""
    aggregate, condition = _parts(node)
    value = read.number(_argument(aggregate))
    if not value.exact:
        _accepts_rounding(read, node, "AVG")
    total = double_of(_sum(read, node))
    # What is not finite is left out of the sum, so of the count as well.
    counted = value.tree if value.exact else double_of(value)
    count = cast_tree(exp.Count(this=_filtered(read, condition, counted)), DOUBLE)
    # No row, no sum.
    tree = exp.Div(this=total, expression=exp.Nullif(this=count, expression=double_tree(0.0)))
    return made(node, tree, DOUBLE, [value], finite=value.exact)


def _extreme(read: Reader, node: exp.Expr) -> Value:
    aggregate, condition = _parts(node)
    value = read.typed_value(_argument(aggregate), *NUMERIC, "string", *TIMES)
    floating = value.known.kind in ("float", "double")
    type_ = DOUBLE if floating else value.known
    argument = unsigned_zero(double_of(value)) if floating else by_bytes(value.tree, type_)
    tree = type(aggregate)(this=_filtered(read, condition, argument))
    return made(node, tree, type_, [value])


def _percentile(read: Reader, node: exp.Expr) -> Value:
    """``PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY x)``, ``PERCENTILE(x, 0.95)``, MEDIAN."""
    aggregate, condition = _parts(node)
    _accepts_rounding(read, node, "a percentile")
    argument, share = _percentile_parts(node, aggregate)
    value = read.number(argument)
    tree = exp.Quantile(
        this=_filtered(read, condition, double_of(value)), quantile=exp.Literal.number(share)
    )
    return made(node, tree, DOUBLE, [value], finite=False)


def _percentile_parts(node: exp.Expr, aggregate: exp.Expr) -> tuple[exp.Expr, str]:
    share: exp.Expr | None
    if isinstance(aggregate, exp.Median):
        return _argument(aggregate), "0.5"
    if isinstance(aggregate, exp.WithinGroup):
        orders = aggregate.expression.expressions
        share = aggregate.this.this
        argument = orders[0].this if len(orders) == 1 and not orders[0].args.get("desc") else None
    elif isinstance(aggregate, exp.PercentileCont):
        argument, share = aggregate.this, aggregate.args.get("expression")
    else:
        argument, share = [*aggregate.expressions, None, None][:2]
    if (
        argument is None
        or not isinstance(share, exp.Literal)
        or share.is_string
        or "e" in share.name.lower()
        or not 0 <= Decimal(share.name) <= 1
    ):
        raise Refused(
            node, "expected such as PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY x), from 0 to 1"
        )
    return argument, f"{Decimal(share.name):f}"


def _accepts_rounding(read: Reader, node: exp.Expr, what: str) -> None:
    if "rounding" in read.accept:
        return
    if what == "a percentile":
        raise Refused(node, f"engines round a percentile differently; expected {_ROUNDING}")
    raise Refused(
        node,
        f"{what} of floats has last digits that depend on the order of the rows; expected a "
        f"decimal or whole number, or {_ROUNDING}",
    )


AGGREGATES: dict[str, Read] = {
    "COUNT": _count,
    "SUM": _sum,
    "AVG": _avg,
    "MIN": _extreme,
    "MAX": _extreme,
    "APPROXDISTINCT": _approximate,
    "PERCENTILECONT": _percentile,
    "PERCENTILE": _percentile,
    "MEDIAN": _percentile,
}
