"""Where produced records go: Kafka, or a double that keeps them in memory."""

import zlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from lakehead.errors import SystemFailure
from lakehead.settings import Settings
from lakehead.streams.client import ANY_PARTITION, producer_config


class Delivered(Protocol):
    """A record that was acknowledged or refused."""

    def partition(self) -> int | None: ...

    def offset(self) -> int | None: ...


Headers = Sequence[tuple[str, str]]
# As of now, by the client's clock.
NOW = 0
# Called once for every record: what went wrong, or None; and the record.
OnDelivery = Callable[[Any, Delivered], None]
# More than any record that is sent: it is counted before compression, and a record that the job
# is to refuse for its size is larger than what Kafka takes by default.
_MOST_BYTES = 8_000_000


class Sink(Protocol):
    """Takes records, and reports the delivery of each one from within ``poll`` or ``flush``."""

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        on_delivery: OnDelivery,
        partition: int = ANY_PARTITION,
        timestamp: int = NOW,
        headers: Headers = (),
    ) -> None:
        """Queue a record; ``timestamp`` is epoch milliseconds.

        Raises:
            BufferError: the queue is full; poll, then try again.
            SystemFailure: the sink is broken for good.
        """

    def poll(self, timeout: float) -> int:
        """Report deliveries, waiting up to ``timeout`` seconds for the first; how many."""

    def flush(self, timeout: float) -> int:
        """Wait up to ``timeout`` seconds for all deliveries; how many records are still queued."""


class KafkaSink:
    """An idempotent producer.

    A record that the broker does not take in ``message.timeout.ms`` is reported as failed, which
    bridges the restart of a broker.
    """

    def __init__(self, settings: Settings) -> None:
        from confluent_kafka import KafkaException, Producer

        self._error = KafkaException
        self._producer = Producer(
            producer_config(settings)
            | {
                "linger.ms": 20,
                "message.max.bytes": _MOST_BYTES,
                "message.timeout.ms": 120_000,
            }
        )

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        on_delivery: OnDelivery,
        partition: int = ANY_PARTITION,
        timestamp: int = NOW,
        headers: Headers = (),
    ) -> None:
        try:
            self._producer.produce(
                topic,
                value=value,
                key=key,
                partition=partition,
                on_delivery=on_delivery,
                timestamp=timestamp,
                headers=list(headers),
            )
        except self._error as error:
            raise SystemFailure(f"Kafka's client refuses to go on: {error}") from error

    def poll(self, timeout: float) -> int:
        return self._producer.poll(timeout)

    def flush(self, timeout: float) -> int:
        return self._producer.flush(timeout)


class Record(NamedTuple):
    """A record that the memory sink took, at its coordinates."""

    at_partition: int
    at_offset: int
    key: bytes | None
    value: bytes | None
    topic: str = ""
    timestamp: int = NOW
    headers: tuple[tuple[str, str], ...] = ()

    def partition(self) -> int:
        return self.at_partition

    def offset(self) -> int:
        return self.at_offset


class MemorySink:
    """A double of topics with ``partitions`` each: ``records`` in the order of their production.

    ``capacity`` records fit in the queue before it is full. ``refuse``, given the number of a
    record (from 0), returns the error that its delivery reports, or None.
    """

    def __init__(
        self,
        partitions: int = 4,
        capacity: int = 100_000,
        refuse: Callable[[int], str | None] = lambda number: None,
    ) -> None:
        self.records: list[Record] = []
        self._partitions = partitions
        self._ends: dict[tuple[str, int], int] = {}
        self._capacity = capacity
        self._refuse = refuse
        self._taken = 0
        self._queue: deque[tuple[OnDelivery, str | None, Record]] = deque()

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        on_delivery: OnDelivery,
        partition: int = ANY_PARTITION,
        timestamp: int = NOW,
        headers: Headers = (),
    ) -> None:
        if len(self._queue) >= self._capacity:
            raise BufferError("the queue is full")
        if partition == ANY_PARTITION:
            partition = zlib.crc32(key or b"") % self._partitions
        error = self._refuse(self._taken)
        self._taken += 1
        end = self._ends.get((topic, partition), 0)
        offset = end if error is None else -1
        record = Record(partition, offset, key, value, topic, timestamp, tuple(headers))
        if error is None:
            self._ends[topic, partition] = end + 1
            self.records.append(record)
        self._queue.append((on_delivery, error, record))

    def poll(self, timeout: float) -> int:
        count = len(self._queue)
        for _ in range(count):
            on_delivery, error, record = self._queue.popleft()
            on_delivery(error, record)
        return count

    def flush(self, timeout: float) -> int:
        self.poll(timeout)
        return len(self._queue)
