"""A model as a DuckDB query."""

from lakehead.models import dialect
from lakehead.models.model import Model


def windows(model: Model, event_time: str, relation: str) -> str:
    """The model's windows over ``relation``: window_start, window_end, then its own columns."""
    types = {name: kind.duckdb() for name, kind in model.columns.items()}
    return dialect.windows(model, "duckdb", types, relation, window_start(model, event_time))


def window_start(model: Model, event_time: str) -> str:
    """The start of the window that ``event_time`` lies in."""
    micros = model.window_ms * 1000
    return f'make_timestamptz((epoch_us("{event_time}") // {micros}) * {micros})'
