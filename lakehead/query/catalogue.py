"""What tables there are, by their metadata alone, and some rows of one."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehead.lake.snapshots import (
    TableState,
    known_table,
    list_tables,
    table_states,
    unknown_table,
)
from lakehead.query.engine import run
from lakehead.query.result import Result
from lakehead.query.types import quoted_table
from lakehead.settings import Settings


@dataclass(frozen=True)
class Listed:
    """A table as its newest snapshot's own counts have it; None is what they do not say.

    ``age_seconds`` is how long ago the newest commit was; times are ISO-8601 in UTC.
    """

    table: str
    rows: int | None
    files: int | None
    bytes: int | None
    committed_at: str | None
    age_seconds: float | None


def tables(
    settings: Settings, pattern: str | None = None, now: datetime | None = None
) -> list[Listed]:
    """The tables whose name is like ``pattern`` (``*`` and ``?``), else has it within.

    Raises:
        UserError: there is no lake, or no such table.
        SystemFailure: the catalog or a table's metadata cannot be read.
    """
    names = list_tables(settings)
    found = names if pattern is None else matching(pattern, names)
    states = table_states(settings, dict.fromkeys(found))
    return [listed(state, now or datetime.now(UTC)) for state in states.values()]


def sample(settings: Settings, name: str, rows: int) -> Result:
    """Some rows of the table ``name``: the first that are found. Raises as `tables`."""
    table = known_table(name, list_tables(settings))
    return run(settings, f"FROM {quoted_table(table)} LIMIT ?", [rows])


def matching(pattern: str, names: Sequence[str], *, whole: bool = False) -> list[str]:
    """The names like ``pattern`` (``*`` and ``?``); else, unless ``whole``, that have it within.

    Raises:
        UserError: none is.
    """
    wanted = pattern.lower()
    if whole or any(c in wanted for c in "*?["):
        found = [n for n in names if fnmatch.fnmatchcase(n.lower(), wanted)]
    else:
        found = [n for n in names if wanted in n.lower()]
    if not found:
        raise unknown_table(pattern, names)
    return found


def listed(state: TableState, now: datetime) -> Listed:
    at = state.committed_at
    return Listed(
        table=state.name,
        rows=_rows(state),
        files=_count(state, "total-data-files"),
        bytes=_count(state, "total-files-size"),
        committed_at=iso(at) if at else None,
        age_seconds=round((now - at).total_seconds(), 3) if at else None,
    )


def _rows(state: TableState) -> int | None:
    rows = _count(state, "total-records")
    # How many rows an equality delete takes is only known by reading.
    if rows is None or _count(state, "total-equality-deletes"):
        return None
    return rows - (_count(state, "total-position-deletes") or 0)


def _count(state: TableState, key: str) -> int | None:
    text = state.summary.get(key, "0" if state.snapshot is None else "")
    return int(text) if text.isdecimal() else None


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
