"""A topic of Kafka, spoken to in its own protocol where the client library cannot say what is
needed: to send a batch under the identity of a producer that is no more.

Requests: InitProducerId version 1, Produce version 3, the oldest that Kafka 4 takes.
Source: https://kafka.apache.org/43/design/protocol/
"""

import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from lakehead.deadletters.log import (
    ORIGIN_HEADER,
    Batch,
    Coordinates,
    Gone,
    OutOfSequence,
    Producer,
    Refused,
)
from lakehead.deadletters.record_batch import encode
from lakehead.errors import SystemFailure
from lakehead.settings import Settings
from lakehead.streams.client import client_config, not_running, probe
from lakehead.streams.topics import offsets
from lakehead.streams.wire import Connection, text

if TYPE_CHECKING:
    from confluent_kafka import Consumer

Answer = TypeVar("Answer")
_PRODUCE, _INIT_PRODUCER_ID = (0, 3), (22, 1)
_ALL_REPLICAS = -1
_BROKER_MS = 30_000
# How long a broker that is away, or starting, is waited for. It bridges a restart.
_PATIENCE = 60.0
_AGAIN = 0.2
_ANSWER_SECONDS = 35.0
_SCANNED_AT_ONCE = 10_000
_PARTITION_EOF = -191
_NO_LEADER = 5
_TOO_LARGE = "the record is larger than the topic takes"
_REFUSALS = {
    2: "the record is damaged",
    10: _TOO_LARGE,
    17: "the topic's name is not allowed",
    18: _TOO_LARGE,
    29: "writing to the topic is not allowed",
    87: "the topic takes no such record: is it compacted, and the record has no key?",
}
# Out of order sequence number, duplicate sequence number, unknown producer id.
_OUT_OF_SEQUENCE = {45, 46, 59}
# The broker is settling, or the fate of the batch is open: the same batch may be sent again.
_AGAIN_ERRORS = {3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 56}


class KafkaLog:
    """The topic of a stream.

    Raises:
        NotRunning: the broker does not answer, here and in every method.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        probe(settings)
        self._settings = settings
        self._topic = topic
        self._leaders: dict[int, tuple[str, int]] = {}
        self._connections: dict[tuple[str, int], Connection] = {}

    def ends(self) -> dict[int, int]:
        return {p: end for p, (_, end) in offsets(self._settings, self._topic).items()}

    def new_producer(self) -> Producer:
        def ask() -> Producer:
            # Any broker may be asked.
            leader = self._leader(min(self._leaders or self._ask_leaders()))
            answer = leader.ask(_INIT_PRODUCER_ID, struct.pack(">hi", -1, _BROKER_MS))
            _, error, number, epoch = struct.unpack_from(">ihqh", answer)
            if error:
                raise _Again(error)
            return Producer(number, epoch)

        return self._patiently(ask)

    def append(self, batch: Batch) -> int:
        records = encode(batch)
        head = struct.pack(">hhii", -1, _ALL_REPLICAS, _BROKER_MS, 1) + text(self._topic)
        body = head + struct.pack(">iii", 1, batch.partition, len(records)) + records

        def ask() -> int:
            answer = self._leader(batch.partition).ask(_PRODUCE, body)
            at = 4 + len(text(self._topic)) + 4
            _, error, base = struct.unpack_from(">ihq", answer, at)
            if error in _OUT_OF_SEQUENCE:
                raise OutOfSequence
            if error in _REFUSALS:
                raise Refused(_REFUSALS[error])
            if error in _AGAIN_ERRORS:
                self._leaders.clear()
                raise _Again(error)
            if error:
                raise SystemFailure(f"Kafka refuses with error {error}", "lakehead logs kafka")
            return int(base)

        return self._patiently(ask)

    def find(self, batch: Batch) -> int | None:
        from confluent_kafka import Consumer, TopicPartition

        first, end = offsets(self._settings, self._topic)[batch.partition]
        if first > batch.scan_from:
            raise Gone
        # A consumer that assigns joins no group.
        reader = Consumer(
            client_config(self._settings)
            | {
                "group.id": "lakehead-redrive",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            reader.assign([TopicPartition(self._topic, batch.partition, batch.scan_from)])
            return self._find(reader, batch.records[0].origin, end)
        finally:
            reader.close()

    def _find(self, reader: "Consumer", wanted: Coordinates, end: int) -> int | None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for message in reader.consume(_SCANNED_AT_ONCE, timeout=1.0):
                failure, offset = message.error(), message.offset()
                if failure is None and offset is not None:
                    deadline = time.monotonic() + _PATIENCE
                    if _origin(message.headers()) == wanted:
                        return offset
                # What is at the end now came after the batch was given up.
                at_end = failure is not None and failure.code() == _PARTITION_EOF
                if at_end or (offset is not None and offset >= end):
                    return None
        raise SystemFailure(
            f"Kafka does not give the records of {self._topic} that a redrive must look through",
            "lakehead logs kafka",
        )

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        self._leaders.clear()

    def _leader(self, partition: int) -> Connection:
        if partition not in self._leaders:
            self._leaders = self._ask_leaders()
        if partition not in self._leaders:
            raise _Again(_NO_LEADER)
        address = self._leaders[partition]
        if address not in self._connections:
            self._connections[address] = Connection(self._settings, *address, _ANSWER_SECONDS)
        return self._connections[address]

    def _ask_leaders(self) -> dict[int, tuple[str, int]]:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        try:
            # All topics, for a question about one might create it.
            known = AdminClient(client_config(self._settings)).list_topics(timeout=5.0)
        except KafkaException as error:
            raise ConnectionError(str(error)) from error
        topic = known.topics.get(self._topic)
        partitions = topic.partitions.items() if topic and topic.error is None else ()
        brokers = known.brokers
        leaders = {
            p: (str(brokers[m.leader].host), int(brokers[m.leader].port))
            for p, m in partitions
            if m.leader in brokers
        }
        if not leaders:
            raise _Again(_NO_LEADER)
        self._leaders = leaders
        return leaders

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """What Kafka answers; the same is asked again while it is away or settling."""
        patience = time.monotonic() + _PATIENCE
        while True:
            try:
                return ask()
            except (OSError, struct.error) as error:
                self.close()
                if time.monotonic() > patience:
                    raise not_running(self._settings) from error
            except _Again as error:
                if time.monotonic() > patience:
                    raise SystemFailure(
                        f"Kafka does not take records of {self._topic}: error {error}",
                        "lakehead logs kafka",
                    ) from error
            time.sleep(_AGAIN)


class _Again(Exception):
    """The broker is not ready for it."""


def _origin(headers: object) -> Coordinates | None:
    for name, value in headers if isinstance(headers, list) else ():
        if name == ORIGIN_HEADER and isinstance(value, bytes):
            partition, _, offset = value.decode("ascii", "replace").partition(":")
            if partition.isdecimal() and offset.isdecimal():
                return int(partition), int(offset)
    return None
