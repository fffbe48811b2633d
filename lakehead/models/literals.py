"""What is written in a model's SQL as it stands: types, days, times and intervals."""

from datetime import date, datetime, timedelta

from sqlglot import exp

from lakehead.contracts.durations import MAXIMUM_DAYS
from lakehead.contracts.types import FieldType, parse_type
from lakehead.models.values import (
    DATE,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    Refused,
    Value,
    cast_tree,
)

_CASTS = "decimal(p,s), int, bigint, double, varchar, date, timestamp or boolean"
_NAMES = {
    exp.DType.INT: "int",
    exp.DType.BIGINT: "long",
    exp.DType.DOUBLE: "double",
    exp.DType.TEXT: "string",
    exp.DType.VARCHAR: "string",
    exp.DType.BOOLEAN: "boolean",
    exp.DType.DATE: "date",
    exp.DType.TIMESTAMP: "timestamp_ntz",
    exp.DType.TIMESTAMPNTZ: "timestamp_ntz",
    exp.DType.TIMESTAMPTZ: "timestamp",
    exp.DType.TIMESTAMPLTZ: "timestamp",
}
_UNITS = {"SECOND": "seconds", "MINUTE": "minutes", "HOUR": "hours", "DAY": "days"}


def cast_type(node: exp.Expr) -> FieldType:
    """The type that a CAST names. Raises Refused."""
    to = node.args["to"]
    digits = [p.this.name for p in to.expressions] if to.expressions else []
    if to.this == exp.DType.DECIMAL:
        if not digits:
            raise Refused(node, "engines give DECIMAL other digits; expected DECIMAL(p, s)")
        try:
            return parse_type(f"decimal({digits[0]},{digits[1] if len(digits) > 1 else 0})")
        except ValueError as error:
            raise Refused(node, str(error)) from error
    if to.this not in _NAMES or digits:
        raise Refused(node, f"{to.sql()} is not a type to cast to; expected {_CASTS}")
    return FieldType(_NAMES[to.this])


def time_literal(node: exp.Expr, text: str, wanted: FieldType) -> Value:
    """``DATE '...'`` or ``TIMESTAMP '...'``, which beside a timestamp is one in UTC.

    Raises:
        Refused: no such day or time, or it is finer than a millisecond, as Flink's are.
    """
    if wanted == DATE:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        if day is None or day.isoformat() != text:
            raise Refused(node, "is not a day; expected such as DATE '2026-01-31'")
        return Value(node, cast_tree(exp.Literal.string(text), DATE), DATE, constant=text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo or time.microsecond % 1000 or text[10:11] not in (" ", "T", ""):
        raise Refused(
            node,
            "is not a time in UTC, to the millisecond; expected such as "
            "TIMESTAMP '2026-01-31 23:59:59.999'",
        )
    exact = time.isoformat(sep=" ", timespec="milliseconds")
    tree = cast_tree(exp.Literal.string(exact), wanted)
    # One without a zone can still become one in UTC.
    constant = exact if wanted == TIMESTAMP_NTZ else None
    assert wanted in (TIMESTAMP, TIMESTAMP_NTZ)
    return Value(node, tree, wanted, constant=constant)


def interval_tree(node: exp.Expr, days_only: bool) -> exp.Interval:
    """An interval in whole seconds. Raises Refused."""
    assert isinstance(node, exp.Interval)
    unit = str(node.args.get("unit") or "").upper()
    amount = node.this.name if isinstance(node.this, exp.Literal) else ""
    if unit not in _UNITS or not amount.isdecimal() or len(amount) > 9:
        raise Refused(node, "expected such as INTERVAL '1' DAY, in SECOND, MINUTE, HOUR or DAY")
    if days_only and unit != "DAY":
        raise Refused(node, "a day moves by days; expected such as INTERVAL '1' DAY")
    length = timedelta(**{_UNITS[unit]: int(amount)})
    if length > timedelta(days=MAXIMUM_DAYS):
        raise Refused(node, f"is too long, expected at most {MAXIMUM_DAYS} days")
    seconds = length // timedelta(seconds=1)
    return exp.Interval(this=exp.Literal.string(str(seconds)), unit=exp.Var(this="SECOND"))
