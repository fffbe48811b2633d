"""How fresh an answer is: up to which record of Kafka, of which time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Freshness:
    """Of one table that was read. Partitions of a second stream are named with it: ``payments/0``.

    ``offsets`` are the newest that count, by partition: all that Kafka had committed up to them is
    in the answer. ``fence`` is where the tail may begin; ``gone`` how many offsets lie between the
    lake and the first that Kafka still has, of which nothing is known. ``tail_rows`` are rows that
    the lake did not have. Of a mart: ``closed_until`` is up to when its answers come from the mart,
    and ``open_rows`` are those that were computed behind it.
    """

    read_at: datetime
    newest_event_time: datetime | None
    offsets: Mapping[str, int]
    fence: Mapping[str, int] = field(default_factory=dict)
    gone: Mapping[str, int] = field(default_factory=dict)
    tail_rows: int = 0
    closed_until: datetime | None = None
    open_rows: int | None = None

    @property
    def age_seconds(self) -> float | None:
        """From the newest event until it was read; below 0 where the producer's clock is ahead."""
        if self.newest_event_time is None:
            return None
        return round((self.read_at - self.newest_event_time).total_seconds(), 3)
