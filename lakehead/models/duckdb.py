"""A model as a DuckDB query."""

from collections.abc import Mapping

from lakehead.models.batch import Engine
from lakehead.models.bind import Bound


class DuckDB(Engine):
    name = "duckdb"
    no_time = "TIMESTAMPTZ"

    def quote(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def micros(self, timestamp: str) -> str:
        return f"epoch_us({timestamp})"

    def timestamp(self, ms: str) -> str:
        return f"make_timestamptz(({ms}) * 1000)"

    def divided(self, left: str, right: int) -> str:
        return f"{left} // {right}"


def answer(bound: Bound, relations: Mapping[str, str], late: bool = False) -> str:
    """See ``Engine.answer``."""
    return DuckDB().answer(bound, relations, late)


def in_windows(bound: Bound, relations: Mapping[str, str]) -> str:
    """See ``Engine.in_windows``."""
    return DuckDB().in_windows(bound, relations)
