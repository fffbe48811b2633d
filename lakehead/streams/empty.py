"""Offsets that hold no record: the marks that end transactions, and what an abort took back.

Kafka gives them numbers like all others. A consumer that reads committed records is never shown
them, which is how they are told from records that are lost.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lakehead.errors import SystemFailure
from lakehead.settings import Settings
from lakehead.streams.client import client_config, probe

if TYPE_CHECKING:
    from confluent_kafka import Consumer

_SECONDS = 30.0


def count_empty(settings: Settings, topic: str, partition: int, first: int, end: int) -> int:
    """How many of the offsets from ``first`` up to, and not with, ``end`` hold no record.

    Of those that Kafka has dropped nothing is known, and none is counted.

    Raises:
        NotRunning: the broker does not answer.
        SystemFailure: it does not give the records in time.
    """
    with _reader(settings) as reader:
        first, end = _held(reader, topic, partition, first, end)
        if first >= end:
            return 0
        return end - first - sum(1 for _ in _visible(reader, topic, partition, first, end))


def all_empty(settings: Settings, topic: str, partition: int, first: int, end: int) -> bool:
    """Whether none of these offsets holds a record. Raises as `count_empty`."""
    with _reader(settings) as reader:
        if _held(reader, topic, partition, first, end) != (first, end):
            return False
        return next(_visible(reader, topic, partition, first, end), None) is None


@contextmanager
def _reader(settings: Settings) -> Iterator["Consumer"]:
    from confluent_kafka import Consumer

    probe(settings)
    reader = Consumer(
        client_config(settings)
        | {
            # Never joined and never committed to.
            "group.id": "lakehead-empty",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    try:
        yield reader
    finally:
        reader.close()


def _held(reader: "Consumer", topic: str, partition: int, first: int, end: int) -> tuple[int, int]:
    """What Kafka has of a range."""
    from confluent_kafka import TopicPartition

    asked = TopicPartition(topic, partition)
    low, high = reader.get_watermark_offsets(asked, timeout=_SECONDS)
    return max(first, low), min(end, high)


def _visible(reader: "Consumer", topic: str, partition: int, first: int, end: int) -> Iterator[int]:
    """The offsets of the range that hold a record."""
    from confluent_kafka import KafkaError, TopicPartition

    reader.assign([TopicPartition(topic, partition, first)])
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        message = reader.poll(0.5)
        if message is None:
            continue
        offset = message.offset()
        assert offset is not None
        if (error := message.error()) is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise SystemFailure(f"Kafka refuses to give {topic}: {error.str()}")
            if offset >= end:
                return
            # The end as it was seen before: the answer is still to come.
            continue
        deadline = time.monotonic() + _SECONDS
        if offset < end:
            yield offset
        if offset >= end - 1:
            return
    raise SystemFailure(
        f"Kafka gave no record of {topic}, partition {partition}, from offset {first} up to {end}"
        f" in {_SECONDS:.0f} s",
        "run it again; a transaction may be open",
    )
