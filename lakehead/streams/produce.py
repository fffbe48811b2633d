"""Send the sample as a live stream, and keep account of every record.

The order of a run:

1. check the options and the sample, create the topic where it is missing;
2. hand records to the sink, each when its moment comes;
3. wait until each has been acknowledged or refused, after Ctrl-C or a failure too;
4. write the manifest;
5. only then raise what happened.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from lakehead.contracts.model import Contract
from lakehead.errors import SystemFailure, UserError
from lakehead.settings import Settings
from lakehead.streams import retail
from lakehead.streams.faults import LATE, FaultPlan, spoil
from lakehead.streams.interrupt import Stop
from lakehead.streams.manifest import Failed, Late, Manifest, Natural, PartitionRange, Poison
from lakehead.streams.options import ProduceOptions
from lakehead.streams.row import Row
from lakehead.streams.sinks import Delivered, KafkaSink, OnDelivery, Sink
from lakehead.streams.timeline import Timeline, iso, timeline_of
from lakehead.streams.topics import ensure_topic

__all__ = ["Clock", "ProduceOptions", "Progress", "produce"]

SAMPLED = "orders"
# Events that fall due within one tick are sent together.
_TICK = 0.005
_SLICE = 0.1
_POLL_EVERY = 1024
_REPORT_SECONDS = 0.25
# How long Ctrl-C waits for a broker that does not answer.
_PATIENCE = 30.0


class Clock(Protocol):
    """The wall clock."""

    def now(self) -> float:
        """Epoch seconds."""

    def sleep(self, seconds: float) -> None: ...


class _WallClock:
    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True)
class Progress:
    """How far a run is; ``rate`` is events sent a second since the start."""

    sent: int
    total: int
    acknowledged: int
    seconds: float
    rate: float


OnProgress = Callable[[Progress], None]


def produce(
    settings: Settings,
    contract: Contract,
    options: ProduceOptions,
    progress: OnProgress | None = None,
    *,
    sink: Sink | None = None,
    clock: Clock | None = None,
) -> Manifest:
    """Send ``options.events`` sample events of the contract's stream.

    ``sink`` and ``clock`` are for tests; by default they are Kafka and the wall clock. On
    KeyboardInterrupt and on any failure, what was queued is flushed and the manifest written
    before the exception goes on.

    Raises:
        UserError: the stream has no sample, or the options do not fit it.
        NotRunning: the broker does not answer.
        SystemFailure: some events were not delivered; the manifest says how many.
    """
    _check_sampled(contract)
    sample = retail.sample_of(settings)
    clock = clock or _WallClock()
    started = clock.now()
    timeline = timeline_of(options, sample, int(started * 1000))
    if sink is None:
        ensure_topic(settings, contract)
        sink = KafkaSink(settings, contract.topic)
    with Stop() as stop:
        run = _Run(sink, clock, options, stop, progress, started)
        try:
            run.send(contract, sample, timeline)
        finally:
            try:
                run.drain()
            finally:
                manifest = run.manifest(contract)
                path = manifest.write(settings)
    stop.resume()
    lost = manifest.failed.count + manifest.unacknowledged
    if lost:
        raise SystemFailure(
            f"Kafka did not take {lost} of {manifest.events} events"
            f" ({manifest.failed.first_error or 'no answer'}); the others are safe",
            f"{path} has the account; the broker's log is under {settings.logs}",
        )
    return manifest


def _check_sampled(contract: Contract) -> None:
    if contract.stream != SAMPLED:
        raise UserError(
            f"there are no sample events for the stream {contract.stream!r}, only for {SAMPLED!r}",
            "publish its events from a Kafka client of your own",
        )
    if contract.key not in retail.FIELDS:
        raise UserError(
            f"the key of {contract.stream} is {contract.key!r}, which the sample does not have; "
            f"expected one of {', '.join(retail.FIELDS)}"
        )


class _Deliveries:
    """Counts what the sink reports."""

    def __init__(self) -> None:
        self.partitions: dict[int, PartitionRange] = {}
        self.failed = Failed()
        self.acknowledged = 0
        self.faults: list[tuple[int, int, str]] = []

    def note(self, error: Any, record: Delivered) -> None:
        self._note(error, record, None)

    def noting(self, fault: str) -> OnDelivery:
        return partial(self._note, fault=fault)

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


class _Facts:
    """Tallies the events that were not poisoned."""

    def __init__(self) -> None:
        self.natural = Natural()
        self.oldest: int | None = None
        self.newest: int | None = None
        self._lines: set[int] = set()

    def forget_lines(self) -> None:
        """Start the search for duplicates anew: a replay has other times than the one before."""
        self._lines.clear()

    def add(self, row: Row, encoded: bytes, backward: bool, event_time: int) -> None:
        natural = self.natural
        if retail.is_cancelled(row):
            natural.cancelled += 1
        if row.customer is None:
            natural.without_customer += 1
        if backward:
            natural.backward += 1
        line = hash((encoded, row.seconds))
        if line in self._lines:
            natural.duplicate_lines += 1
        else:
            self._lines.add(line)
        if self.oldest is None or event_time < self.oldest:
            self.oldest = event_time
        if self.newest is None or event_time > self.newest:
            self.newest = event_time


class _Run:
    """One run: the loop, the waiting, the accounts."""

    def __init__(
        self,
        sink: Sink,
        clock: Clock,
        options: ProduceOptions,
        stop: Stop,
        progress: OnProgress | None,
        started: float,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._options = options
        self._stop = stop
        self._progress = progress
        self._started = started
        self._now = started
        self._reported = started
        self._sent = 0
        self._whole = False
        self._deliveries = _Deliveries()
        self._facts = _Facts()

    def send(self, contract: Contract, sample: retail.Sample, timeline: Timeline) -> None:
        """Hand all records to the sink, each when it is due, until asked to stop."""
        options, facts, deliveries = self._options, self._facts, self._deliveries
        plan = FaultPlan(options.events, options.seed, options.poison, options.late)
        late_by = int(options.late_seconds * 1000)
        key_of = _key_of(contract.key)
        newest = sample.first
        for index, row in enumerate(retail.rows(sample, options.events)):
            seconds = row.seconds
            newest = max(newest, seconds)
            due, event_time = timeline.at(index, seconds, newest)
            if options.pace and due > self._now * 1000:
                self._wait(due / 1000)
            if self._stop.requested:
                return
            if index % sample.rows == 0:
                facts.forget_lines()
            fault = plan.draw(index)
            if fault == LATE:
                event_time -= late_by
            encoded = retail.encode(row)
            event = retail.stamp(encoded, iso(event_time))
            poison = None if fault == LATE else fault
            value = spoil(poison, event, index, iso(timeline.future(due))) if poison else event
            on_delivery = deliveries.noting(fault) if fault else deliveries.note
            if not self._hand_over(key_of(row, event), value, on_delivery):
                return
            if poison is None:
                facts.add(row, encoded, seconds < newest, event_time)
            if self._sent % _POLL_EVERY == 0:
                self._turn()
        self._whole = True

    def drain(self) -> None:
        """Wait for all deliveries; after a failure or an interrupt not for ever."""
        begun = self._clock.now()
        before = -1
        while (queued := self._sink.flush(_SLICE)) and not self._stop.urgent:
            self._turn()
            hurried = self._stop.requested or not self._whole
            if hurried and self._now - begun > _PATIENCE and queued == before:
                break
            before = queued
        self._now = self._clock.now()
        self._report()

    def manifest(self, contract: Contract) -> Manifest:
        options, deliveries, facts = self._options, self._deliveries, self._facts
        faults = sorted(deliveries.faults)
        poison = Poison(coordinates=[f for f in faults if f[2] != LATE])
        late = Late(options.late_seconds, coordinates=[f[:2] for f in faults if f[2] == LATE])
        poison.count, late.count = len(poison.coordinates), len(late.coordinates)
        for _, _, kind in poison.coordinates:
            poison.by_kind[kind] = poison.by_kind.get(kind, 0) + 1
        span = None
        if facts.oldest is not None and facts.newest is not None:
            span = (iso(facts.oldest), iso(facts.newest))
        return Manifest(
            stream=contract.stream,
            seed=options.seed,
            started=_stamp(self._started),
            finished=_stamp(self._clock.now()),
            interrupted=not self._whole or self._stop.requested,
            options=asdict(options) | {"rate": options.steady_rate},
            events=self._sent,
            unacknowledged=self._sent - deliveries.acknowledged - deliveries.failed.count,
            partitions=dict(sorted(deliveries.partitions.items())),
            failed=deliveries.failed,
            poison=poison,
            late=late,
            natural=facts.natural,
            event_time=span,
        )

    def _hand_over(
        self,
        key: bytes | None,
        value: bytes | None,
        on_delivery: OnDelivery,
    ) -> bool:
        """Queue a record, waiting for room; False where asked to stop before there was any."""
        while True:
            try:
                self._sink.produce(key, value, on_delivery)
            except BufferError:
                if self._stop.requested:
                    return False
                self._sink.poll(_SLICE)
                self._turn()
            else:
                self._sent += 1
                return True

    def _wait(self, due: float) -> None:
        self._now = self._clock.now()
        while self._now < due and not self._stop.requested:
            self._clock.sleep(min(max(due - self._now, _TICK), _SLICE))
            self._turn()

    def _turn(self) -> None:
        """Take the time, take deliveries, tell how far it is."""
        self._sink.poll(0)
        self._now = self._clock.now()
        if self._now - self._reported >= _REPORT_SECONDS:
            self._report()

    def _report(self) -> None:
        self._reported = self._now
        if self._progress is None:
            return
        seconds = max(self._now - self._started, 1e-9)
        sent, total = self._sent, self._options.events
        self._progress(
            Progress(sent, total, self._deliveries.acknowledged, seconds, sent / seconds)
        )


def _key_of(field: str) -> Callable[[Row, bytes], bytes | None]:
    """How to get a record's key, the text of ``field``, from a line and its event."""
    if field == "invoice":
        return lambda row, value: row.invoice.encode()

    def from_event(row: Row, value: bytes) -> bytes | None:
        import orjson

        found = orjson.loads(value)[field]
        return None if found is None else str(found).encode()

    return from_event


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
