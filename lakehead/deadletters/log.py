"""A stream's topic as redriving needs it: a batch that is appended once, however often it is sent.

Kafka tells batches apart by the producer's id, its epoch, the partition and the first sequence
number. Producers keep these in memory; here they are in the ledger, so that a batch can be sent
again by another process, after the first one was killed, without landing twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Coordinates = tuple[int, int]
ORIGIN_HEADER = "lakehead-redriven-from"


class Producer(NamedTuple):
    """An identity that Kafka gave out."""

    id: int
    epoch: int


class Outgoing(NamedTuple):
    """A record to send: the partition and the offset where it died, its key and its value."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None

    @property
    def origin(self) -> Coordinates:
        return self.partition, self.offset

    @property
    def size(self) -> int:
        return len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True)
class Batch:
    """Records that Kafka appends to ``partition`` whole or not at all.

    ``number`` is the ledger's; ``sequence`` that of the first record; ``claimed_at`` epoch seconds;
    ``scan_from`` an offset before which the batch cannot be.
    """

    number: int
    stream: str
    partition: int
    producer: Producer
    sequence: int
    scan_from: int
    claimed_at: float
    records: tuple[Outgoing, ...]


class Refused(Exception):
    """Kafka did not append the batch and never will."""


class OutOfSequence(Exception):
    """Kafka does not know the batch's producer as the ledger does: it was too long ago."""


class Gone(Exception):
    """The topic no longer reaches back to where the batch would be."""


class Log(Protocol):
    """One topic."""

    def ends(self) -> dict[int, int]:
        """By partition, the offset after its last record."""

    def new_producer(self) -> Producer:
        """An identity that nobody had before."""

    def append(self, batch: Batch) -> int:
        """Append, unless it was; the offset of the first record either way.

        Raises:
            Refused: it is not appended.
            OutOfSequence: whether it was appended, only ``find`` can tell.
            SystemFailure: Kafka did not answer; it may have been appended, or be later.
        """

    def find(self, batch: Batch) -> int | None:
        """The offset of the batch's first record, None where the topic does not have it.

        Raises:
            Gone: the topic begins after ``scan_from`` now.
            SystemFailure: Kafka did not answer.
        """


class Appended(NamedTuple):
    """A record in the double of a topic; ``origin`` is what its header says."""

    key: bytes | None
    value: bytes | None
    origin: Coordinates


@dataclass
class _Known:
    """What Kafka remembers of a producer in a partition: its newest batch, and where that is."""

    sequence: int
    end: int
    base_offset: int


class MemoryLog:
    """A double of a topic that keeps Kafka's rule: a producer's batch is appended if it is next in
    sequence, answered again if it was the newest, refused otherwise.

    ``arrives`` is called with each batch before it is appended: it may raise, and it may keep the
    batch back for ``deliver``, as a network does that still holds what a killed process sent.
    """

    def __init__(
        self, partitions: int = 4, arrives: Callable[[Batch], None] = lambda batch: None
    ) -> None:
        self.records: list[list[Appended]] = [[] for _ in range(partitions)]
        self.first = [0] * partitions
        self.arrives = arrives
        self._known: dict[tuple[Producer, int], _Known] = {}
        self._producers = 0

    def ends(self) -> dict[int, int]:
        return {p: len(records) for p, records in enumerate(self.records)}

    def new_producer(self) -> Producer:
        self._producers += 1
        return Producer(1000 + self._producers, 0)

    def append(self, batch: Batch) -> int:
        self.arrives(batch)
        return self.deliver(batch)

    def deliver(self, batch: Batch) -> int:
        """What the broker does with a batch once it has it."""
        records = self.records[batch.partition]
        known = self._known.get((batch.producer, batch.partition))
        end = batch.sequence + len(batch.records)
        if known is not None and (known.sequence, known.end) == (batch.sequence, end):
            return known.base_offset
        if known is not None and known.end != batch.sequence:
            raise OutOfSequence
        base = len(records)
        records += [Appended(r.key, r.value, r.origin) for r in batch.records]
        self._known[batch.producer, batch.partition] = _Known(batch.sequence, end, base)
        return base

    def forget_producers(self) -> None:
        """As Kafka does a day after a producer's last batch."""
        self._known.clear()

    def find(self, batch: Batch) -> int | None:
        if batch.scan_from < self.first[batch.partition]:
            raise Gone
        records = self.records[batch.partition]
        wanted = batch.records[0].origin
        found = (o for o in range(batch.scan_from, len(records)) if records[o].origin == wanted)
        return next(found, None)
