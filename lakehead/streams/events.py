"""A sample event, and where such events come from."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol


class Event(NamedTuple):
    """One event before it is given its event time.

    stream   the stream that it belongs to
    key      the record's key, None for none
    seconds  when it happened by the source's own clock, epoch seconds
    fields   the fields but the event time, in the contract's order: str, int, float, bool, None,
             Decimal, date, datetime, bytes, list, dict
    """

    stream: str
    key: str | None
    seconds: int
    fields: dict[str, Any]


class Source(Protocol):
    """Sample events of some streams, in the order in which they are sent.

    ``rows`` events are there before the source is replayed behind itself. ``first`` and ``newest``
    are the source times between which they lie, epoch seconds; ``period`` is by how many seconds
    each replay is shifted behind the one before.
    """

    @property
    def streams(self) -> tuple[str, ...]: ...

    @property
    def rows(self) -> int: ...

    @property
    def first(self) -> int: ...

    @property
    def newest(self) -> int: ...

    @property
    def period(self) -> int: ...

    def events(self, count: int) -> Iterator[Event]:
        """The first ``count`` events, replayed where the source ends; always the same."""

    def newest_of(self, count: int) -> int:
        """The newest source time among the first ``count`` events, replays included."""
