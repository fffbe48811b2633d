"""Publish what a stream has landed once more, to another topic, as it was.

Each record goes under the broker's time of then and by its key, to the partition that it had, in
the order that it had there, with the header ``lakehead-replayed-from: partition:offset``. Its bytes
are written anew, by the contract as it is now. Kafka needs none of the old records for it.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.load import contract_names
from lakehead.contracts.model import Contract
from lakehead.errors import SystemFailure, UserError
from lakehead.query.engine import connect
from lakehead.query.types import quoted, quoted_table
from lakehead.settings import Settings
from lakehead.streams.encode import encoder_of, key_text, moment_of
from lakehead.streams.interrupt import Stop
from lakehead.streams.produce.account import Deliveries
from lakehead.streams.sinks import KafkaSink, Sink
from lakehead.streams.topics import make_topic

HEADER = "lakehead-replayed-from"
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_TECHNICAL = ("kafka_partition", "kafka_offset", "kafka_timestamp", "watermark", "late")
_CHUNK_ROWS = 5_000
_FLUSH_SECONDS = 60.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class ReplayOptions:
    """What to publish, and how.

    topic   where to
    start   events from this time on; None is no bound, as for ``end``
    end     events before this time
    speed   how many times as fast as they came; None: as fast as possible

    Raises:
        UserError: a value that cannot be.
    """

    topic: str
    start: datetime | None = None
    end: datetime | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        if not _TOPIC.fullmatch(self.topic) or self.topic in (".", ".."):
            raise UserError(
                f"{self.topic!r} is no name of a topic; expected at most 249 letters, digits, '.', "
                "'_' or '-'",
                "lakehead replay orders --to-topic orders-again",
            )
        if self.speed is not None and not self.speed > 0:
            raise UserError(f"speed is {self.speed}, expected more than 0, such as 1 or 60")


@dataclass(frozen=True)
class Replayed:
    """``records`` were acknowledged; ``first`` and ``last`` are the broker's times of then,
    ISO-8601 in UTC. ``topic_made`` is whether the topic was not there before."""

    stream: str
    topic: str
    records: int
    first: str | None
    last: str | None
    seconds: float
    topic_made: bool = False


def plan_replay(settings: Settings, stream: str, options: ReplayOptions) -> Replayed:
    """What would be published.

    Raises:
        UserError: no such stream, nothing was landed, or the topic is one that a job reads.
    """
    contract = _contract(settings, stream, options)
    where, given = _condition(contract, options)
    with connect(settings, {contract.landing_table: None}) as lake:
        found = lake.execute(
            "SELECT count(*), min(kafka_timestamp), max(kafka_timestamp)"
            f" FROM {quoted_table(contract.landing_table)} WHERE {where}",
            given,
        ).fetchone()
    assert found
    count, first, last = found
    return Replayed(stream, options.topic, count, _iso(first), _iso(last), 0.0)


def replay(
    settings: Settings,
    stream: str,
    options: ReplayOptions,
    sink: Sink | None = None,
    count: Say = lambda _: None,
) -> Replayed:
    """Publish; after Ctrl-C it waits for what is on the way, and then says how far it came.

    Raises:
        UserError: as `plan_replay`.
        NotRunning: Kafka does not answer.
        SystemFailure: Kafka refused a record.
        KeyboardInterrupt: after Ctrl-C.
    """
    contract = _contract(settings, stream, options)
    made = False
    if sink is None:
        # Of another time than now, and not gone by its age at once.
        config = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
        made = make_topic(settings, options.topic, contract.partitions, config)
        sink = KafkaSink(settings)
    encoder = encoder_of(settings, contract)
    deliveries = Deliveries(options.topic)
    begun = time.monotonic()
    first = last = None
    with Stop() as stop:
        for row in _rows(settings, contract, options):
            at = row["kafka_timestamp"]
            first = first or at
            _wait(begun, (at - first).total_seconds(), options.speed, sink, stop)
            if stop.requested:
                break
            key = key_text(row[contract.key])
            event = {k: v for k, v in row.items() if k not in _TECHNICAL}
            place = f"{row['kafka_partition']}:{row['kafka_offset']}"
            while True:
                try:
                    sink.produce(
                        options.topic,
                        None if key is None else key.encode(),
                        encoder.encode_event(event),
                        deliveries.note,
                        row["kafka_partition"],
                        moment_of(at),
                        [(HEADER, place)],
                    )
                    break
                except BufferError:
                    sink.poll(0.1)
            last = at
            deliveries.sent += 1
            if deliveries.sent % _CHUNK_ROWS == 0:
                sink.poll(0)
                count(f"{deliveries.sent:,} records, up to {_iso(at)}")
        sink.flush(_FLUSH_SECONDS)
        _check(options.topic, deliveries)
        stop.resume()
    took = round(time.monotonic() - begun, 3)
    return Replayed(
        stream, options.topic, deliveries.acknowledged, _iso(first), _iso(last), took, made
    )


def _contract(settings: Settings, stream: str, options: ReplayOptions) -> Contract:
    contract = contract_in_force(settings, stream)
    if options.topic == contract.topic or options.topic in contract_names(settings.schemas):
        raise UserError(
            f"the topic {options.topic} is a stream's own: its job would land all of it once more",
            f"lakehead replay {stream} --to-topic {stream}-again",
        )
    return contract


def _condition(contract: Contract, options: ReplayOptions) -> tuple[str, dict[str, datetime]]:
    time_of = quoted(contract.event_time)
    given, parts = {}, ["TRUE"]
    if options.start:
        parts.append(f"{time_of} >= $start")
        given["start"] = options.start
    if options.end:
        parts.append(f"{time_of} < $end")
        given["end"] = options.end
    return " AND ".join(parts), given


def _rows(
    settings: Settings, contract: Contract, options: ReplayOptions
) -> Iterator[dict[str, Any]]:
    """The landed rows, in the order in which the broker took them."""
    where, given = _condition(contract, options)
    with connect(settings, {contract.landing_table: None}) as lake:
        found = lake.execute(
            f"SELECT * FROM {quoted_table(contract.landing_table)} WHERE {where}"
            " ORDER BY kafka_timestamp, kafka_partition, kafka_offset",
            given,
        )
        names = [column[0] for column in found.description]
        while chunk := found.fetchmany(_CHUNK_ROWS):
            for row in chunk:
                yield dict(zip(names, row, strict=True))


def _wait(begun: float, since_first: float, speed: float | None, sink: Sink, stop: Stop) -> None:
    """Until it is the row's turn; deliveries are reported meanwhile."""
    if speed is None:
        return
    while not stop.requested:
        left = begun + since_first / speed - time.monotonic()
        if left <= 0:
            return
        sink.poll(min(left, 0.1))


def _check(topic: str, deliveries: Deliveries) -> None:
    missing = deliveries.sent - deliveries.acknowledged
    if missing:
        reason = deliveries.failed.first_error or "no answer in time"
        raise SystemFailure(
            f"Kafka did not take {missing:,} of {deliveries.sent:,} records of {topic}: {reason}",
            "lakehead logs kafka",
        )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
