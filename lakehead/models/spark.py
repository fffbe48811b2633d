"""A model as Spark SQL: the batch answer, and the statement that puts it in the stream's place."""

from lakehead.contracts.sql import identifier, table_identifier
from lakehead.models import dialect
from lakehead.models.model import SETTLED, WINDOW_COLUMNS, Model


def windows(model: Model, event_time: str, relation: str) -> str:
    """The model's windows over ``relation``: window_start, window_end, then its own columns."""
    types = {name: kind.spark() for name, kind in model.columns.items()}
    seconds = int(model.window.total_seconds())
    start = f"timestamp_seconds(unix_seconds({identifier(event_time)}) div {seconds} * {seconds})"
    return dialect.windows(model, "spark", types, relation, start)


def differing(model: Model, batch: str) -> str:
    """How a merge of ``batch`` would change the mart: one row of counts.

    ``settled`` rows have the right values and only the stream's word for them.
    """
    return (
        f"SELECT count(s.window_start) AS windows,\n"
        f"  count_if(t.window_start IS NULL) AS added,\n"
        f"  count_if(s.window_start IS NULL) AS removed,\n"
        f"  count_if(t.window_start IS NOT NULL AND s.window_start IS NOT NULL"
        f" AND ({_changed(model)})) AS changed,\n"
        f"  count_if(t.window_start IS NOT NULL AND s.window_start IS NOT NULL"
        f" AND NOT ({_changed(model)}) AND t.{SETTLED} IS NULL) AS settled\n"
        f"FROM {batch} s FULL OUTER JOIN closed_mart t ON {_matching(model)}"
    )


def merge(model: Model, batch: str, closed: str) -> str:
    """Replace the closed windows by ``batch``, in one commit.

    ``closed`` is a condition on ``window_start`` and ``window_end``: which windows.
    """
    table = table_identifier(model.table)
    columns = [*WINDOW_COLUMNS, *model.columns, SETTLED]
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
    """Whether ``t`` and ``s`` are of one window and key; keys may be NULL."""
    columns = [identifier(c) for c in ("window_start", *model.keys)]
    return " AND ".join(_same(f"t.{c}", f"s.{c}") for c in columns)


def _same(left: str, right: str) -> str:
    return f"{left} <=> {right}"


def _changed(model: Model) -> str:
    columns = [identifier(c) for c in model.measures]
    return " OR ".join(f"NOT ({_same(f't.{c}', f's.{c}')})" for c in columns)
