"""What a run of the sample producer is asked to do, checked before anything is sent."""

import math
from dataclasses import dataclass

from lakehead.errors import UserError

DEFAULT_RATE = 5000.0
LATE_BY = 300.0
LATE_BY_ORIGINAL = 30 * 86400.0
_MOST_FAULTS = 0.9
_LEAST_PACE = 0.001
_MOST_PACE = 1e9
_MOST_LATE_BY = 3650 * 86400.0


@dataclass(frozen=True)
class ProduceOptions:
    """One run of the sample producer.

    Two clocks are possible. By default the sample is *shifted* to now and sent live: an event is
    sent when its event time comes. With ``original_time`` events keep the sample's own times.

    events        how many to send, 1 or more; past the sample's end it is replayed behind itself
    seed          of the faults; the same seed and options give the same events
    rate          events a second. Shifted: evenly spaced. Original: only how fast they are sent
    speed         shifted only: how many times faster than the sample's own rhythm
    pace          False: send as fast as possible; shifted, the newest event is then at now
    poison        share (0..1) of events that are spoilt
    late          share (0..1) of events, after a warm-up, whose event time is moved back
    late_by       seconds that it is moved back; by default 300, in original time 30 days

    Raises:
        UserError: a value that cannot be, or two that exclude each other.
    """

    events: int
    seed: int = 0
    rate: float | None = None
    speed: float | None = None
    original_time: bool = False
    pace: bool = True
    poison: float = 0.0
    late: float = 0.0
    late_by: float | None = None

    def __post_init__(self) -> None:
        if self.events < 1:
            raise UserError(f"events is {self.events}, expected 1 or more")
        _check_pace("rate", self.rate, "events a second")
        _check_pace("speed", self.speed, "times real time")
        _check_share("poison", self.poison)
        _check_share("late", self.late)
        if self.poison + self.late > _MOST_FAULTS:
            raise UserError(
                f"poison {self.poison} and late {self.late} make {self.poison + self.late:g}, "
                f"expected at most {_MOST_FAULTS} together"
            )
        if self.late_by is not None and not 0 < self.late_by <= _MOST_LATE_BY:
            raise UserError(
                f"late_by is {self.late_by}, expected seconds above 0, at most {_MOST_LATE_BY:.0f}"
            )
        self._check_exclusive()

    def _check_exclusive(self) -> None:
        if self.original_time and self.speed is not None:
            raise UserError(
                f"speed is {self.speed} with original time, which is never compressed; "
                "expected one of the two"
            )
        if self.original_time and self.rate is not None and not self.pace:
            raise UserError(
                f"rate is {self.rate} with original time and no pace, where nothing would use it; "
                "expected a rate or no pace"
            )
        if self.rate is not None and self.speed is not None:
            raise UserError(f"rate is {self.rate} and speed is {self.speed}, expected one of them")

    @property
    def steady_rate(self) -> float | None:
        """Events a second, with its default; None where ``speed`` or nothing sets the pace."""
        if self.rate is None and self.speed is None and not self.original_time:
            return DEFAULT_RATE
        return self.rate

    @property
    def late_seconds(self) -> float:
        """``late_by`` with its default, seconds."""
        if self.late_by is not None:
            return self.late_by
        return LATE_BY_ORIGINAL if self.original_time else LATE_BY


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UserError(f"{name} is {value}, expected a share from 0 to 1")


def _check_pace(name: str, value: float | None, unit: str) -> None:
    if value is None:
        return
    if not (math.isfinite(value) and _LEAST_PACE <= value <= _MOST_PACE):
        raise UserError(
            f"{name} is {value}, expected {unit}, above 0 ({_LEAST_PACE} to {_MOST_PACE:.0e})"
        )
