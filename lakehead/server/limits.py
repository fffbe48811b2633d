"""What the server as a whole, and one query of it, may take."""

import os
from dataclasses import dataclass, field


def _workers() -> int:
    return max(4, min(8, os.cpu_count() or 4))


def _memory() -> int:
    """An eighth of the machine by query: Kafka and Flink live on it as well."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(512 * 2**20, min(total // 8, 8 * 2**30))


@dataclass(frozen=True)
class Limits:
    """``timeout_seconds`` of a query run from its start to its last row's departure.

    ``memory_bytes`` are what a worker may hold over what an idle one holds. ``max_bytes`` is of
    one answer, as it is sent. ``waiting`` queries queue in all, ``waiting_each`` of one token.
    """

    workers: int = field(default_factory=_workers)
    timeout_seconds: float = 60.0
    memory_bytes: int = field(default_factory=_memory)
    max_bytes: int = 4 * 2**30
    waiting: int = 128
    waiting_each: int = 64
    connections: int = 256
    sql_bytes: int = 2**20

    @property
    def workers_each(self) -> int:
        """One worker is always left for the others."""
        return max(1, self.workers - 1)
