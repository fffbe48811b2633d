"""What the ledger adds up to, by stream and by day or hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lakehead.errors import UserError
from lakehead.lake.snapshots import list_tables
from lakehead.proof.evidence import LEDGER
from lakehead.query.engine import connect
from lakehead.settings import Settings

Period = Literal["all", "day", "hour"]


@dataclass(frozen=True)
class Total:
    """Counts of offsets: ``produced`` = ``landed`` + ``dead`` + ``empty`` + ``lost``.

    ``since`` is when the day or hour began, None for all of it. ``first`` and ``last`` are the
    broker's times of the first and the last record. All are ISO-8601 in UTC.
    """

    stream: str
    since: str | None
    produced: int
    landed: int
    late: int
    dead: int
    redriven: int
    empty: int
    lost: int
    first: str | None
    last: str | None


def totals(settings: Settings, streams: Sequence[str], period: Period = "all") -> list[Total]:
    """The ledger of some streams, of all where none is named.

    Raises:
        UserError: there is no lake, or a stream that the ledger has nothing of.
    """
    if LEDGER not in list_tables(settings):
        return []
    since = "NULL::TIMESTAMPTZ" if period == "all" else f"date_trunc('{period}', last_timestamp)"
    with connect(settings, {LEDGER: None}) as lake:
        known = [row[0] for row in lake.execute(f"SELECT DISTINCT stream FROM {LEDGER}").fetchall()]
        for stream in streams:
            if stream not in known:
                raise UserError(
                    f"the ledger has nothing of {stream!r}; it has {', '.join(sorted(known))}",
                    f"lakehead submit {stream}",
                )
        found = lake.execute(
            f"SELECT stream, {since} AS since, sum(next_offset - first_offset)::BIGINT,"
            " sum(landed)::BIGINT, sum(late)::BIGINT, sum(dead)::BIGINT, sum(redriven)::BIGINT,"
            " sum(empty)::BIGINT,"
            " sum(next_offset - first_offset - landed - dead - empty)::BIGINT,"
            " min(first_timestamp), max(last_timestamp)"
            f" FROM {LEDGER} WHERE list_contains($1, stream) GROUP BY 1, 2 ORDER BY 1, 2",
            [list(streams) or known],
        ).fetchall()
    return [Total(*map(_shown, row)) for row in found]


def _shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
