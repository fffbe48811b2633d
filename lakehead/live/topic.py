"""A topic as the tail reads it: committed records by partition and offset."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lakehead.errors import SystemFailure, UserError
from lakehead.settings import Settings
from lakehead.streams.client import client_config, probe
from lakehead.streams.topics import check_rights

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

_SECONDS = 10.0
_BATCH = 2000
_POLL_SECONDS = 0.02
# How long the broker holds back the answer that there is nothing more.
_FETCH_WAIT_MS = 50
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

    def ahead(self, begin: Mapping[int, int]) -> list[Record]:
        """Some records from ``begin`` on, in order by partition, as far as they are at hand; it
        waits for none."""

    def close(self) -> None: ...


class KafkaTopic:
    """A consumer of no group. What it has read ahead it keeps from one `read` to the next."""

    def __init__(self, settings: Settings, topic: str) -> None:
        from confluent_kafka.admin import AdminClient

        probe(settings)
        self._settings = settings
        self._name = topic
        self._consumer = self._made()
        # By partition, the offset after the last record that was given, and the one that comes
        # next: between them lies no record.
        self._after: dict[int, int] = {}
        self._next: dict[int, int] = {}
        # A connection of its own: on the consumer's a question waits for the fetch before it.
        self._admin: AdminClient = AdminClient(client_config(settings))

    def _made(self) -> "Consumer":
        from confluent_kafka import Consumer

        return Consumer(
            client_config(self._settings)
            | {
                # Never joined and never committed to.
                "group.id": "lakehead-live",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                # What Kafka drops while it is read must not be passed over.
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": _FETCH_WAIT_MS,
                "queued.max.messages.kbytes": _AHEAD_KB,
            }
        )

    def bounds(self) -> dict[int, tuple[int, int]]:
        from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
        from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

        # A consumer that does not know its topic's leader as it begins looks for it once a second.
        client = self._admin if self._next else self._consumer
        try:
            found = client.list_topics(self._name, timeout=_SECONDS).topics.get(self._name)
            error = found.error if found else None
            if error is not None:
                check_rights(self._settings, self._name)
            missing = error is not None and error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
            if found is None or missing:
                raise UserError(f"the topic {self._name} does not exist", "lakehead submit")
            if error is not None:
                raise KafkaException(error)
            partitions = [TopicPartition(self._name, p) for p in sorted(found.partitions)]
            # In read_committed the end is that of what is committed (KIP-98), not the newest.
            first, end = (
                self._admin.list_offsets(
                    dict.fromkeys(partitions, which),
                    isolation_level=IsolationLevel.READ_COMMITTED,
                    request_timeout=_SECONDS,
                )
                for which in (
                    OffsetSpec.earliest(),  # type: ignore[no-untyped-call]
                    OffsetSpec.latest(),  # type: ignore[no-untyped-call]
                )
            )
            return {
                p.partition: (first[p].result().offset, end[p].result().offset) for p in partitions
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
            # The first as soon as it is there, and all that are there with it.
            messages = self._consumer.consume(1, _POLL_SECONDS)
            messages += self._consumer.consume(_BATCH, 0)
            if messages:
                deadline = time.monotonic() + _SECONDS
            elif time.monotonic() > deadline:
                self._renew()
                raise SystemFailure(
                    f"Kafka gave no record of {self._name} in {_SECONDS:.0f} s, though it says that"
                    " there are some",
                    "run it again",
                )
            if records := self._records(messages):
                yield records

    def ahead(self, begin: Mapping[int, int]) -> list[Record]:
        self._seek(begin)
        return self._records(self._consumer.consume(_BATCH, 0))

    def _records(self, messages: "list[Message]") -> list[Record]:
        return [r for m in messages if (r := self._taken(m)) is not None]

    def _taken(self, message: "Message") -> Record | None:
        from confluent_kafka import KafkaError

        partition, offset = message.partition(), message.offset()
        if (error := message.error()) is not None and error.code() != KafkaError._PARTITION_EOF:
            self._renew()
            raise SystemFailure(f"Kafka refuses to give {self._name}: {error.str()}")
        assert partition is not None and offset is not None
        if error is not None:
            # What lies before it holds no record: marks of transactions, and what they took back.
            self._next[partition] = max(self._next[partition], offset)
            return None
        self._after[partition] = self._next[partition] = offset + 1
        return Record(partition, offset, message.timestamp()[1], message.value())

    def _renew(self) -> None:
        """Whoever goes on begins anew: a consumer whose topic was deleted does not find the next of
        that name."""
        self._consumer.close()
        self._consumer = self._made()
        self._after, self._next = {}, {}

    def _seek(self, begin: Mapping[int, int]) -> None:
        from confluent_kafka import TopicPartition

        there = self._next.keys() == begin.keys() and all(
            self._after[p] <= o <= self._next[p] for p, o in begin.items()
        )
        if not there:
            self._consumer.assign([TopicPartition(self._name, p, o) for p, o in begin.items()])
            self._after, self._next = dict(begin), dict(begin)

    def close(self) -> None:
        self._consumer.close()
