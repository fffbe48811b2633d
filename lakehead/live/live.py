"""One query over the lake and the tail.

1. The states of all tables are read in one transaction: the engine does.
2. Then the end of each topic is asked for, once. So nothing that a snapshot has lies behind it.
3. The tail between is read and judged, and stands in the views of the tables (``rows``, ``marts``).

A commit that lands between 1 and 3 changes nothing: the snapshots of 1 are read.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import Contract
from lakehead.deadletters.codec import judge_of
from lakehead.errors import UserError
from lakehead.lake.snapshots import TableState
from lakehead.live import marts, rows
from lakehead.live.streams import contract_of
from lakehead.live.tail import Limits, Tail
from lakehead.live.topic import KafkaTopic, Topic
from lakehead.models.bind import Bound
from lakehead.proof.evidence import LEDGER
from lakehead.query.engine import run
from lakehead.query.freshness import Freshness
from lakehead.query.result import Result
from lakehead.settings import Settings
from lakehead.streams import registry

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MakeTopic = Callable[[Settings, str], Topic]


class Live:
    """Answers up to the last event. It keeps the tails that it has read, so that who asks again has
    little to read; close it after. Threads may share it.

    ``limits`` are of each stream's tail. ``topic`` makes what records are read from: Kafka.
    """

    def __init__(
        self, settings: Settings, limits: Limits | None = None, topic: MakeTopic = KafkaTopic
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._topic = topic
        self._lock = threading.Lock()
        self._tails: dict[str, Tail] = {}

    def run(
        self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None
    ) -> Result:
        """As `lakehead.query.engine.run`, with the tail; ``freshness`` of the result says up to
        where.

        Raises:
            UserError: also where a tail is longer than may be kept.
            NotRunning: Kafka does not answer, or the schema registry of a stream in Avro.
            SystemFailure: also where Kafka does not give what it says that it has.
        """
        views = _Views(self._settings, self._tail)
        result = run(self._settings, sql, params, extension=views)
        result.freshness = views.freshness
        return result

    def close(self) -> None:
        with self._lock:
            for tail in self._tails.values():
                tail.close()
            self._tails = {}

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tail(self, contract: Contract) -> Tail:
        if contract.encoding == "avro":
            # What cannot be decoded only because nobody says how is not dead.
            registry.probe(self._settings)
        with self._lock:
            tail = self._tails.get(contract.stream)
            if tail is None or tail.contract != contract:
                if tail is not None:
                    tail.close()
                topic = self._topic(self._settings, contract.topic)
                judge = judge_of(self._settings, contract)
                tail = Tail(contract, judge, topic, self._limits)
                self._tails[contract.stream] = tail
            return tail


class _Views:
    """The engine's extension, for one query."""

    def __init__(self, settings: Settings, tail: Callable[[Contract], Tail]) -> None:
        self._settings = settings
        self._tail = tail
        self._named: set[str] = set()
        self._streams: dict[str, Contract] = {}
        self._marts: dict[str, Bound] = {}
        self.freshness: dict[str, Freshness] = {}

    def needs(self, tables: Collection[str], known: Collection[str]) -> Collection[str]:
        self._named = set(tables)
        self._streams, self._marts = {}, {}
        more: set[str] = set()
        for table in tables:
            if (contract := contract_of(self._settings, table)) is not None:
                self._streams[contract.stream] = contract
                more |= {LEDGER} if table == contract.dead_table else set()
            elif (bound := marts.model_of(self._settings, table)) is not None:
                self._marts[table] = bound
                for stream in bound.streams:
                    self._streams[stream] = contract_in_force(self._settings, stream)
        if tables and not (self._streams or self._marts):
            raise UserError(
                f"nothing comes to {', '.join(sorted(tables))} from Kafka; live are landing tables,"
                " dead tables, and the marts of models",
                "ask without --live",
            )
        for contract in self._streams.values():
            more |= {contract.landing_table, contract.dead_table}
        return more & set(known)

    def make_views(
        self, con: "DuckDBPyConnection", states: Mapping[str, TableState]
    ) -> Collection[str]:
        self.freshness = {}
        reached = {}
        made = set()
        for stream, contract in self._streams.items():
            with_dead = contract.dead_table in self._named
            tail = self._tail(contract)
            reached[stream] = rows.make_live(con, self._settings, tail, states, with_dead)
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
