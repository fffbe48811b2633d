"""One query over the lake and the tail.

1. The states of all tables are read in one transaction: the engine does.
2. Then the end of each topic is asked for, once. So nothing that a snapshot has lies behind it.
3. The tail between is read and judged, and stands in the views of the tables (``rows``, ``marts``).

A commit that lands between 1 and 3 changes nothing: the snapshots of 1 are read.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.lake.snapshots import TableState
from lakehead.live import marts, rows
from lakehead.live.streams import contract_of
from lakehead.live.tail import Limits, Source
from lakehead.live.tails import MakeTopic, Tails
from lakehead.live.topic import KafkaTopic
from lakehead.live.warm import Warmer
from lakehead.models.bind import Bound
from lakehead.proof.evidence import LEDGER
from lakehead.query.engine import run
from lakehead.query.freshness import Freshness
from lakehead.query.result import Result
from lakehead.query.sandbox import Guest
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Parameters = Sequence[object] | Mapping[str, object] | None


class Live:
    """Answers up to the last event. It keeps the tails that it has read, so that who asks again has
    little to read; close it after. Threads may share it.

    ``limits`` are of each stream's tail. ``topic`` makes what records are read from: Kafka.
    ``warm``: tails that were asked for are kept decoded by a thread (`warm`), for who asks often.
    """

    def __init__(
        self,
        settings: Settings,
        limits: Limits | None = None,
        topic: MakeTopic = KafkaTopic,
        warm: bool = False,
    ) -> None:
        self._settings = settings
        self._tails = Tails(settings, limits, topic)
        self._warmer = Warmer(settings, self._tails) if warm else None
        if self._warmer is not None:
            self._warmer.start()

    def run(self, sql: str, params: Parameters = None) -> Result:
        """As `answer`, of the tails that it keeps."""
        return answer(self._settings, self._tails, sql, params)

    def close(self) -> None:
        if self._warmer is not None:
            self._warmer.close()
        self._tails.close()

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def answer(
    settings: Settings,
    source: Source,
    sql: str,
    params: Parameters = None,
    guest: Guest | None = None,
) -> Result:
    """As `lakehead.query.engine.run`, with the tail; ``freshness`` of the result says up to where.

    Raises:
        UserError: also where a tail is longer than may be kept.
        NotRunning: Kafka does not answer, or the schema registry of a stream in Avro.
        SystemFailure: also where Kafka does not give what it says that it has.
    """
    views = _Views(settings, source, guest)
    result = run(settings, sql, params, extension=views, guest=guest)
    result.freshness = views.freshness
    return result


class _Views:
    """The engine's extension, for one query."""

    def __init__(self, settings: Settings, source: Source, guest: Guest | None) -> None:
        self._settings = settings
        self._source = source
        # Without the ledger a fence is lower, and as right.
        self._with_ledger = guest is None or guest.sees(LEDGER)
        self._named: set[str] = set()
        self._streams: dict[str, Contract] = {}
        self._marts: dict[str, Bound] = {}
        self.freshness: dict[str, Freshness] = {}

    def needs(self, tables: Collection[str], known: Collection[str]) -> Collection[str]:
        self._named = set(tables)
        self._streams, self._marts = {}, {}
        ledger = False
        for table in tables:
            if (contract := contract_of(self._settings, table)) is not None:
                self._streams[contract.stream] = contract
                ledger |= table == contract.dead_table
            elif (bound := marts.model_of(self._settings, table)) is not None:
                self._marts[table] = bound
                for stream in bound.streams:
                    self._streams[stream] = contract_in_force(self._settings, stream)
        if tables and not (self._streams or self._marts):
            raise UserError(
                f"nothing comes to {', '.join(sorted(tables))} from Kafka; live are landing tables,"
                " dead tables, and the marts of models",
                "ask without --live; in a session, SET lakehead.live = off",
            )
        more = {t for c in self._streams.values() for t in (c.landing_table, c.dead_table)}
        if ledger and self._with_ledger:
            more.add(LEDGER)
        return more & set(known)

    def make_views(
        self, con: "DuckDBPyConnection", states: Mapping[str, TableState]
    ) -> Collection[str]:
        self.freshness = {}
        reached = {}
        made = set()
        for stream, contract in self._streams.items():
            with_dead = contract.dead_table in self._named
            reached[stream] = rows.make_live(
                con, self._settings, contract, self._source, states, with_dead
            )
            made |= {contract.landing_table, contract.dead_table}
        read_at = datetime.now(UTC)
        for stream, contract in self._streams.items():
            found = reached[stream]
            counted = {contract.landing_table: found.landed, contract.dead_table: found.dead}
            for table in counted.keys() & self._named:
                self.freshness[table] = Freshness(
                    read_at=read_at,
                    newest_event_time=found.reach.newest,
                    offsets=_newest(found.end),
                    fence=_texts(found.fence),
                    gone=_texts(found.gone),
                    tail_rows=counted[table],
                )
        for table, bound in self._marts.items():
            open_ = marts.make_live(con, self._settings, bound, states)
            made.add(table)
            streams = [(f"{s}/" if i else "", reached[s]) for i, s in enumerate(bound.streams)]
            self.freshness[table] = Freshness(
                read_at=read_at,
                newest_event_time=streams[0][1].reach.newest,
                offsets={f"{n}{p}": o for n, r in streams for p, o in _newest(r.end).items()},
                fence={f"{n}{p}": o for n, r in streams for p, o in r.fence.items()},
                gone={f"{n}{p}": o for n, r in streams for p, o in r.gone.items()},
                tail_rows=sum(r.landed for _, r in streams),
                closed_until=open_.closed_until,
                open_rows=open_.open,
            )
        return made


def _newest(ends: Mapping[int, int]) -> dict[str, int]:
    return {str(p): end - 1 for p, end in ends.items() if end > 0}


def _texts(offsets: Mapping[int, int]) -> dict[str, int]:
    return {str(p): o for p, o in offsets.items()}
