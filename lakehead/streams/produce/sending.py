"""Handing records to the sink, each at its moment, and waiting for what becomes of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lakehead.streams.interrupt import Stop
from lakehead.streams.produce.account import Deliveries, Outgoing
from lakehead.streams.sinks import Sink

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


class WallClock:
    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True)
class Progress:
    """How far a run is, all its streams together.

    ``total`` is how many records there will be, None where that is not known, and without the
    duplicates that come on top; ``rate`` is records sent a second since the start. ``failed`` were
    refused by Kafka, ``rejected`` break the contract and were not sent.
    """

    sent: int
    total: int | None
    acknowledged: int
    failed: int
    rejected: int
    seconds: float
    rate: float


OnProgress = Callable[[Progress], None]


class Sending:
    """One run's way to the sink. ``sent`` counts the records that the sink has taken."""

    def __init__(
        self,
        sink: Sink,
        clock: Clock,
        stop: Stop,
        deliveries: Sequence[Deliveries],
        total: int | None,
        progress: OnProgress | None,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._stop = stop
        self._deliveries = deliveries
        self._total = total
        self._progress = progress
        self.started = self._now = self._reported = clock.now()
        self.sent = 0
        self.rejected = 0
        self.whole = False

    @property
    def now(self) -> float:
        """Epoch seconds, when it last looked."""
        return self._now

    @property
    def interrupted(self) -> bool:
        return not self.whole or self._stop.requested

    def wait(self, due: float) -> None:
        """Wait until ``due`` (epoch seconds), or until asked to stop."""
        if due > self._now:
            self._wait(due)

    def hand_over(self, deliveries: Deliveries, outgoing: Outgoing) -> bool:
        """Queue a record, waiting for room; False where asked to stop before there was any."""
        while True:
            try:
                self._sink.produce(deliveries.topic, *outgoing)
            except BufferError:
                if self._stop.requested:
                    return False
                self._sink.poll(_SLICE)
                self.turn()
            else:
                deliveries.sent += 1
                self.sent += 1
                if self.sent % _POLL_EVERY == 0:
                    self.turn()
                return True

    def turn(self) -> None:
        """Take the time, take deliveries, tell how far it is."""
        self._sink.poll(0)
        self._now = self._clock.now()
        if self._now - self._reported >= _REPORT_SECONDS:
            self._report()

    def drain(self) -> None:
        """Wait for all deliveries; after a failure or an interrupt not for ever."""
        begun = self._clock.now()
        before = -1
        while (queued := self._sink.flush(_SLICE)) and not self._stop.urgent:
            self.turn()
            if self.interrupted and self._now - begun > _PATIENCE and queued == before:
                break
            before = queued
        self._now = self._clock.now()
        self._report()

    def _wait(self, due: float) -> None:
        self._now = self._clock.now()
        while self._now < due and not self._stop.requested:
            self._clock.sleep(min(max(due - self._now, _TICK), _SLICE))
            self.turn()

    def _report(self) -> None:
        self._reported = self._now
        if self._progress is None:
            return
        seconds = max(self._now - self.started, 1e-9)
        self._progress(
            Progress(
                sent=self.sent,
                total=self._total,
                acknowledged=sum(d.acknowledged for d in self._deliveries),
                failed=sum(d.failed.count for d in self._deliveries),
                rejected=self.rejected,
                seconds=seconds,
                rate=self.sent / seconds,
            )
        )
