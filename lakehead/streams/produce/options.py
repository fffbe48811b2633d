"""What a run of the producer is asked to do, checked before anything is sent."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from lakehead.errors import UserError
from lakehead.streams.produce.poison import POISON_KINDS

DEFAULT_RATE = 5000.0
LATE_BY = 300.0
LATE_BY_ORIGINAL = 30 * 86400.0
# Every so many seconds a burst, which lasts for one.
BURST_EVERY = 10.0
BURST_SECONDS = 1.0
_MOST_FAULTS = 0.9
_LEAST_PACE = 0.001
_MOST_PACE = 1e9
_MOST_LATE_BY = 3650 * 86400.0
_MOST_BURST = 1000.0


@dataclass(frozen=True)
class Faults:
    """What is made wrong on purpose.

    poison           share (0..1) of events that are spoilt
    poison_kinds     the kinds that take turns; by default all that the contract can have
    late             share of events, after a warm-up, whose event time is moved back
    late_by          seconds that it is moved back; by default 300, in original time 30 days
    out_of_order     share of events that are sent after later ones, their times kept
    out_of_order_by  by how many seconds of event time at most; by default half the stream's
                     watermark delay, so that they are not late
    duplicates       share of events that are sent a second time, key and value the same
    hot_keys         share of records that all have one key; their fields are kept
    null_keys        share of records without a key; their fields are kept
    idle_partitions  how many of a topic's partitions get nothing

    Raises:
        UserError: a value that cannot be, or shares that do not fit together.
    """

    poison: float = 0.0
    poison_kinds: tuple[str, ...] = ()
    late: float = 0.0
    late_by: float | None = None
    out_of_order: float = 0.0
    out_of_order_by: float | None = None
    duplicates: float = 0.0
    hot_keys: float = 0.0
    null_keys: float = 0.0
    idle_partitions: int = 0

    def __post_init__(self) -> None:
        _check_together(self, ("poison", "late", "out_of_order", "duplicates"), _MOST_FAULTS)
        _check_together(self, ("hot_keys", "null_keys"), 1.0)
        _check_seconds("late_by", self.late_by)
        _check_seconds("out_of_order_by", self.out_of_order_by)
        for kind in self.poison_kinds:
            if kind not in POISON_KINDS:
                raise UserError(
                    f"poison kind {kind!r} is unknown; expected some of {', '.join(POISON_KINDS)}"
                )
        if self.poison_kinds and not self.poison:
            raise UserError(
                f"poison_kinds is {','.join(self.poison_kinds)}, but no event is to be poison",
                "add such as --poison 0.01",
            )
        if self.idle_partitions < 0:
            raise UserError(f"idle_partitions is {self.idle_partitions}, expected 0 or more")

    @property
    def any(self) -> bool:
        """Whether anything is to be made wrong."""
        return self != Faults()


@dataclass(frozen=True)
class ProduceOptions:
    """One run of the sample producer.

    Two clocks are possible. By default the sample is *shifted* to now and sent live: an event is
    sent when its event time comes. With ``original_time`` events keep the sample's own times.

    events        how many to send, of all streams together, 1 or more; past the sample's end it is
                  replayed behind itself. Duplicates come on top
    seed          of samples and faults; the same seed and options give the same events
    rate          events a second. Shifted: evenly spaced. Original: only how fast they are sent
    speed         shifted only: how many times faster than the sample's own rhythm
    pace          False: send as fast as possible; shifted, the newest event is then at now
    burst         how many times higher the rate is in one second of every ten

    Raises:
        UserError: a value that cannot be, or two that exclude each other.
    """

    events: int
    seed: int = 0
    rate: float | None = None
    speed: float | None = None
    original_time: bool = False
    pace: bool = True
    burst: float | None = None
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        if self.events < 1:
            raise UserError(f"events is {self.events}, expected 1 or more")
        check_pace("rate", self.rate, "events a second")
        check_pace("speed", self.speed, "times real time")
        if self.burst is not None and not 1 < self.burst <= _MOST_BURST:
            raise UserError(
                f"burst is {self.burst}, expected times the rate, above 1, at most {_MOST_BURST:g}"
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
        if self.burst is not None and self.steady_rate is None:
            raise UserError(f"burst is {self.burst} without a rate that it could raise", "--rate")

    @property
    def steady_rate(self) -> float | None:
        """Events a second, with its default; None where ``speed`` or nothing sets the pace."""
        if self.rate is None and self.speed is None and not self.original_time:
            return DEFAULT_RATE
        return self.rate

    @property
    def late_seconds(self) -> float:
        """How far late events are moved back, with its default, seconds."""
        if self.faults.late_by is not None:
            return self.faults.late_by
        return LATE_BY_ORIGINAL if self.original_time else LATE_BY

    def recorded(self) -> dict[str, Any]:
        """What a manifest keeps: every option by name, those of the faults among them."""
        plain: dict[str, Any] = asdict(self) | {"rate": self.steady_rate}
        faults: dict[str, Any] = plain.pop("faults")
        return plain | faults | {"poison_kinds": list(self.faults.poison_kinds)}


def check_pace(name: str, value: float | None, unit: str) -> None:
    """Raises UserError where ``value`` is no rate or speed that can be kept."""
    if value is None:
        return
    if not (math.isfinite(value) and _LEAST_PACE <= value <= _MOST_PACE):
        raise UserError(
            f"{name} is {value}, expected {unit}, above 0 ({_LEAST_PACE} to {_MOST_PACE:.0e})"
        )


def _check_together(faults: Faults, names: tuple[str, ...], most: float) -> None:
    shares = {name: getattr(faults, name) for name in names}
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise UserError(f"{name} is {share}, expected a share from 0 to 1")
    total = sum(shares.values())
    if total > most:
        given = " and ".join(f"{name} {share}" for name, share in shares.items() if share)
        raise UserError(f"{given} make {total:g}, expected at most {most:g} together")


def _check_seconds(name: str, value: float | None) -> None:
    if value is not None and not 0 < value <= _MOST_LATE_BY:
        raise UserError(f"{name} is {value}, expected seconds above 0, at most {_MOST_LATE_BY:.0f}")
