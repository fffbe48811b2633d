"""The account of one stream within a run: what became of each record, and what was sent."""

from functools import partial
from typing import Any, NamedTuple

from lakehead.streams.client import ANY_PARTITION
from lakehead.streams.encode import iso
from lakehead.streams.manifest import Failed, Natural, PartitionRange
from lakehead.streams.produce.faults import DUPLICATE, LATE, OUT_OF_ORDER
from lakehead.streams.sinks import Delivered, OnDelivery

# An event that was sent out of order, and further behind than the watermark waits.
FAR_OUT_OF_ORDER = "far_out_of_order"
_NOT_POISON = (LATE, OUT_OF_ORDER, FAR_OUT_OF_ORDER, DUPLICATE)


class Outgoing(NamedTuple):
    """A record as it is handed to the sink."""

    key: bytes | None
    value: bytes | None
    on_delivery: OnDelivery
    partition: int = ANY_PARTITION


class Deliveries:
    """Counts what the sink took and reports; ``faults`` are (partition, offset, fault)."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.sent = 0
        self.partitions: dict[int, PartitionRange] = {}
        self.failed = Failed()
        self.acknowledged = 0
        self.faults: list[tuple[int, int, str]] = []

    def note(self, error: Any, record: Delivered) -> None:
        """To be called once for each record without a fault."""
        self._note(error, record, None)

    def noting(self, fault: str) -> OnDelivery:
        """What to call once for a record with ``fault``."""
        return partial(self._note, fault=fault)

    def poison(self) -> list[tuple[int, int, str]]:
        """Coordinates and kinds of the spoilt records, sorted."""
        return sorted(f for f in self.faults if f[2] not in _NOT_POISON)

    def marked(self, *faults: str) -> list[tuple[int, int]]:
        """Coordinates of the records with one of ``faults``, sorted."""
        return sorted(f[:2] for f in self.faults if f[2] in faults)

    def _note(self, error: Any, record: Delivered, fault: str | None) -> None:
        partition, offset = record.partition(), record.offset()
        if error is not None or partition is None or offset is None:
            self.failed.count += 1
            self.failed.first_error = self.failed.first_error or str(error)
            return
        self.acknowledged += 1
        seen = self.partitions.get(partition)
        if seen is None:
            self.partitions[partition] = PartitionRange(1, offset, offset)
        else:
            seen.count += 1
            if offset > seen.last:
                seen.last = offset
            elif offset < seen.first:
                seen.first = offset
        if fault is not None:
            self.faults.append((partition, offset, fault))


class Tally:
    """What the events were that were not poisoned."""

    def __init__(self) -> None:
        self.natural = Natural()
        self.oldest: int | None = None
        self.newest: int | None = None

    def add(self, fields: dict[str, Any], backward: bool, moment: int) -> None:
        """``backward``: whether the event is behind one before it; ``moment``: epoch ms."""
        natural = self.natural
        if backward:
            natural.backward += 1
        if None in fields.values():
            nulls = natural.nulls
            for name, value in fields.items():
                if value is None:
                    nulls[name] = nulls.get(name, 0) + 1
        if self.oldest is None or moment < self.oldest:
            self.oldest = moment
        if self.newest is None or moment > self.newest:
            self.newest = moment


def told(deliveries: Deliveries, tally: Tally) -> dict[str, Any]:
    """What a manifest says of them, by the names of its fields."""
    span = None
    if tally.oldest is not None and tally.newest is not None:
        span = (iso(tally.oldest), iso(tally.newest))
    return {
        "events": deliveries.sent,
        "unacknowledged": deliveries.sent - deliveries.acknowledged - deliveries.failed.count,
        "partitions": dict(sorted(deliveries.partitions.items())),
        "failed": deliveries.failed,
        "natural": tally.natural,
        "event_time": span,
    }
