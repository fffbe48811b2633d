"""The functions of models that take one row, and why others are refused."""

from collections.abc import Callable
from typing import Protocol

from sqlglot import exp

from lakehead.contracts.types import WHOLE, FieldType
from lakehead.models.values import (
    DATE,
    DOUBLE,
    INT,
    LONG,
    STRING,
    TIMESTAMP,
    Refused,
    Value,
    as_decimal,
    by_bytes,
    cast_tree,
    cast_value,
    converted,
    date_tree,
    decimal,
    made,
    whole_tree,
)

_TRUNCATED = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
# What is of days is taken from the day: Flink takes it from a time wrongly, before 1970.
_OF_DAYS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
_EXTRACTED = ("SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "QUARTER", "YEAR")
_MOST_CHARACTERS = 2**31 - 1


class Reader(Protocol):
    """What reads the parts of an expression."""

    def value(self, node: exp.Expr) -> Value: ...
    def typed_value(self, node: exp.Expr, *kinds: str) -> Value: ...
    def string(self, node: exp.Expr) -> Value: ...
    def number(self, node: exp.Expr) -> Value: ...
    def alike(
        self, node: exp.Expr, *parts: exp.Expr
    ) -> tuple[list[exp.Expr], list[Value], FieldType]: ...


Read = Callable[[Reader, exp.Expr], Value]


def _coalesce(read: Reader, node: exp.Expr) -> Value:
    trees, values, common = read.alike(node, node.this, *node.expressions)
    if len(trees) < 2:
        raise Refused(node, "expected two values or more")
    return made(node, exp.Coalesce(this=trees[0], expressions=trees[1:]), common, values)


def _nullif(read: Reader, node: exp.Expr) -> Value:
    trees, values, common = read.alike(node, node.this, node.expression)
    if common.kind == "binary":
        raise Refused(node, "engines do not compare binary values alike")
    return made(node, exp.Nullif(this=trees[0], expression=trees[1]), common, values)


def _greatest(read: Reader, node: exp.Expr) -> Value:
    """NULL where any is, as in the SQL standard; some engines leave NULLs out."""
    trees, values, common = read.alike(node, node.this, *node.expressions)
    if common.kind in ("binary", "boolean"):
        raise Refused(node, f"engines do not order {common.kind} values")
    if not 2 <= len(trees) <= 8:
        raise Refused(node, "expected two values, eight at most")
    comparison = exp.GTE if isinstance(node, exp.Greatest) else exp.LTE
    ordered = [by_bytes(tree, common) for tree in trees]
    ifs = []
    for i, tree in enumerate(trees):
        wins: exp.Expr | None = None
        for j, other in enumerate(ordered):
            if i != j:
                won = comparison(this=ordered[i].copy(), expression=other.copy())
                wins = exp.And(this=wins, expression=won) if wins else won
        ifs.append(exp.If(this=wins, true=tree.copy()))
    return made(node, exp.Case(ifs=ifs), common, values)


def _abs(read: Reader, node: exp.Expr) -> Value:
    value = read.number(node.this)
    type_ = as_decimal(value.known) if value.exact else DOUBLE
    return made(node, exp.Abs(this=converted(value, type_)), type_, [value])


def _mod(read: Reader, node: exp.Expr) -> Value:
    """The remainder has the sign of the dividend; of a division by 0 it is NULL."""
    values = [read.typed_value(part, *WHOLE, "decimal") for part in (node.this, node.expression)]
    trees = []
    for part, value in zip((node.this, node.expression), values, strict=True):
        type_ = as_decimal(value.known)
        if type_.scale or (type_.precision > 18 and value.known != LONG):
            raise Refused(
                node, f"{part.sql()} is of type {value.known}; a remainder is of whole numbers"
            )
        trees.append(converted(value, LONG))
    # The least number by -1 overflows in DuckDB; by 1 there is no remainder as well.
    zero, one, minus = (whole_tree(n, LONG) for n in (0, 1, -1))
    divisor = exp.Case(
        ifs=[
            exp.If(this=exp.EQ(this=trees[1].copy(), expression=minus), true=one),
            exp.If(this=exp.NEQ(this=trees[1].copy(), expression=zero), true=trees[1]),
        ]
    )
    tree = exp.Mod(this=trees[0], expression=divisor)
    return made(node, tree, LONG, values)


def _round(read: Reader, node: exp.Expr) -> Value:
    """Half away from zero."""
    value = _exact(read, node)
    digits = node.args.get("decimals")
    places = _whole_literal(node, digits, 0) if digits is not None else 0
    type_ = as_decimal(value.known)
    if places >= type_.scale:
        return made(node, converted(value, type_), type_, [value])
    result = decimal(type_.precision - type_.scale + places + 1, places)
    return cast_value(node, value, result)


def _floor(read: Reader, node: exp.Expr) -> Value:
    if node.args.get("to") is not None:
        unit = node.args["to"].name.upper()
        if isinstance(node, exp.Ceil):
            raise Refused(node, f"expected FLOOR(x TO {unit})")
        return _truncated(read, node, node.this, unit)
    value = _exact(read, node)
    type_ = as_decimal(value.known)
    if not type_.scale:
        return made(node, converted(value, type_), type_, [value])
    result = decimal(type_.precision - type_.scale + 1, 0)
    tree = type(node)(this=converted(value, type_))
    return made(node, cast_tree(tree, result), result, [value])


def _exact(read: Reader, node: exp.Expr) -> Value:
    value = read.number(node.this)
    if not value.exact:
        raise Refused(
            node, f"engines round a {value.known} differently; expected a decimal or whole number"
        )
    return value


def _length(read: Reader, node: exp.Expr) -> Value:
    """In characters (code points)."""
    value = read.string(node.this)
    return made(node, cast_tree(exp.Length(this=value.tree), INT), INT, [value])


def _letters(read: Reader, node: exp.Expr) -> Value:
    """Only the letters a to z change: engines know other alphabets differently."""
    value = read.string(node.this)
    return made(node, type(node)(this=value.tree), STRING, [value])


def _concat(read: Reader, node: exp.Expr) -> Value:
    """NULL where any part is NULL."""
    parts = node.expressions if isinstance(node, exp.Concat) else [node.this, node.expression]
    values = [read.string(part) for part in parts]
    tree = values[0].tree
    for value in values[1:]:
        tree = exp.DPipe(this=tree, expression=value.tree)
    return made(node, tree, STRING, values)


def _substring(read: Reader, node: exp.Expr) -> Value:
    value = read.string(node.this)
    if isinstance(node, exp.Left):
        start, length = 1, _whole_literal(node, node.expression, 0)
    else:
        start = _whole_literal(node, node.args.get("start"), 1)
        given = node.args.get("length")
        length = _whole_literal(node, given, 0) if given is not None else _MOST_CHARACTERS
    numbers = (exp.Literal.number(n) for n in (start, length))
    tree = exp.Substring(this=value.tree, start=next(numbers), length=next(numbers))
    return made(node, tree, STRING, [value])


def _whole_literal(node: exp.Expr, given: exp.Expr | None, least: int) -> int:
    text = given.name if isinstance(given, exp.Literal) and not given.is_string else ""
    if not text.isdecimal() or not least <= int(text) <= _MOST_CHARACTERS:
        raise Refused(node, f"expected a number that is written out, {least} or more")
    return int(text)


def _trim(read: Reader, node: exp.Expr) -> Value:
    """Spaces alone."""
    given = node.args.get("expression")
    if given is not None and not (isinstance(given, exp.Literal) and given.name == " "):
        raise Refused(node, "only spaces are trimmed; expected TRIM(x)")
    value = read.string(node.this)
    position = str(node.args.get("position") or "BOTH").upper()
    return made(node, exp.Trim(this=value.tree, position=position), STRING, [value])


def _date_trunc(read: Reader, node: exp.Expr) -> Value:
    return _truncated(read, node, node.this, node.args["unit"].name.upper())


def _truncated(read: Reader, node: exp.Expr, time: exp.Expr, unit: str) -> Value:
    """The start of a time's unit in UTC; a week begins on Monday."""
    value = read.typed_value(time, "timestamp", "timestamp_ntz")
    if unit not in _TRUNCATED:
        raise Refused(node, f"{unit} is not a unit; expected one of {', '.join(_TRUNCATED)}")
    time_or_day = date_tree(value) if unit in _OF_DAYS[1:] else value.tree
    tree = exp.TimestampTrunc(this=time_or_day, unit=exp.Var(this=unit))
    # What comes out is of another type in one engine or another.
    return made(node, cast_tree(tree, value.known), value.known, [value])


def _extract(read: Reader, node: exp.Expr) -> Value:
    """A part of a time in UTC, as a whole number."""
    if isinstance(node, exp.Extract):
        unit, time = node.this.name.upper(), node.expression
    else:
        unit, time = node.key.upper(), node.this
    if unit not in _EXTRACTED:
        raise Refused(node, f"{unit} is not a part; expected one of {', '.join(_EXTRACTED)}")
    kinds = [*(["date"] if unit in _OF_DAYS else []), "timestamp", "timestamp_ntz"]
    value = read.typed_value(time, *kinds).typed()
    part = date_tree(value) if unit in _OF_DAYS else converted(value, TIMESTAMP)
    tree = exp.Extract(this=exp.Var(this=unit), expression=part)
    return made(node, cast_tree(tree, INT), INT, [value])


def _date(read: Reader, node: exp.Expr) -> Value:
    return cast_value(node, read.value(node.this), DATE)


FUNCTIONS: dict[type[exp.Expr], Read] = {
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
    exp.Greatest: _greatest,
    exp.Least: _greatest,
    exp.Abs: _abs,
    exp.Mod: _mod,
    exp.Round: _round,
    exp.Floor: _floor,
    exp.Ceil: _floor,
    exp.Length: _length,
    exp.Upper: _letters,
    exp.Lower: _letters,
    exp.Concat: _concat,
    exp.DPipe: _concat,
    exp.Substring: _substring,
    exp.Left: _substring,
    exp.Trim: _trim,
    exp.DateTrunc: _date_trunc,
    exp.TimestampTrunc: _date_trunc,
    exp.Extract: _extract,
    exp.Year: _extract,
    exp.Quarter: _extract,
    exp.Month: _extract,
    exp.Day: _extract,
    exp.Hour: _extract,
    exp.Minute: _extract,
    exp.Second: _extract,
    exp.Date: _date,
}
NAMES = (
    "ABS, CASE, CAST, CEIL, COALESCE, CONCAT, DATE_TRUNC, EXTRACT, FLOOR, GREATEST, IF, LEAST, "
    "LEFT, LENGTH, LOWER, MOD, NULLIF, ROUND, SUBSTRING, TRIM, UPPER and the aggregates COUNT, "
    "SUM, AVG, MIN, MAX, PERCENTILE_CONT, MEDIAN"
)
_AT_RUN = "answers differ from run to run; use the event's time"
_CHANCE = "answers differ from run to run; use a field of the event"
_WINDOW = "is a function over other rows; a model's rows are grouped by its header's window"
_QUERY = "is a query within the query; a second model may read this one"
_LAST_DIGITS = "engines differ in its last digits"
_ORDER = "depends on the order of the rows; expected MIN or MAX"
_PATTERNS = "engines know different patterns; expected LIKE"
_WHY: dict[str, str] = {
    **dict.fromkeys(
        (
            "CURRENTTIMESTAMP",
            "CURRENTDATE",
            "CURRENTTIME",
            "CURRENTDATETIME",
            "LOCALTIMESTAMP",
            "LOCALTIME",
            "NOW",
            "PROCTIME",
            "CURRENT_ROW_TIMESTAMP",
            "CURRENT_WATERMARK",
        ),
        _AT_RUN,
    ),
    **dict.fromkeys(("RAND", "RANDN", "RANDOM", "RAND_INTEGER", "UUID"), _CHANCE),
    **dict.fromkeys(("WINDOW", "LAG", "LEAD", "ROWNUMBER", "RANK", "DENSERANK"), _WINDOW),
    **dict.fromkeys(("SUBQUERY", "SELECT", "EXISTS", "ANY", "ALL"), _QUERY),
    **dict.fromkeys(
        (
            "STDDEV",
            "STDDEVPOP",
            "STDDEVSAMP",
            "VARIANCE",
            "VARIANCEPOP",
            "POW",
            "SQRT",
            "EXP",
            "LN",
            "LOG",
            "SIN",
            "COS",
        ),
        _LAST_DIGITS,
    ),
    **dict.fromkeys(
        (
            "ANYVALUE",
            "FIRST",
            "LAST",
            "FIRSTVALUE",
            "LASTVALUE",
            "ARRAYAGG",
            "GROUPCONCAT",
            "LISTAGG",
            "ARGMAX",
            "ARGMIN",
        ),
        _ORDER,
    ),
    **dict.fromkeys(
        (
            "REGEXPLIKE",
            "REGEXPEXTRACT",
            "REGEXPREPLACE",
            "REGEXP",
            "SIMILARTO",
            "ILIKE",
            "ESCAPE",
        ),
        _PATTERNS,
    ),
    "STAR": "the columns of a model are named one by one",
    "INTERVAL": "stands beside a time alone, such as event_time + INTERVAL '1' HOUR",
}


def refusal(node: exp.Expr) -> Refused:
    """Why a node is not supported."""
    anonymous = isinstance(node, exp.Anonymous)
    name = node.name.upper() if anonymous else node.key.upper()
    if why := _WHY.get(name):
        return Refused(node, why)
    if isinstance(node, exp.Filter):
        return Refused(node, "FILTER is for COUNT, SUM, AVG, MIN and MAX")
    if anonymous or isinstance(node, exp.Func):
        return Refused(node, f"is not a function of models; expected one of {NAMES}")
    return Refused(node, "is not supported in a model")
