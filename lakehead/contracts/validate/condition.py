"""A contract's own condition as a Python function, for publishers.

NULL is None. Numbers are compared by value, whole numbers and decimals exactly, and as doubles
where one side is a ``float`` or ``double``: as Flink does. NaN equals nothing.
"""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

from sqlglot import exp

from lakehead.contracts.expression import Columns, column_path, parse_condition
from lakehead.contracts.validate.values import single

Row = Mapping[str, Any]
_Value = Callable[[Row], Any]
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}
_EXACTLY: dict[type, Callable[[Any, Any], Any]] = {
    exp.Add: _EXACT.add,
    exp.Sub: _EXACT.subtract,
    exp.Mul: _EXACT.multiply,
}
_ROUNDED: dict[type, Callable[[Any, Any], Any]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
}
_MICROSECONDS = {"SECOND": 10**6, "MINUTE": 60 * 10**6, "HOUR": 3600 * 10**6, "DAY": 86400 * 10**6}
# Java's dot, which Flink reads the underscore as, is no end of a line.
_ANY_CHARACTER = "[^\n\r\u0085\u2028\u2029]"


def compile_condition(text: str, columns: Columns) -> Callable[[Row], bool]:
    """Whether a row, of plain values by field, keeps the condition; what cannot be told is kept.

    Raises:
        ValueError: it is no condition, as ``parse_condition`` says.
    """
    value, _ = _Compiler(columns).compile(parse_condition(text, columns))
    return lambda row: value(row) is not False


class _Compiler:
    """Each node gives its function, and whether that gives a binary floating point number."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def compile(self, node: exp.Expr) -> tuple[_Value, bool]:
        match node:
            case exp.Paren() | exp.Cast():
                # The only cast is to a wider decimal.
                return self.compile(node.this)
            case exp.Column() | exp.Dot():
                return self._column(column_path(node))
            case exp.Literal() if node.is_string:
                return _constant(str(node.this)), False
            case exp.Literal():
                return _number(str(node.this))
            case exp.Boolean():
                return _constant(bool(node.this)), False
            case exp.Null():
                return _constant(None), False
            case exp.Add() | exp.Sub() if isinstance(node.right, exp.Interval):
                return self._moved(node), False
            case exp.Add() | exp.Sub() | exp.Mul():
                return self._arithmetic(node)
            case exp.Neg():
                value, floating = self.compile(node.this)
                return _strict(value, operator.neg if floating else _minus), floating
            case exp.Abs():
                value, floating = self.compile(node.this)
                return _strict(value, abs if floating else _absolute), floating
            case exp.Coalesce():
                return self._coalesce([node.this, *node.expressions])
            case exp.Case():
                return self._case(node)
        return self._other(node), False

    def _other(self, node: exp.Expr) -> _Value:
        match node:
            case exp.And():
                return _and(self._of(node.left), self._of(node.right))
            case exp.Or():
                return _or(self._of(node.left), self._of(node.right))
            case exp.Not():
                return _strict(self._of(node.this), operator.not_)
            case exp.Is():
                value = self._of(node.this)
                return lambda row: value(row) is None
            case exp.In():
                options = [self._compared(node.this, o, operator.eq) for o in node.expressions]
                return _any(options)
            case exp.Between():
                low = self._compared(node.this, node.args["low"], operator.ge)
                high = self._compared(node.this, node.args["high"], operator.le)
                return _and(low, high)
            case exp.Like():
                matches = _like(str(node.expression.this)).fullmatch
                return _strict(self._of(node.this), lambda text: matches(text) is not None)
            case exp.Length():
                return _strict(self._of(node.this), len)
            case exp.Upper():
                return _strict(self._of(node.this), str.upper)
            case exp.Lower():
                return _strict(self._of(node.this), str.lower)
        if type(node) in _COMPARE:
            assert isinstance(node, exp.Binary)
            return self._compared(node.left, node.right, _COMPARE[type(node)])
        raise AssertionError(f"{node.sql()}: parse_condition lets it through")

    def _of(self, node: exp.Expr) -> _Value:
        return self.compile(node)[0]

    def _alike(self, nodes: list[exp.Expr]) -> tuple[list[_Value], bool]:
        """The functions of all nodes, which give doubles once one of them does."""
        compiled = [self.compile(node) for node in nodes]
        floating = any(f for _, f in compiled)
        return [v if f or not floating else _strict(v, float) for v, f in compiled], floating

    def _compared(
        self, left: exp.Expr, right: exp.Expr, compare: Callable[[Any, Any], bool]
    ) -> _Value:
        (a, b), _ = self._alike([left, right])
        return _strict_pair(a, b, compare)

    def _arithmetic(self, node: exp.Add | exp.Sub | exp.Mul) -> tuple[_Value, bool]:
        (a, b), floating = self._alike([node.left, node.right])
        return _strict_pair(a, b, (_ROUNDED if floating else _EXACTLY)[type(node)]), floating

    def _moved(self, node: exp.Add | exp.Sub) -> _Value:
        """A time so much later or earlier, in microseconds."""
        interval = node.right
        step = int(interval.this.this) * _MICROSECONDS[str(interval.args["unit"]).upper()]
        if isinstance(node, exp.Sub):
            step = -step
        return _strict(self._of(node.left), lambda moment: moment + step)

    def _coalesce(self, nodes: list[exp.Expr]) -> tuple[_Value, bool]:
        values, floating = self._alike(nodes)
        return lambda row: next((v for f in values if (v := f(row)) is not None), None), floating

    def _case(self, node: exp.Case) -> tuple[_Value, bool]:
        branches = node.args["ifs"]
        tests = [self._of(branch.this) for branch in branches]
        default = node.args.get("default") or exp.Null()
        (*values, otherwise), floating = self._alike(
            [*(branch.args["true"] for branch in branches), default]
        )

        def case(row: Row) -> Any:
            for test, value in zip(tests, values, strict=True):
                if test(row) is True:
                    return value(row)
            return otherwise(row)

        return case, floating

    def _column(self, path: tuple[str, ...]) -> tuple[_Value, bool]:
        kind = self._columns[path[0]]
        for part in path[1:]:
            kind = dict(kind.members)[part]
        value = _at(path)
        match kind.kind:
            case "double":
                return _strict(value, float), True
            case "float":
                return _strict(value, single), True
            case "timestamp":
                return _strict(value, _microseconds), False
            case "timestamp_ntz":
                return _strict(
                    value, lambda moment: _microseconds(moment.replace(tzinfo=UTC))
                ), False
        return value, False


def _at(path: tuple[str, ...]) -> _Value:
    first, *rest = path
    if not rest:
        return lambda row: row.get(first)

    def value(row: Row) -> Any:
        found = row.get(first)
        for part in rest:
            if found is None:
                return None
            found = found.get(part)
        return found

    return value


def _microseconds(moment: datetime) -> int:
    """Since 1970: a number, since a time moved by an interval may leave the years of datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def _constant(value: Any) -> _Value:
    return lambda row: value


