"""A topic as the tail reads it: committed records by partition and offset."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lakehead.errors import SystemFailure, UserError
from lakehead.settings import Settings
from lakehead.streams.client import client_config, probe
from lakehead.streams.topics import check_rights

if TYPE_CHECKING:
    from confluent_kafka import Message

_SECONDS = 10.0
_BATCH = 2000
_POLL_SECONDS = 0.02
# What the client reads ahead of us, while nobody asks.
_AHEAD_KB = 16_384


class Record(NamedTuple):
    """``timestamp`` is the broker's, milliseconds since the epoch."""

    partition: int
    offset: int
    timestamp: int
    value: bytes | None


class Topic(Protocol):
    """Where records come from."""

    def bounds(self) -> dict[int, tuple[int, int]]:
        """By partition: the first offset that is kept, and the end of what is committed."""

    def read(self, begin: Mapping[int, int], end: Mapping[int, int]) -> Iterator[list[Record]]:
        """The records from ``begin`` on, in order by partition, until there is none left before
        ``end``. Records behind that may be among the last."""

    def close(self) -> None: ...


class KafkaTopic:
    """A consumer of no group. What it has read ahead it keeps from one `read` to the next."""

    def __init__(self, settings: Settings, topic: str) -> None:
        from confluent_kafka import Consumer

        probe(settings)
        self._settings = settings
        self._name = topic
        # By partition, the offset that comes next.
        self._next: dict[int, int] = {}
        self._consumer: Consumer = Consumer(
            client_config(settings)
            | {
                # Never joined and never committed to.
                "group.id": "lakehead-live",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                # What Kafka drops while it is read must not be passed over.
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": _AHEAD_KB,
            }
        )

    def bounds(self) -> dict[int, tuple[int, int]]:
        from confluent_kafka import KafkaException, TopicPartition

        try:
            found = self._consumer.list_topics(timeout=_SECONDS).topics.get(self._name)
            if found is None or not found.partitions:
                check_rights(self._settings, self._name)
                raise UserError(f"the topic {self._name} does not exist", "lakehead submit")
            # In read_committed this end is that of what is committed (KIP-98), not the newest.
            return {
                p: self._consumer.get_watermark_offsets(
                    TopicPartition(self._name, p), timeout=_SECONDS
                )
                for p in sorted(found.partitions)
            }
        except KafkaException as error:
            raise SystemFailure(
                f"Kafka does not say how far {self._name} goes: {error.args[0].str()}",
                "lakehead status",
            ) from error

    def read(self, begin: Mapping[int, int], end: Mapping[int, int]) -> Iterator[list[Record]]:
        self._seek(begin)
        deadline = time.monotonic() + _SECONDS
        while any(self._next[p] < upto for p, upto in end.items()):
            messages = self._consumer.consume(_BATCH, _POLL_SECONDS)
            records = [r for m in messages if (r := self._taken(m)) is not None]
            if messages:
                deadline = time.monotonic() + _SECONDS
            elif time.monotonic() > deadline:
                raise SystemFailure(
                    f"Kafka gave no record of {self._name} in {_SECONDS:.0f} s, though it says that"
                    " there are some",
                    "run it again",
                )
            if records:
                yield records

    def _taken(self, message: "Message") -> Record | None:
        from confluent_kafka import KafkaError

        partition, offset = message.partition(), message.offset()
        assert partition is not None and offset is not None
        if (error := message.error()) is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise SystemFailure(f"Kafka refuses to give {self._name}: {error.str()}")
            # What lies before it holds no record: marks of transactions, and what they took back.
            self._next[partition] = max(self._next[partition], offset)
            return None
        self._next[partition] = offset + 1
        return Record(partition, offset, message.timestamp()[1], message.value())

    def _seek(self, begin: Mapping[int, int]) -> None:
        from confluent_kafka import TopicPartition

        if self._next != dict(begin):
            self._consumer.assign([TopicPartition(self._name, p, o) for p, o in begin.items()])
            self._next = dict(begin)

    def close(self) -> None:
        self._consumer.close()
