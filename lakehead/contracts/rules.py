"""A contract's row rules as SQL.

Each rule is a pair: a condition that is TRUE or FALSE and never NULL, and the cause that a dead
row states when it is FALSE. The SQL is what Flink and ANSI engines share; names are quoted.
"""

from dataclasses import dataclass
from datetime import timedelta

from lakehead.contracts.model import Contract, Field
from lakehead.errors import UserError

MAXIMUM_DAYS = 999


@dataclass(frozen=True)
class Rule:
    """``holds`` is a SQL condition; ``cause`` a SQL string expression for when it does not."""

    name: str
    holds: str
    cause: str


def identifier(name: str) -> str:
    """``name`` quoted for Flink and Spark."""
    return "`" + name.replace("`", "``") + "`"


def table_identifier(name: str) -> str:
    """``landing.orders`` with each part quoted."""
    return ".".join(identifier(part) for part in name.split("."))


def literal(text: str) -> str:
    """``text`` as a SQL string."""
    return "'" + text.replace("'", "''") + "'"


def interval(length: timedelta) -> str:
    """``length``, to the millisecond, as a SQL interval.

    Raises:
        UserError: more than 999 days, which Flink's intervals do not hold.
    """
    if length.days > MAXIMUM_DAYS:
        raise UserError(f"{length.days} days is too long, expected at most {MAXIMUM_DAYS} days")
    hours, rest = divmod(length.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    clock = f"{hours:02}:{minutes:02}:{seconds:02}.{length.microseconds // 1000:03}"
    return f"INTERVAL '{length.days} {clock}' DAY(3) TO SECOND(3)"


def row_rules(contract: Contract) -> list[Rule]:
    """All rules that one event must keep to be landed, in the order of its fields."""
    rules = [rule for f in contract.fields for rule in _field_rules(f)]
    return [*rules, _epoch_rule(contract), _clock_rule(contract)]


def _field_rules(f: Field) -> list[Rule]:
    column = identifier(f.name)
    rules: list[Rule] = []

    def add(kind: str, condition: str, expected: str) -> None:
        shown = f"COALESCE(CAST({column} AS STRING), 'NULL')"
        cause = f"CONCAT({literal(f'{f.name}: is ')}, {shown}, {literal(f', expected {expected}')})"
        rules.append(Rule(f"{f.name}.{kind}", f"({column} IS NULL OR {condition})", cause))

    if f.required:
        cause = literal(f"{f.name}: is missing, and required")
        rules.append(Rule(f"{f.name}.required", f"{column} IS NOT NULL", cause))
    if f.enum:
        options = ", ".join(literal(v) for v in f.enum)
        add("enum", f"{column} IN ({options})", f"one of {', '.join(f.enum)}")
    if f.minimum is not None:
        add("minimum", f"{column} >= {f.minimum}", f"at least {f.minimum}")
    if f.maximum is not None:
        add("maximum", f"{column} <= {f.maximum}", f"at most {f.maximum}")
    if f.min_length is not None:
        add("min_length", f"CHAR_LENGTH({column}) >= {f.min_length}", f"{f.min_length}+ characters")
    if f.max_length is not None:
        add(
            "max_length",
            f"CHAR_LENGTH({column}) <= {f.max_length}",
            f"at most {f.max_length} characters",
        )
    if f.pattern is not None:
        add("pattern", f"REGEXP({column}, {literal(f.pattern)})", f"to match {f.pattern}")
    return rules


def _epoch_rule(contract: Contract) -> Rule:
    """Windows are counted from 1970; a clock from before it is broken."""
    clock = identifier(contract.event_time)
    cause = (
        f"CONCAT({literal(f'{contract.event_time}: is ')}, CAST({clock} AS STRING), "
        "', expected 1970 or later')"
    )
    holds = f"({clock} IS NULL OR {clock} >= TO_TIMESTAMP_LTZ(0, 3))"
    return Rule(f"{contract.event_time}.epoch", holds, cause)


def _clock_rule(contract: Contract) -> Rule:
    """The broker's clock is the one that is trusted: topics stamp records on append."""
    clock = identifier(contract.event_time)
    seconds = int(contract.clock_skew.total_seconds())
    allowed = f"`kafka_timestamp` + {interval(contract.clock_skew)}"
    holds = f"({clock} IS NULL OR {clock} <= {allowed})"
    cause = (
        f"CONCAT({literal(f'{contract.event_time}: is ')}, CAST({clock} AS STRING), "
        f"{literal(f', more than {seconds} s ahead of the broker, which says ')}, "
        "CAST(`kafka_timestamp` AS STRING))"
    )
    return Rule(f"{contract.event_time}.clock", holds, cause)