def _number(text: str) -> tuple[_Value, bool]:
    if "e" in text.lower():
        return _constant(float(text)), True
    return _constant(Decimal(text)), False


def _minus(number: int | Decimal) -> Decimal:
    return _EXACT.minus(number)


def _absolute(number: int | Decimal) -> Decimal:
    return _EXACT.abs(number)


def _strict(value: _Value, function: Callable[[Any], Any]) -> _Value:
    def apply(row: Row) -> Any:
        found = value(row)
        return None if found is None else function(found)

    return apply


def _strict_pair(left: _Value, right: _Value, function: Callable[[Any, Any], Any]) -> _Value:
    def apply(row: Row) -> Any:
        a = left(row)
        if a is None:
            return None
        b = right(row)
        return None if b is None else function(a, b)

    return apply


def _and(left: _Value, right: _Value) -> _Value:
    def both(row: Row) -> bool | None:
        a = left(row)
        if a is False:
            return False
        b = right(row)
        if b is False:
            return False
        return None if a is None or b is None else True

    return both


def _or(left: _Value, right: _Value) -> _Value:
    return _any([left, right])


def _any(values: list[_Value]) -> _Value:
    def some(row: Row) -> bool | None:
        answer: bool | None = False
        for value in values:
            found = value(row)
            if found is True:
                return True
            if found is None:
                answer = None
        return answer

    return some


def _like(pattern: str) -> re.Pattern[str]:
    parts = {"%": "(?s:.*)", "_": _ANY_CHARACTER}
    return re.compile("".join(parts.get(char) or re.escape(char) for char in pattern))
