"""The windows of event time: what the header says, as plain values. All are aligned to the epoch,
in UTC, and hold their start but not their end."""

from dataclasses import dataclass
from datetime import timedelta

from lakehead.contracts.durations import MAXIMUM_DAYS, parse_duration

# Into that many windows a slice is copied, or a row.
MOST_WINDOWS = 1_000
_EXPECTED = (
    "expected such as {tumble: 10 seconds}, {hop: {size: 1 hour, every: 5 minutes}}, "
    "{cumulate: {size: 1 day, step: 1 hour}} or {session: {gap: 30 minutes}}"
)


@dataclass(frozen=True)
class Hop:
    """Windows of ``size`` that start at each multiple of ``every``; equal, they tumble."""

    size: timedelta
    every: timedelta

    @property
    def slice(self) -> timedelta:
        """From one window's end to the next: what is in one slice is in the same windows."""
        return self.every

    @property
    def tumbles(self) -> bool:
        return self.size == self.every

    @property
    def count(self) -> int:
        """How many windows each row is in."""
        return self.size // self.every

    def __str__(self) -> str:
        return f"tumble {self.size}" if self.tumbles else f"hop {self.size} every {self.every}"


@dataclass(frozen=True)
class Cumulate:
    """Windows that start at each multiple of ``size`` and end at each ``step`` from there on."""

    size: timedelta
    step: timedelta

    @property
    def slice(self) -> timedelta:
        """See ``Hop.slice``."""
        return self.step

    @property
    def count(self) -> int:
        """How many windows a row is in, at most."""
        return self.size // self.step

    def __str__(self) -> str:
        return f"cumulate {self.size} by {self.step}"


@dataclass(frozen=True)
class Session:
    """Rows of a key with no more than ``gap`` between one and the next."""

    gap: timedelta

    def __str__(self) -> str:
        return f"session {self.gap}"


Window = Hop | Cumulate | Session


def parse_window(value: object) -> Window:
    """What the header says under ``window``.

    Raises:
        ValueError: no such window; says what was expected.
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"window is {value!r}, {_EXPECTED}")
    [(kind, given)] = value.items()
    match kind:
        case "tumble":
            size = _length("window.tumble", given)
            return Hop(size, size)
        case "hop":
            size, every = _lengths("window.hop", given, "size", "every")
            return Hop(size, every)
        case "cumulate":
            size, step = _lengths("window.cumulate", given, "size", "step")
            return Cumulate(size, step)
        case "session":
            inner = given if isinstance(given, dict) else {"gap": given}
            if set(inner) != {"gap"}:
                raise ValueError(
                    f"window.session is {given!r}, expected such as {{gap: 5 minutes}}"
                )
            return Session(_length("window.session.gap", inner["gap"]))
    raise ValueError(f"window is {value!r}, {_EXPECTED}")


def _lengths(where: str, given: object, whole: str, part: str) -> tuple[timedelta, timedelta]:
    if not isinstance(given, dict) or set(given) != {whole, part}:
        raise ValueError(f"{where} is {given!r}, expected {whole} and {part}")
    size = _length(f"{where}.{whole}", given[whole])
    step = _length(f"{where}.{part}", given[part])
    if size % step:
        raise ValueError(f"{where}: {whole} is {given[whole]!r}, expected a multiple of {part}")
    if size // step > MOST_WINDOWS:
        raise ValueError(
            f"{where}: {whole} is {size // step} times {part}, expected {MOST_WINDOWS} at most"
        )
    return size, step


def _length(where: str, given: object) -> timedelta:
    try:
        length = parse_duration(given)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if length < timedelta(seconds=1) or length.microseconds:
        raise ValueError(f"{where} is {given!r}, expected whole seconds, 1 or more")
    if length.days > MAXIMUM_DAYS:
        raise ValueError(f"{where} is {given!r}, expected {MAXIMUM_DAYS} days at most")
    return length
