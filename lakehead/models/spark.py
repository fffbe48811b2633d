"""A model as Spark SQL: the batch answer, and the statement that puts it in the stream's place."""

from collections.abc import Mapping
from datetime import datetime

from lakehead.contracts.sql import identifier, table_identifier
from lakehead.models.batch import Engine
from lakehead.models.bind import Bound
from lakehead.models.header import SETTLED
from lakehead.models.model import Model


class Spark(Engine):
    name = "spark"
    no_time = "TIMESTAMP"

    def quote(self, name: str) -> str:
        return identifier(name)

    def micros(self, timestamp: str) -> str:
        return f"unix_micros({timestamp})"

    def timestamp(self, ms: str) -> str:
        return f"timestamp_millis({ms})"

    def divided(self, left: str, right: int) -> str:
        return f"({left}) div {right}"


def answer(bound: Bound, relations: Mapping[str, str], late: bool = False) -> str:
    """See ``Engine.answer``."""
    return Spark().answer(bound, relations, late)


def closed(
    model: Model, at: datetime, start: datetime | None = None, end: datetime | None = None
) -> str:
    """Which rows of a mart, or of an answer, are settled: those closed ``at`` a time.

    Of them those that begin at or after ``start`` and before ``end``; None is no bound.
    """
    begins = identifier(model.partition_by)
    parts = [f"{identifier(t)} <= {_timestamp(at)}" for t in model.ends]
    if start is not None:
        parts.append(f"{begins} >= {_timestamp(start)}")
    if end is not None:
        parts.append(f"{begins} < {_timestamp(end)}")
    return " AND ".join(parts)


def begins_before(model: Model, start: datetime) -> str:
    """Which rows of a mart begin before ``start``: those that `closed` from there on leaves out."""
    return f"{identifier(model.partition_by)} < {_timestamp(start)}"


def differing(model: Model, batch: str) -> str:
    """How a merge of ``batch`` would change the mart: one row of counts.

    ``settled`` rows have the right values and only the stream's word for them.
    """
    there, here = (f"{side}.{identifier(model.partition_by)}" for side in ("t", "s"))
    both = f"{there} IS NOT NULL AND {here} IS NOT NULL"
    return (
        f"SELECT count({here}) AS windows,\n"
        f"  count_if({there} IS NULL) AS added,\n"
        f"  count_if({here} IS NULL) AS removed,\n"
        f"  count_if({both} AND ({_changed(model)})) AS changed,\n"
        f"  count_if({both} AND NOT ({_changed(model)}) AND t.{SETTLED} IS NULL) AS settled\n"
        f"FROM {batch} s FULL OUTER JOIN closed_mart t ON {_matching(model)}"
    )


def merge(model: Model, batch: str, closed: str, into: str) -> str:
    """Replace the closed rows of the table ``into`` by ``batch``, in one commit.

    ``closed`` is the condition that says which they are.
    """
    table = table_identifier(into)
    columns = list(model.mart_columns)
    names = ", ".join(identifier(c) for c in columns)
    values = ", ".join(f"s.{identifier(c)}" for c in columns)
    updates = ", ".join(
        f"t.{identifier(c)} = s.{identifier(c)}" for c in [*model.measures, SETTLED]
    )
    return (
        f"MERGE INTO {table} t USING {batch} s ON {_matching(model)}\n"
        f"WHEN MATCHED AND (t.{SETTLED} IS NULL OR {_changed(model)}) THEN UPDATE SET {updates}\n"
        f"WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})\n"
        f"WHEN NOT MATCHED BY SOURCE AND {closed} THEN DELETE"
    )


def _matching(model: Model) -> str:
    """Whether ``t`` and ``s`` are one row; keys may be NULL."""
    return " AND ".join(_same(identifier(c)) for c in model.identity)


def _same(column: str) -> str:
    return f"t.{column} <=> s.{column}"


def _changed(model: Model) -> str:
    return " OR ".join(f"NOT ({_same(identifier(c))})" for c in model.measures) or "FALSE"


def _timestamp(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.isoformat()}'"
