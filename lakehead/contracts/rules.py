"""A contract's row rules as SQL.

Each rule is a name, a condition that is TRUE or FALSE and never NULL, and what a dead row states
when it is FALSE: ``<rule>: is <value>, expected <what>``. The SQL is Flink's.
"""

from dataclasses import dataclass
from datetime import date, datetime

from lakehead.contracts.expression import Backticks, column_path, parse_condition, render
from lakehead.contracts.model import Bound, Contract, Field, RowRule, walk_fields
from lakehead.contracts.sql import identifier, interval, literal
from lakehead.contracts.types import FieldType

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Rule:
    """``holds`` is a SQL condition; ``cause`` a SQL string expression for when it does not."""

    name: str
    holds: str
    cause: str


def row_rules(contract: Contract) -> list[Rule]:
    """All rules that one event must keep to be landed, in the order of its fields."""
    rules = [r for path, f in walk_fields(contract.fields) for r in _field_rules(path, f)]
    columns = {f.name: f.type for f in contract.fields}
    own = [_own_rule(rule, columns) for rule in contract.rules]
    return [*rules, *own, _epoch_rule(contract), _clock_rule(contract)]


def _field_rules(path: tuple[str, ...], f: Field) -> list[Rule]:
    name = ".".join(path)
    column = ".".join(identifier(part) for part in path)
    rules: list[Rule] = []

    def add(kind: str, condition: str, expected: str, shown: str = "") -> None:
        holds = f"({column} IS NULL OR {condition})"
        rules.append(_rule(f"{name}.{kind}", holds, shown or column, expected))

    if f.required:
        rule = f"{name}.required"
        # A field of an object is required where there is an object.
        around = ".".join(identifier(part) for part in path[:-1])
        within = f"{around} IS NULL OR " if around else ""
        cause = literal(f"{rule}: is missing, and required")
        rules.append(Rule(rule, f"({within}{column} IS NOT NULL)", cause))
    if f.enum:
        options = ", ".join(literal(v) for v in f.enum)
        add("enum", f"{column} IN ({options})", f"one of {', '.join(f.enum)}")
    if f.minimum is not None:
        add("minimum", f"{column} >= {_bound(f.minimum)}", f"at least {_shown(f.minimum)}")
    if f.maximum is not None:
        add("maximum", f"{column} <= {_bound(f.maximum)}", f"at most {_shown(f.maximum)}")
    size, unit = f"CHAR_LENGTH({column})", "characters"
    if f.type.kind == "array":
        size, unit = f"CARDINALITY({column})", "items"
    if f.min_length is not None:
        shown = size if unit == "items" else ""
        add("min_length", f"{size} >= {f.min_length}", f"{f.min_length} or more {unit}", shown)
    if f.max_length is not None:
        shown = size if unit == "items" else ""
        add("max_length", f"{size} <= {f.max_length}", f"at most {f.max_length} {unit}", shown)
    if f.pattern is not None:
        add("pattern", f"REGEXP({column}, {literal(f.pattern)})", f"to match {f.pattern}")
    return rules


def _rule(name: str, holds: str, shown: str, expected: str) -> Rule:
    value = f"LEFT(COALESCE(CAST({shown} AS STRING), 'NULL'), {_SHOWN_CHARACTERS})"
    cause = f"CONCAT({literal(f'{name}: is ')}, {value}, {literal(f', expected {expected}')})"
    return Rule(name, holds, cause)


def _own_rule(rule: RowRule, columns: dict[str, FieldType]) -> Rule:
    """A condition of the contract's own; it states the values that the condition reads."""
    from sqlglot import exp

    condition = parse_condition(rule.condition, columns)
    read = dict.fromkeys(column_path(c) for c in condition.find_all(exp.Column))
    parts: list[str] = []
    for path in read:
        column = ".".join(identifier(part) for part in path)
        parts += [literal(f"{', ' if parts else ''}{'.'.join(path)} "), _text(column)]
    shown = f"CONCAT({', '.join(parts)})" if parts else "'NULL'"
    return _rule(rule.name, render(condition, Backticks), shown, rule.condition)


def _text(column: str) -> str:
    return f"COALESCE(CAST({column} AS STRING), 'NULL')"


def _bound(bound: Bound) -> str:
    if isinstance(bound, datetime):
        if bound.tzinfo is None:
            return f"TIMESTAMP '{bound.isoformat(' ', 'microseconds')}'"
        return f"TO_TIMESTAMP_LTZ({round(bound.timestamp() * 1000)}, 3)"
    if isinstance(bound, date):
        return f"DATE '{bound.isoformat()}'"
    return f"{bound:f}"


def _shown(bound: Bound) -> str:
    return bound.isoformat() if isinstance(bound, date) else f"{bound:f}"


def _epoch_rule(contract: Contract) -> Rule:
    """Windows are counted from 1970; a clock from before it is broken."""
    clock = identifier(contract.event_time)
    holds = f"({clock} IS NULL OR {clock} >= TO_TIMESTAMP_LTZ(0, 3))"
    return _rule(f"{contract.event_time}.epoch", holds, clock, "1970 or later")


def _clock_rule(contract: Contract) -> Rule:
    """The broker's clock is the one that is trusted: topics stamp records on append."""
    clock = identifier(contract.event_time)
    seconds = int(contract.clock_skew.total_seconds())
    allowed = f"`kafka_timestamp` + {interval(contract.clock_skew)}"
    holds = f"({clock} IS NULL OR {clock} <= {allowed})"
    name = f"{contract.event_time}.clock"
    cause = (
        f"CONCAT({literal(f'{name}: is ')}, CAST({clock} AS STRING), "
        f"{literal(f', more than {seconds} s ahead of the broker, which says ')}, "
        "CAST(`kafka_timestamp` AS STRING))"
    )
    return Rule(name, holds, cause)
