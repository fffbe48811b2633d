"""Faults put into a stream on purpose: poison that must die, and events that come late."""

from random import Random

import orjson

LATE = "late"
TRUNCATED = "truncated"
WRONG_TYPE = "wrong_type"
MISSING_FIELD = "missing_field"
BAD_ENUM = "bad_enum"
NOT_UTF8 = "not_utf8"
EMPTY = "empty"
NOT_AN_OBJECT = "not_an_object"
FUTURE_CLOCK = "future_clock"
TOMBSTONE = "tombstone"
POISON_KINDS = (
    TRUNCATED,
    WRONG_TYPE,
    MISSING_FIELD,
    BAD_ENUM,
    NOT_UTF8,
    EMPTY,
    NOT_AN_OBJECT,
    FUTURE_CLOCK,
    TOMBSTONE,
)

_WARM_UP_SHARE = 10
_WARM_UP_EVENTS = 1000
_COUNTRY = "C\u00f4te d'Ivoire"


class FaultPlan:
    """Which events of a run get which fault; deterministic by seed.

    ``poison`` and ``late`` are shares (0..1). Poison kinds take turns, so that their counts differ
    by one at most. Late events are drawn after a warm-up, for before it there is no watermark that
    they could be behind: a tenth of the events and at least 1000, but never more than half of them.
    """

    def __init__(self, events: int, seed: int, poison: float, late: float) -> None:
        self._random = Random(seed)
        self._poison = poison
        self._faults = poison + late
        self._turn = self._random.randrange(len(POISON_KINDS))
        self._warm_up = min(max(events // _WARM_UP_SHARE, _WARM_UP_EVENTS), events // 2)

    def draw(self, index: int) -> str | None:
        """The fault of the event ``index``: None, ``LATE`` or one of ``POISON_KINDS``.

        To be called once an event, in order.
        """
        if not self._faults:
            return None
        drawn = self._random.random()
        if drawn < self._poison:
            kind = POISON_KINDS[self._turn]
            self._turn = (self._turn + 1) % len(POISON_KINDS)
            return kind
        return LATE if drawn < self._faults and index >= self._warm_up else None


def spoil(kind: str, value: bytes, index: int, future: str) -> bytes | None:
    """The valid orders event ``value`` with the poison ``kind`` in it; None for a tombstone.

    ``future`` is the event time (ISO-8601) that a future clock gives.
    """
    if kind == TRUNCATED:
        return value[: len(value) // 2]
    if kind == EMPTY:
        return b""
    if kind == TOMBSTONE:
        return None
    if kind == NOT_AN_OBJECT:
        return b"[%b]" % value if index % 2 else b"42"
    event = orjson.loads(value)
    if kind == WRONG_TYPE:
        event["quantity"] = "oops"
    elif kind == MISSING_FIELD:
        del event["country"]
    elif kind == BAD_ENUM:
        event["status"] = "teleported"
    elif kind == FUTURE_CLOCK:
        event["event_time"] = future
    elif kind == NOT_UTF8:
        # What a producer that thinks in Latin-1 would write.
        event["country"] = _COUNTRY
        return orjson.dumps(event).replace(_COUNTRY.encode(), _COUNTRY.encode("latin-1"))
    else:
        raise ValueError(f"{kind!r} is no kind of poison; expected one of {POISON_KINDS}")
    return orjson.dumps(event)
