"""``dead list``: what died by which rule, when, how fast, and how much of it was sent again."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakehead.contracts.model import DEAD_SUFFIX, LANDING
from lakehead.deadletters.ledger import redriven_of
from lakehead.deadletters.table import dead_table
from lakehead.lake.snapshots import list_tables
from lakehead.query.failures import translated
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HOURS = 24


@dataclass(frozen=True)
class Rates:
    """Records that died in the last minute, hour and day, by the broker's clock.

    ``hours`` are those of each of the last 24 hours, the oldest first.
    """

    minute: int
    hour: int
    day: int
    hours: list[int]


@dataclass(frozen=True)
class CauseGroup:
    """Dead records that broke ``rule``; ``example`` is one of their causes. Times are ISO-8601."""

    rule: str
    dead: int
    redriven: int
    first: str
    last: str
    rates: Rates
    example: str


@dataclass(frozen=True)
class StreamDead:
    """``dead`` rows of the dead table, ``redriven`` of them sent again; ``open`` are the others.

    A record that broke several rules is counted once here, and under each of them in ``causes``,
    the most frequent first. ``first`` and ``last`` are None where nothing died.
    """

    stream: str
    dead: int
    redriven: int
    open: int
    first: str | None
    last: str | None
    rates: Rates
    causes: list[CauseGroup]


def streams_with_dead_tables(settings: Settings) -> list[str]:
    """Raises UserError where there is no lake."""
    tables = [name.partition(".") for name in list_tables(settings)]
    return [
        table.removesuffix(DEAD_SUFFIX)
        for namespace, _, table in tables
        if namespace == LANDING and table.endswith(DEAD_SUFFIX)
    ]


def list_dead(settings: Settings, stream: str, now: datetime | None = None) -> StreamDead:
    """Count the dead records of a stream. Nothing need run.

    Raises:
        UserError: no such stream, or its tables were never made.
        SystemFailure: the lake or the ledger cannot be read.
    """
    now = now or datetime.now(UTC)
    with dead_table(settings, stream, redriven_of(settings, stream)) as table, translated():
        con = table.con
        # Once, for the rules are found anew wherever they are asked for.
        con.execute(
            "CREATE TABLE died AS SELECT unnest(rules) AS rule, cause, kafka_timestamp AS died_at,"
            " is_redriven, generate_subscripts(rules, 1) = 1 AS is_first FROM dead"
        )
        con.execute("CREATE TABLE clock AS SELECT ?::TIMESTAMPTZ AS now", [now])
        wholes = _grouped(con, "''", "WHERE is_first")
        causes = _grouped(con, "rule", "")
    if not wholes:
        nothing = Rates(0, 0, 0, [0] * _HOURS)
        return StreamDead(stream, 0, 0, 0, None, None, nothing, [])
    [whole] = wholes
    return StreamDead(
        stream,
        whole.dead,
        whole.redriven,
        whole.dead - whole.redriven,
        whole.first,
        whole.last,
        whole.rates,
        causes,
    )


def _grouped(con: "DuckDBPyConnection", by: str, which: str) -> list[CauseGroup]:
    hours: dict[str, list[int]] = defaultdict(lambda: [0] * _HOURS)
    for rule, ago, count in con.execute(
        f"SELECT {by}, date_diff('second', died_at, now) // 3600 AS ago, count(*) FROM died, clock"
        f" {which} GROUP BY ALL HAVING ago < {_HOURS}"
    ).fetchall():
        # The broker's clock may be a little ahead.
        hours[rule][_HOURS - 1 - max(ago, 0)] += count
    rows = con.execute(
        f"SELECT {by} AS rule, count(*), count(*) FILTER (is_redriven), min(died_at), max(died_at),"
        " count(*) FILTER (died_at > now - INTERVAL 1 MINUTE),"
        " count(*) FILTER (died_at > now - INTERVAL 1 HOUR),"
        " count(*) FILTER (died_at > now - INTERVAL 1 DAY), min(cause)"
        f" FROM died, clock {which} GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return [
        CauseGroup(
            rule,
            dead,
            redriven,
            first.isoformat(),
            last.isoformat(),
            Rates(minute, hour, day, hours[rule]),
            example,
        )
        for rule, dead, redriven, first, last, minute, hour, day, example in rows
    ]
