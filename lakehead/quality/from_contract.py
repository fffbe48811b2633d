"""The suite of a stream's landing table: its contract, held against the rows that were landed."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from lakehead.contracts.expression import column_path, parse_condition, render
from lakehead.contracts.model import Bound, Contract, Field, RowRule, walk_fields
from lakehead.contracts.sql import literal
from lakehead.contracts.types import FieldType
from lakehead.contracts.words import duration, shown
from lakehead.quality.expectation import Expectation, Kind, Suite, not_null, unique
from lakehead.query.types import quoted

COORDINATES = ("kafka_partition", "kafka_offset")
# GX compares numbers as doubles. These it cannot take for others: whole bounds below 2^53, and
# decimals of no more digits than a double tells apart.
_EXACT_BELOW = 2**53
_EXACT_DIGITS = 15


def suite_of_contract(contract: Contract) -> Suite:
    """Every rule of one event, values that are unique within a time, and each record once."""
    expectations = [unique(COORDINATES, nullable=False)]
    expectations += [not_null(c) for c in COORDINATES]
    for path, field in walk_fields(contract.fields):
        expectations += _field(path, field)
    for field in contract.fields:
        if field.unique_within is not None:
            expectations.append(_unique_within(contract, field, field.unique_within))
    expectations += [_own_rule(rule, contract) for rule in contract.rules]
    expectations += _clock(contract)
    return Suite(contract.stream, contract.landing_table, COORDINATES, tuple(expectations))


def _field(path: tuple[str, ...], field: Field) -> list[Expectation]:
    name = ".".join(path)
    value = ".".join(map(quoted, path))
    found: list[Expectation] = []

    def add(rule: str, says: str, kind: Kind, broken: str, **arguments: Any) -> None:
        # GX knows columns; what is within one is for SQL.
        if len(path) > 1:
            kind, arguments = "sql", {}
        full = f"{name}.{rule}"
        found.append(Expectation(full, f"{name} {says}", kind, path[:1], broken, arguments))

    if field.required and len(path) == 1:
        found.append(not_null(name))
    elif field.required:
        # A field of an object is required where there is an object.
        around = ".".join(map(quoted, path[:-1]))
        add("required", "is not null", "sql", f"{around} IS NOT NULL AND {value} IS NULL")
    if field.enum:
        listed = ", ".join(map(literal, field.enum))
        says = f"is one of {', '.join(map(shown, field.enum))}"
        add("enum", says, "in_set", f"{value} NOT IN ({listed})", value_set=list(field.enum))
    low, high = field.minimum, field.maximum
    if low is not None or high is not None:
        exact = all(_is_exact(field.type, b) for b in (low, high))
        bounds = {"min_value": _number(low), "max_value": _number(high)} if exact else {}
        broken = _outside(value, _sql(low), _sql(high))
        add("range", f"is {_says(low, high)}", "between" if exact else "sql", broken, **bounds)
    least, most = field.min_length, field.max_length
    if least is not None or most is not None:
        items = field.type.kind == "array"
        limits = {} if items else {"min_value": least, "max_value": most}
        broken = _outside(f"len({value})" if items else f"length({value})", least, most)
        says = f"has {_says(least, most)} {'items' if items else 'characters'}"
        add("length", says, "sql" if items else "length", broken, **limits)
    if field.pattern is not None:
        broken = f"NOT regexp_matches({value}, {literal(field.pattern)})"
        add("pattern", f"matches {field.pattern}", "pattern", broken, regex=field.pattern)
    return found


def _unique_within(contract: Contract, field: Field, within: timedelta) -> Expectation:
    """As ``contract verify`` judges: the later of two rows that are closer breaks it."""
    value, clock = quoted(field.name), quoted(contract.event_time)
    order = ", ".join((clock, *map(quoted, COORDINATES)))
    before = f"lag({clock}) OVER (PARTITION BY {value} ORDER BY {order})"
    microseconds = within // timedelta(microseconds=1)
    return Expectation(
        f"{field.name}.unique",
        f"no {field.name} twice within {duration(within)}",
        "sql",
        (field.name,),
        f"{value} IS NOT NULL AND date_diff('microsecond', {before}, {clock}) < {microseconds}",
        windowed=True,
    )


def _clock(contract: Contract) -> list[Expectation]:
    """The two rules that hold for the event time of every stream."""
    name, clock = contract.event_time, quoted(contract.event_time)
    skew = f"INTERVAL '{contract.clock_skew // timedelta(milliseconds=1)}' MILLISECOND"
    late = f"{clock} > {quoted('kafka_timestamp')} + {skew}"
    early = f"{clock} < TIMESTAMPTZ '1970-01-01 00:00:00+00:00'"
    ahead = f"{name} at most {duration(contract.clock_skew)} ahead of the broker"
    return [
        Expectation(f"{name}.epoch", f"{name} in 1970 or later", "sql", (name,), early),
        Expectation(f"{name}.clock", ahead, "sql", (name, "kafka_timestamp"), late),
    ]


def _own_rule(rule: RowRule, contract: Contract) -> Expectation:
    return sql_condition(rule.name, rule.condition, {f.name: f.type for f in contract.fields})


def sql_condition(name: str, condition: str, columns: Any) -> Expectation:
    """A condition in the SQL of ``contracts.expression``, over ``columns``; NULL counts as kept."""
    from sqlglot import exp

    tree = parse_condition(condition, columns)
    read = tuple(dict.fromkeys(column_path(c)[0] for c in tree.find_all(exp.Column)))
    return Expectation(name, condition, "sql", read, f"NOT {render(tree, 'duckdb')}")


def _outside(value: str, low: object, high: object) -> str:
    parts = [f"{value} < {low}"] if low is not None else []
    return " OR ".join(parts + ([f"{value} > {high}"] if high is not None else []))


def _is_exact(kind: FieldType, bound: Bound | None) -> bool:
    if kind.kind == "decimal" and kind.precision > _EXACT_DIGITS:
        return False
    if bound is None:
        return True
    whole = isinstance(bound, Decimal) and bound == bound.to_integral()
    return whole and abs(bound) < _EXACT_BELOW  # type: ignore[arg-type]


def _number(bound: Bound | None) -> int | None:
    return int(bound) if isinstance(bound, Decimal) else None


def _sql(bound: Bound | None) -> str | None:
    if isinstance(bound, datetime):
        kind = "TIMESTAMP" if bound.tzinfo is None else "TIMESTAMPTZ"
        return f"{kind} {literal(bound.isoformat(' '))}"
    if isinstance(bound, date):
        return f"DATE {literal(bound.isoformat())}"
    return None if bound is None else f"{bound:f}"


def _says(low: object, high: object) -> str:
    """``1 to 3``, ``at least 1`` or ``at most 3``."""
    shown_low, shown_high = (f"{b:f}" if isinstance(b, Decimal) else str(b) for b in (low, high))
    if low is None:
        return f"at most {shown_high}"
    if high is None:
        return f"at least {shown_low}"
    return f"{shown_low} to {shown_high}"
