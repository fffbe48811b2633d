"""From a source's time to event time, and to the moment of sending.

A source may have a resolution of a minute, empty nights, and places where it steps back by days.
Each timeline decides what of that a person wants to see, but all keep the steps back, for they
are what makes a stream out of order.

All moments are epoch milliseconds. Offsets are cut to whole milliseconds before the start is
added, so that two runs differ by their start and nothing else.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from lakehead.errors import UserError
from lakehead.streams.events import Source
from lakehead.streams.produce.options import BURST_EVERY, BURST_SECONDS, ProduceOptions

_AHEAD_MS = 6 * 3600 * 1000
_FAR_FUTURE_MS = int(datetime(2099, 1, 1, tzinfo=UTC).timestamp() * 1000)
_LONGEST_SPAN_MS = 20 * 365 * 86400 * 1000


class Timeline(Protocol):
    """Places each event of a run in time."""

    def at(self, index: int, seconds: int, newest: int) -> tuple[int, int]:
        """When to send, and the event time, of the event ``index`` (from 0).

        ``seconds`` is the event's source time, ``newest`` the newest source time up to this event.
        The event time is never behind the moment of sending: event <= due.
        """

    def future(self, due: int) -> int:
        """An event time that no clock has reached when an event due at ``due`` arrives."""


@dataclass(frozen=True)
class Original:
    """The source's own times, sent at ``rate`` events a second, or at once."""

    start: int
    rate: float | None

    def at(self, index: int, seconds: int, newest: int) -> tuple[int, int]:
        due = self.start + (int(index * 1000 / self.rate) if self.rate else 0)
        return due, seconds * 1000

    def future(self, due: int) -> int:
        return _FAR_FUTURE_MS


@dataclass(frozen=True)
class Steady:
    """``rate`` events a second, evenly spaced; what is behind in the source stays behind.

    ``speed`` scales that distance: it is what the source's average rhythm becomes at this rate.
    ``burst`` is how many times higher the rate is in the last second of every ten.
    """

    start: int
    rate: float
    speed: float
    arrived: int | None = None
    burst: float | None = None

    def spaced(self, index: int) -> int:
        """Milliseconds from the first event to the event ``index``."""
        if self.burst is None:
            return int(index * 1000 / self.rate)
        calm_seconds = BURST_EVERY - BURST_SECONDS
        calm, high = calm_seconds * self.rate, self.burst * self.rate
        cycles, rest = divmod(index, calm + high * BURST_SECONDS)
        if rest < calm:
            within = rest * 1000 / self.rate
        else:
            within = calm_seconds * 1000 + (rest - calm) * 1000 / high
        return int(cycles * BURST_EVERY * 1000 + within)

    def at(self, index: int, seconds: int, newest: int) -> tuple[int, int]:
        spaced = self.spaced(index)
        behind = int((newest - seconds) * 1000 / self.speed) if seconds < newest else 0
        due = self.start + spaced
        return due, due - behind

    def future(self, due: int) -> int:
        return (due if self.arrived is None else self.arrived) + _AHEAD_MS


@dataclass(frozen=True)
class Rhythm:
    """The source's own rhythm, nights and all, ``speed`` times faster; ``first`` is its begin."""

    start: int
    first: int
    speed: float
    arrived: int | None = None

    def at(self, index: int, seconds: int, newest: int) -> tuple[int, int]:
        return self._moment(newest), self._moment(seconds)

    def _moment(self, seconds: int) -> int:
        return self.start + int((seconds - self.first) * 1000 / self.speed)

    def future(self, due: int) -> int:
        return (due if self.arrived is None else self.arrived) + _AHEAD_MS


def timeline_of(options: ProduceOptions, source: Source, now: int) -> Timeline:
    """The timeline that the options ask for, begun at ``now`` (epoch milliseconds).

    Raises:
        UserError: in original time, so many events that replays would reach the future;
            without pace, events that would reach decades back.
    """
    if options.original_time:
        _check_past(options, source, now)
        return Original(now, options.rate)
    if options.speed is not None:
        if options.pace:
            return Rhythm(now, source.first, options.speed)
        span = int((source.newest_of(options.events) - source.first) * 1000 / options.speed)
        return Rhythm(now - _checked(span), source.first, options.speed, now)
    rate = options.steady_rate
    assert rate is not None
    speed = rate * source.period / source.rows
    if options.pace:
        return Steady(now, rate, speed, burst=options.burst)
    span = Steady(0, rate, speed, burst=options.burst).spaced(options.events - 1)
    return Steady(now - _checked(span), rate, speed, now, options.burst)


def _check_past(options: ProduceOptions, source: Source, now: int) -> None:
    most = source.rows * ((now // 1000 - source.newest) // source.period + 1)
    if options.events > most:
        raise UserError(
            f"events is {options.events}; in original time the replays behind the sample's end "
            f"would reach the future, expected at most {most}",
            "leave out the original time",
        )


def _checked(span: int) -> int:
    if span > _LONGEST_SPAN_MS:
        raise UserError(
            f"the events would span {span / 86_400_000:.0f} days up to now, expected at most "
            f"{_LONGEST_SPAN_MS // 86_400_000}",
            "ask for fewer events, or a higher rate or speed",
        )
    return span
