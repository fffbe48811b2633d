"""The rules between events, held against every landed row: ``uniqueWithin`` and references.

A stream job sees one event at a time; these need the others, so they are verified in the lake.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import LANDING, Contract, Field
from lakehead.contracts.words import duration
from lakehead.query.engine import connect
from lakehead.query.types import quoted
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHOWN = 5


@dataclass(frozen=True)
class Violation:
    """A row that breaks a rule: its key, the value, and where it lay in Kafka."""

    key: Any
    value: Any
    partition: int
    offset: int


@dataclass(frozen=True)
class RuleResult:
    """``checked`` counts rows that have a value; ``examples`` are the first few violations."""

    rule: str
    checked: int
    violations: int
    examples: list[Violation]


def verify(settings: Settings, stream: str) -> list[RuleResult]:
    """Each rule between events of ``stream``, over one snapshot of every table that it needs.

    ``uniqueWithin``: two rows with an equal value whose event times are closer than the given
    time; the later one is the violation. A reference: a value that is the key of no landed event.

    Raises:
        UserError: no such stream, or a table that the rules need is not there yet.
    """
    contract = contract_in_force(settings, stream)
    linked = [f.references.stream for f in contract.fields if f.references]
    unique = [f for f in contract.fields if f.unique_within is not None]
    if not (linked or unique):
        return []
    tables = {contract.landing_table: None, **{f"{LANDING}.{s}": None for s in linked}}
    results = []
    with connect(settings, tables) as lake:
        for f in contract.fields:
            if f.unique_within is not None:
                results.append(_unique(lake, contract, f, f.unique_within))
            if f.references is not None:
                results.append(_reference(lake, contract, f))
    return results


def _unique(
    lake: "DuckDBPyConnection", contract: Contract, field: Field, within: timedelta
) -> RuleResult:
    value, clock = quoted(field.name), quoted(contract.event_time)
    order = f"{clock}, kafka_partition, kafka_offset"
    before = f"lag({clock}) OVER (PARTITION BY {value} ORDER BY {order})"
    rows = (
        f"SELECT {_columns(contract, field)}, date_diff('microsecond', {before}, {clock}) AS gap"
        f" FROM {_table(contract.stream)} WHERE {value} IS NOT NULL"
    )
    microseconds = within // timedelta(microseconds=1)
    rule = f"{field.name}: no value twice within {duration(within)}"
    return _result(lake, rule, f"SELECT *, coalesce(gap < ?, FALSE) FROM ({rows})", [microseconds])


def _reference(lake: "DuckDBPyConnection", contract: Contract, field: Field) -> RuleResult:
    reference = field.references
    assert reference is not None
    value = quoted(field.name)
    known = f"SELECT {quoted(reference.field)} FROM {_table(reference.stream)}"
    # NULLs are left out: with one among them, NOT IN would be true of nothing.
    known += f" WHERE {quoted(reference.field)} IS NOT NULL"
    rows = (
        f"SELECT {_columns(contract, field)}, NULL AS gap, {value} NOT IN ({known})"
        f" FROM {_table(contract.stream)} WHERE {value} IS NOT NULL"
    )
    return _result(lake, f"{field.name}: found in {reference}", rows, [])


def _result(
    lake: "DuckDBPyConnection", rule: str, rows: str, parameters: list[object]
) -> RuleResult:
    """``rows`` are key, value, partition, offset, gap, and whether the row breaks the rule."""
    judged = f"SELECT * FROM ({rows}) AS t(k, v, p, o, gap, broken)"
    counted = lake.execute(
        f"SELECT count(*), count(*) FILTER (broken) FROM ({judged})", parameters
    ).fetchone()
    assert counted is not None
    found = lake.execute(
        f"SELECT k, v, p, o FROM ({judged}) WHERE broken ORDER BY p, o LIMIT {_SHOWN}", parameters
    ).fetchall()
    return RuleResult(rule, counted[0], counted[1], [Violation(*row) for row in found])


def _columns(contract: Contract, field: Field) -> str:
    return f"{quoted(contract.key)}, {quoted(field.name)}, kafka_partition, kafka_offset"


def _table(stream: str) -> str:
    return f"{quoted(LANDING)}.{quoted(stream)}"
