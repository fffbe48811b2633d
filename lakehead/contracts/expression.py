"""A condition over one event, written in SQL, that every engine answers alike.

The language is small on purpose: fields (``address.zip`` within an object), literals, comparison,
AND OR NOT, IN, BETWEEN, LIKE, IS NULL, CASE, ``+ - *``, time + INTERVAL, and COALESCE, ABS, LENGTH,
UPPER, LOWER. Whatever could differ from engine to engine, or from run to run, is refused.
"""

from collections.abc import Mapping
from typing import ClassVar

import sqlglot
from sqlglot import exp, generator, tokens
from sqlglot.dialects.dialect import Dialect

from lakehead.contracts.types import NUMERIC, WHOLE, FieldType

_LONGEST = 2000
# Each level takes several calls, here and where the SQL is written.
_DEEPEST = 80
_UNITS = ("SECOND", "MINUTE", "HOUR", "DAY")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_NULL = "NULL"
Columns = Mapping[str, FieldType]


class Backticks(Dialect):
    """ANSI SQL with identifiers in backticks, as Flink reads it."""

    class Tokenizer(tokens.Tokenizer):
        IDENTIFIERS: ClassVar = ["`"]

    class Generator(generator.Generator):
        TRANSFORMS: ClassVar = {
            **generator.Generator.TRANSFORMS,
            exp.Length: lambda self, e: self.func("CHAR_LENGTH", e.this),
        }


def parse_condition(text: str, columns: Columns) -> exp.Expr:
    """The condition, its column references quoted; ``columns`` are the fields by name.

    Raises:
        ValueError: it does not parse, or it is not a condition that every engine answers alike.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"has {len(text)} characters, expected at most {_LONGEST}")
    try:
        parsed = sqlglot.parse(text)
        if len(parsed) != 1 or parsed[0] is None:
            raise ValueError("expected one condition")
        tree = parsed[0]
        if max(node.depth for node in tree.walk()) > _DEEPEST:
            raise ValueError("is nested too deep; expected several rules instead")
        kind = _kind(tree, columns)
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"does not parse: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise ValueError("is nested too deep; expected several rules instead") from error
    if kind not in ("boolean", _NULL):
        raise ValueError(f"gives a {kind}, expected a condition that is true or false")
    for identifier in tree.find_all(exp.Identifier):
        identifier.set("quoted", True)
    return tree.transform(_widened, columns)


def render(condition: exp.Expr, dialect: str | type[Dialect]) -> str:
    """The condition as SQL that is never NULL: what cannot be told counts as kept."""
    return f"COALESCE({condition.sql(dialect, comments=False)}, TRUE)"


def column_path(column: exp.Expr) -> tuple[str, ...]:
    """``address.zip`` as ``("address", "zip")``."""
    if isinstance(column, exp.Dot):
        return (*column_path(column.this), column.expression.name)
    if not isinstance(column, exp.Column):
        raise ValueError(f"{column.sql()}: expected a field")
    return tuple(part.name for part in column.parts)


def _widened(node: exp.Expr, columns: Columns) -> exp.Expr:
    """Whole numbers are reckoned with as decimals: engines differ on what an INT overflows to."""
    if isinstance(node, exp.Column | exp.Dot) and isinstance(
        node.parent, exp.Add | exp.Sub | exp.Mul
    ):
        kind = _type_of(node, columns)
        if kind.kind in WHOLE:
            return exp.cast(node.copy(), "DECIMAL(20, 0)")
    return node


def _kind(node: exp.Expr, columns: Columns) -> str:
    """The kind of a value: a contract type's, with ``number`` for all numbers."""
    match node:
        case exp.Paren():
            return _kind(node.this, columns)
        case exp.Column() | exp.Dot():
            return _column(node, columns)
        case exp.Literal():
            return "string" if node.is_string else "number"
        case exp.Boolean():
            return "boolean"
        case exp.Null():
            return _NULL
        case exp.And() | exp.Or():
            _all(node, columns, "boolean", node.left, node.right)
            return "boolean"
        case exp.Not():
            _all(node, columns, "boolean", node.this)
            return "boolean"
        case exp.Is():
            if not isinstance(node.expression, exp.Null):
                raise ValueError(f"{node.sql()}: expected IS NULL or IS NOT NULL")
            _kind(node.this, columns)
            return "boolean"
        case exp.In():
            if not node.expressions:
                raise ValueError(f"{node.sql()}: expected a list of values")
            _alike(node, columns, node.this, *node.expressions)
            return "boolean"
        case exp.Between():
            if node.args.get("symmetric") is not None:
                raise ValueError(f"{node.sql()}: SYMMETRIC is not supported in a rule")
            _alike(node, columns, node.this, node.args["low"], node.args["high"])
            return "boolean"
        case exp.Like():
            _all(node, columns, "string", node.this, node.expression)
            if not isinstance(node.expression, exp.Literal):
                raise ValueError(f"{node.sql()}: expected a pattern in quotes")
            return "boolean"
        case exp.Case():
            return _case(node, columns)
        case exp.Coalesce():
            return _alike(node, columns, node.this, *node.expressions)
        case exp.Add() | exp.Sub():
            return _sum(node, columns)
        case exp.Mul():
            _all(node, columns, "number", node.left, node.right)
            return "number"
        case exp.Neg() | exp.Abs():
            _all(node, columns, "number", node.this)
            return "number"
        case exp.Length():
            _all(node, columns, "string", node.this)
            return "number"
        case exp.Upper() | exp.Lower():
            _all(node, columns, "string", node.this)
            return "string"
    if isinstance(node, _COMPARISONS):
        _alike(node, columns, node.left, node.right)
        return "boolean"
    if isinstance(node, exp.Div):
        raise ValueError(
            f"{node.sql()}: engines divide whole numbers differently; multiply instead"
        )
    raise ValueError(f"{node.sql()}: is not supported in a rule")


