"""The rules of ``contracts.rules`` over one event's plain values, with the same names."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehead.contracts.expression import column_path, parse_condition
from lakehead.contracts.model import Bound, Contract, Field, RowRule, walk_fields
from lakehead.contracts.patterns import compile_pattern
from lakehead.contracts.validate.condition import compile_condition
from lakehead.contracts.validate.values import BROKEN, shown, single

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Check:
    """One rule of a field: ``holds`` of a value that is not None; ``expected`` for the message."""

    name: str
    holds: Callable[[Any], bool]
    expected: str
    shown: Callable[[Any], str]


def field_problems(contract: Contract) -> Callable[[dict[str, Any]], list[str]]:
    """A function from the values of an event to what breaks the rules of its fields.

    Values are as ``validate_values.read_object`` gives them; BROKEN ones are passed over.
    """
    checks = [(path, f.required, checks_of(path, f)) for path, f in walk_fields(contract.fields)]

    def problems(values: dict[str, Any]) -> list[str]:
        found: list[str] = []
        for path, required, rules in checks:
            around, value = _at(values, path)
            if value is BROKEN or around is None:
                continue
            if value is None:
                if required:
                    found.append(f"{'.'.join(path)}.required: is missing, and required")
                continue
            found += [
                f"{c.name}: is {c.shown(value)}, expected {c.expected}"
                for c in rules
                if not c.holds(value)
            ]
        return found

    return problems


def _at(values: dict[str, Any], path: tuple[str, ...]) -> tuple[Any, Any]:
    """What holds the field, None where there is no such object, and its value."""
    around: Any = values
    for part in path[:-1]:
        around = around.get(part)
        if around is None or around is BROKEN:
            return None, None
    return around, around.get(path[-1])


def checks_of(path: tuple[str, ...], f: Field) -> list[Check]:
    """The rules of a field on a value that is there."""
    name = ".".join(path)
    checks: list[Check] = []

    def add(
        kind: str,
        holds: Callable[[Any], bool],
        expected: str,
        text: Callable[[Any], str] = rule_value,
    ) -> None:
        checks.append(Check(f"{name}.{kind}", holds, expected, text))

    if f.enum:
        add("enum", frozenset(f.enum).__contains__, f"one of {', '.join(f.enum)}")
    if f.minimum is not None:
        low = comparable_bound(f, f.minimum)
        add("minimum", lambda v: bool(comparable(f, v) >= low), f"at least {_bound(f.minimum)}")
    if f.maximum is not None:
        high = comparable_bound(f, f.maximum)
        add("maximum", lambda v: bool(comparable(f, v) <= high), f"at most {_bound(f.maximum)}")
    items = f.type.kind == "array"
    unit, text = ("items", _count) if items else ("characters", rule_value)
    least, most = f.min_length, f.max_length
    if least is not None:
        add("min_length", lambda v: len(v) >= least, f"{least} or more {unit}", text)
    if most is not None:
        add("max_length", lambda v: len(v) <= most, f"at most {most} {unit}", text)
    if f.pattern is not None:
        search = compile_pattern(f.pattern).search
        add("pattern", lambda v: search(v) is not None, f"to match {f.pattern}")
    return checks


def comparable_bound(f: Field, bound: Bound) -> Any:
    """A bound as the value is compared with it: Flink's are doubles for binary floating point
    numbers, and of milliseconds for a timestamp with a zone."""
    if f.type.kind in ("float", "double"):
        return float(bound)  # type: ignore[arg-type]
    if isinstance(bound, datetime) and bound.tzinfo:
        return EPOCH + timedelta(milliseconds=round(bound.timestamp() * 1000))
    return bound


def comparable(f: Field, value: Any) -> Any:
    return single(value) if f.type.kind == "float" else value


def own_rule(rule: RowRule, contract: Contract) -> Callable[[dict[str, Any]], str | None]:
    """A function from the values of an event to what breaks the contract's own rule, or None."""
    from sqlglot import exp

    columns = {f.name: f.type for f in contract.fields}
    holds = compile_condition(rule.condition, columns)
    tree = parse_condition(rule.condition, columns)
    read = list(dict.fromkeys(column_path(c) for c in tree.find_all(exp.Column)))

    def problem(values: dict[str, Any]) -> str | None:
        if holds(values):
            return None
        said = ", ".join(f"{'.'.join(p)} {rule_value(_at(values, p)[1])}" for p in read)
        value = (said or "NULL")[:_SHOWN_CHARACTERS]
        return f"{rule.name}: is {value}, expected {rule.condition}"

    return problem


def clock_problems(contract: Contract, values: dict[str, Any], now: float | None) -> list[str]:
    """What is wrong with the event time, by a clock that says ``now``, epoch seconds."""
    moment = values.get(contract.event_time)
    if not isinstance(moment, datetime):
        return []
    name = contract.event_time
    if moment < EPOCH:
        return [f"{name}.epoch: is {rule_value(moment)}, expected 1970 or later"]
    if now is None or moment <= latest_time(contract, now):
        return []
    clock = (EPOCH + timedelta(seconds=now)).isoformat()
    seconds = int(contract.clock_skew.total_seconds())
    return [
        f"{name}.clock: is {rule_value(moment)}, expected at most {seconds} s ahead of the clock, "
        f"which says {clock}"
    ]


def latest_time(contract: Contract, now: float) -> datetime:
    """The last event time that is valid when the clock says ``now``, epoch seconds."""
    return EPOCH + timedelta(seconds=now) + contract.clock_skew


def rule_value(value: Any) -> str:
    """A value as a message states it: text as it is, without quotes."""
    return (value if isinstance(value, str) else shown(value))[:_SHOWN_CHARACTERS]


def _count(value: Any) -> str:
    return str(len(value))


def _bound(bound: Bound) -> str:
    # A Decimal's own format may have an exponent.
    return f"{bound:f}" if not hasattr(bound, "isoformat") else bound.isoformat()
