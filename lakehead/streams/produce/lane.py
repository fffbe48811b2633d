"""One stream within a run of the sample producer: from its events to its records."""

import heapq
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.streams.client import ANY_PARTITION
from lakehead.streams.encode import Encoder, Fields, key_text, mover
from lakehead.streams.events import Event
from lakehead.streams.manifest import Duplicates, Keys, Late, OutOfOrder, Poison
from lakehead.streams.produce.account import FAR_OUT_OF_ORDER, Deliveries, Outgoing, Tally
from lakehead.streams.produce.faults import DUPLICATE, HOT, LATE, NULL, OUT_OF_ORDER, FaultPlan
from lakehead.streams.produce.options import Faults, ProduceOptions
from lakehead.streams.produce.spoil import Spoiler

# How many events may wait to be sent out of order; the oldest goes when there are more.
_MOST_HELD = 10_000
# An event that waits to be sent out of order: until which event time, its place in the stream, its
# own event time, the record.
_Held = tuple[int, int, int, Outgoing]


class Lane:
    """Makes the records of one stream, and keeps their account.

    ``first_late`` is the first of the stream's events that may be late.
    """

    def __init__(
        self, contract: Contract, encoder: Encoder, options: ProduceOptions, first_late: int
    ) -> None:
        faults = options.faults
        self.contract = contract
        self.deliveries = Deliveries(contract.topic)
        self.tally = Tally()
        self._encoder = encoder
        self._move = mover(contract)
        self._late_ms = int(options.late_seconds * 1000)
        self._late_seconds = options.late_seconds
        self._delay_ms = int(contract.watermark_delay.total_seconds() * 1000)
        self._apart_seconds = faults.out_of_order_by or max(self._delay_ms / 2000, 0.001)
        self._apart_ms = int(self._apart_seconds * 1000)
        self._keys = _keys(contract, faults)
        if "null_keys" in self._keys.left_out:
            faults = replace(faults, null_keys=0.0)
        self._spoiler = Spoiler(contract, encoder, faults.poison_kinds) if faults.poison else None
        kinds = self._spoiler.kinds if self._spoiler else ()
        self._plan = FaultPlan(faults, kinds, first_late, options.seed, contract.stream)
        self._partitions = contract.partitions - len(self._keys.idle_partitions)
        self._faulty = faults.any
        self._rerouted = bool(faults.hot_keys or faults.null_keys or self._keys.idle_partitions)
        self._index = -1
        self._newest_seconds: int | None = None
        self._newest = -(2**63)
        self._held: list[_Held] = []

    def records(self, event: Event, moment: int, future: int) -> Iterable[Outgoing]:
        """What to send when ``event`` is due: mostly one record.

        ``moment`` is its event time, ``future`` one that no clock has reached, epoch ms.
        """
        seconds = event.seconds
        if self._newest_seconds is None:
            self._check_fits(event.fields)
            self._newest_seconds = seconds
        backward = seconds < self._newest_seconds
        if not backward:
            self._newest_seconds = seconds
        if self._faulty:
            self._index += 1
            fault = self._plan.draw(self._index)
            if fault is not None or self._rerouted or self._held:
                return self._faulted(event, moment, future, backward, fault)
            if moment > self._newest:
                self._newest = moment
        fields = event.fields
        if self._move is not None:
            fields = self._move(fields, moment - seconds * 1000)
        self.tally.add(fields, backward, moment)
        value = self._encoder.encode(fields, moment)
        return (Outgoing(self._key(event), value, self.deliveries.note),)

    def _faulted(
        self, event: Event, moment: int, future: int, backward: bool, fault: str | None
    ) -> Iterator[Outgoing]:
        deliveries = self.deliveries
        if fault == LATE:
            moment -= self._late_ms
        fields = event.fields
        if self._move is not None:
            fields = self._move(fields, moment - event.seconds * 1000)
        key, partition = self._routed(self._key(event))
        if fault not in (None, LATE, OUT_OF_ORDER, DUPLICATE):
            assert self._spoiler is not None and fault is not None
            spoilt = self._spoiler.spoil(fault, fields, moment, future)
            yield Outgoing(key, spoilt, deliveries.noting(fault), partition)
            return
        self.tally.add(fields, backward, moment)
        note = deliveries.noting(fault) if fault == LATE else deliveries.note
        outgoing = Outgoing(key, self._encoder.encode(fields, moment), note, partition)
        # What is behind in the source is out of order already.
        if fault == OUT_OF_ORDER and not backward:
            self._hold(moment, outgoing)
            return
        # Those that would get too far behind go before, and so are in order after all.
        due = self._due(moment)
        yield from self._released([held for held in due if held[2] + self._apart_ms < moment])
        self._newest = max(self._newest, moment)
        yield outgoing
        if fault == DUPLICATE:
            yield outgoing._replace(on_delivery=deliveries.noting(DUPLICATE))
        yield from self._released([held for held in due if held[2] + self._apart_ms >= moment])

    def rest(self) -> Iterator[Outgoing]:
        """What still waits when the source has ended."""
        yield from self._released(sorted(self._held))

    def _check_fits(self, fields: Fields) -> None:
        """Raises UserError where the source's events lack what the contract requires."""
        contract = self.contract
        needed = {contract.key, *(f.name for f in contract.fields if f.required)}
        missing = sorted(needed - {contract.event_time} - set(fields))
        if missing:
            raise UserError(
                f"the sample of {contract.stream} has no field {missing[0]!r}, which its contract "
                f"requires or has for its key; it has {', '.join(fields)}",
                "make the field optional, or publish events of your own with --from",
            )

    def _key(self, event: Event) -> bytes | None:
        value = event.fields.get(self.contract.key, event.key)
        text = value if type(value) is str else key_text(value)
        return None if text is None else text.encode()

    def _hold(self, moment: int, outgoing: Outgoing) -> None:
        until = moment + int(self._plan.share() * self._apart_ms)
        heapq.heappush(self._held, (until, self._index, moment, outgoing))

    def _due(self, moment: int) -> list[_Held]:
        """What was held until an event of ``moment`` came, and no longer is."""
        due: list[_Held] = []
        while self._held and (self._held[0][0] < moment or len(self._held) > _MOST_HELD):
            due.append(heapq.heappop(self._held))
        return due

    def _released(self, held: list[_Held]) -> Iterator[Outgoing]:
        for _, _, moment, outgoing in held:
            behind = self._newest - moment
            if behind > 0:
                fault = FAR_OUT_OF_ORDER if behind > self._delay_ms else OUT_OF_ORDER
                outgoing = outgoing._replace(on_delivery=self.deliveries.noting(fault))
            self._newest = max(self._newest, moment)
            yield outgoing

    def _routed(self, key: bytes | None) -> tuple[bytes | None, int]:
        """The record's key and partition, after what is done to keys."""
        drawn = self._plan.draw_key()
        keys = self._keys
        if drawn == HOT and key is not None:
            keys.hot_key = keys.hot_key or key.decode()
            key = keys.hot_key.encode()
            keys.hot += 1
        elif drawn == NULL:
            key = None
            keys.null += 1
        if not keys.idle_partitions:
            return key, ANY_PARTITION
        return key, (self._index if key is None else zlib.crc32(key)) % self._partitions

    @property
    def left_out(self) -> dict[str, str]:
        """The faults that this stream cannot have, with the reason."""
        return self._keys.left_out | (self._spoiler.left_out if self._spoiler else {})

    # What the manifest says.

    def poison(self) -> Poison:
        spoiler = self._spoiler
        found = self.deliveries.poison()
        by_kind: dict[str, int] = {}
        for _, _, kind in found:
            by_kind[kind] = by_kind.get(kind, 0) + 1
        if spoiler is None:
            return Poison()
        expected = {k: text for k, text in spoiler.expected.items() if k in by_kind}
        return Poison(len(found), by_kind, expected, spoiler.left_out, found)

    def late(self) -> Late:
        found = self.deliveries.marked(LATE)
        return Late(self._late_seconds, len(found), found)

    def out_of_order(self) -> OutOfOrder:
        found = self.deliveries.marked(OUT_OF_ORDER, FAR_OUT_OF_ORDER)
        far = len(self.deliveries.marked(FAR_OUT_OF_ORDER))
        return OutOfOrder(self._apart_seconds, len(found), far, found)

    def duplicates(self) -> Duplicates:
        found = self.deliveries.marked(DUPLICATE)
        return Duplicates(len(found), found)

    def keys(self) -> Keys:
        return self._keys


def _keys(contract: Contract, faults: Faults) -> Keys:
    """What can be done to the keys of the contract's records."""
    keys = Keys()
    if faults.null_keys and contract.cleanup == "compact":
        keys.left_out["null_keys"] = "a compacted topic takes no record without a key"
    left = contract.partitions - faults.idle_partitions
    if left > 0:
        keys.idle_partitions = list(range(left, contract.partitions))
    else:
        keys.left_out["idle_partitions"] = f"it has {contract.partitions} partitions"
    return keys