def _column(node: exp.Expr, columns: Columns) -> str:
    kind = _type_of(node, columns).kind
    return "number" if kind in NUMERIC else kind


def _type_of(node: exp.Expr, columns: Columns) -> FieldType:
    path = column_path(node)
    name = ".".join(path)
    within = dict(columns)
    for i, part in enumerate(path):
        if part not in within:
            raise ValueError(f"{name}: is not a field, expected one of {', '.join(within)}")
        kind = within[part]
        if i == len(path) - 1:
            return kind
        if kind.kind != "object":
            raise ValueError(f"{name}: {part} is a {kind}, not an object")
        within = dict(kind.members)
    raise AssertionError("unreachable")


def _all(node: exp.Expr, columns: Columns, wanted: str, *parts: exp.Expr) -> None:
    for part in parts:
        kind = _kind(part, columns)
        if kind not in (wanted, _NULL):
            raise ValueError(f"{node.sql()}: {part.sql()} is a {kind}, expected a {wanted}")


def _alike(node: exp.Expr, columns: Columns, *parts: exp.Expr) -> str:
    """The one kind of all parts."""
    kinds = [_kind(part, columns) for part in parts]
    known = sorted({kind for kind in kinds if kind != _NULL})
    if len(known) > 1:
        raise ValueError(f"{node.sql()}: compares a {known[0]} with a {known[1]}")
    if known and known[0] in ("array", "map", "object"):
        raise ValueError(f"{node.sql()}: a whole {known[0]} cannot be compared")
    return known[0] if known else _NULL


def _case(node: exp.Case, columns: Columns) -> str:
    if node.this:
        raise ValueError(f"{node.sql()}: expected CASE WHEN condition THEN value")
    branches = node.args["ifs"]
    for branch in branches:
        _all(node, columns, "boolean", branch.this)
    values = [branch.args["true"] for branch in branches]
    default = node.args.get("default")
    return _alike(node, columns, *values, *([default] if default else []))


def _sum(node: exp.Add | exp.Sub, columns: Columns) -> str:
    if isinstance(node.right, exp.Interval):
        kind = _kind(node.left, columns)
        unit = str(node.right.args.get("unit") or "").upper()
        amount = node.right.this
        if kind not in ("timestamp", "timestamp_ntz"):
            raise ValueError(f"{node.sql()}: {node.left.sql()} is a {kind}, expected a timestamp")
        whole = isinstance(amount, exp.Literal) and str(amount.this).isdecimal()
        if unit not in _UNITS or not whole:
            raise ValueError(f"{node.sql()}: expected such as INTERVAL '1' DAY")
        return kind
    _all(node, columns, "number", node.left, node.right)
    return "number"
