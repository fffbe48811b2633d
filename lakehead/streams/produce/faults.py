"""Which events of a stream get which fault; ``spoil`` says how poison is made."""

from random import Random

from lakehead.streams.produce.options import Faults
from lakehead.streams.produce.poison import HUGE

LATE = "late"
OUT_OF_ORDER = "out_of_order"
DUPLICATE = "duplicate"
HOT, NULL = "hot", "null"
# A huge record is a mebibyte: no run makes more of them of one stream than this.
MOST_HUGE = 50

_WARM_UP_SHARE = 10
_WARM_UP_EVENTS = 1000


def warm_up(events: int) -> int:
    """How many events of a run come before the first that may be late.

    Before it there is no watermark that they could be behind: a tenth of the events and at least
    1000, but never more than half of them.
    """
    return min(max(events // _WARM_UP_SHARE, _WARM_UP_EVENTS), events // 2)


class FaultPlan:
    """The faults of one stream's events; deterministic by seed and stream.

    ``kinds`` are the poison kinds that take turns, so that their counts differ by one at most (but
    for ``huge``, of which there are `MOST_HUGE`). ``first_late`` is the first of the stream's
    events that may be late.
    """

    def __init__(
        self, faults: Faults, kinds: tuple[str, ...], first_late: int, seed: int, stream: str
    ) -> None:
        self._random = Random(f"{seed}/faults/{stream}")
        self._kinds = kinds
        self._turn = self._random.randrange(len(kinds)) if kinds else 0
        self._huge = 0
        self._first_late = first_late
        self._poison = faults.poison if kinds else 0.0
        self._late = self._poison + faults.late
        self._out_of_order = self._late + faults.out_of_order
        self._any = self._out_of_order + faults.duplicates
        self._hot = faults.hot_keys
        self._odd_keys = faults.hot_keys + faults.null_keys

    def draw(self, index: int) -> str | None:
        """The fault of the stream's event ``index`` (from 0): a poison kind, ``LATE``,
        ``OUT_OF_ORDER``, ``DUPLICATE`` or None.

        To be called once an event, in order.
        """
        if not self._any:
            return None
        drawn = self._random.random()
        if drawn >= self._any:
            return None
        if drawn < self._poison:
            return self._next_kind()
        if drawn < self._late:
            return LATE if index >= self._first_late else None
        return OUT_OF_ORDER if drawn < self._out_of_order else DUPLICATE

    def draw_key(self) -> str | None:
        """``HOT``, ``NULL`` or None: what becomes of the next record's key."""
        if not self._odd_keys:
            return None
        drawn = self._random.random()
        if drawn >= self._odd_keys:
            return None
        return HOT if drawn < self._hot else NULL

    def share(self) -> float:
        """A number from 0 to 1 by chance: how much of a bound an event uses up."""
        return self._random.random()

    def _next_kind(self) -> str | None:
        kind = self._kinds[self._turn]
        self._turn = (self._turn + 1) % len(self._kinds)
        if kind != HUGE:
            return kind
        if self._huge < MOST_HUGE:
            self._huge += 1
            return kind
        return self._next_kind() if len(self._kinds) > 1 else None
