"""The audit: every offset that the broker gave out is in the lake exactly once.

produced = landed + dead + in flight + lost, by partition. An offset below the one up to which the
job has committed, and in neither table, is *lost*; one that is there more than once is
*duplicated*.
"""

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.jobs import records
from lakehead.jobs.spec import consumer_group
from lakehead.proof.faults import FaultAudit, audit_faults
from lakehead.query.engine import connect
from lakehead.settings import Settings
from lakehead.streams.topics import committed, offsets

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHOWN = 5


@dataclass(frozen=True)
class PartitionAudit:
    """Counts of records. ``missing`` and ``repeated`` are the first few offsets, if any."""

    partition: int
    produced: int
    landed: int
    dead: int
    late: int
    in_flight: int
    lost: int
    duplicated: int
    missing: list[int] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class StreamAudit:
    """Sums over the partitions."""

    produced: int
    landed: int
    dead: int
    late: int
    in_flight: int
    lost: int
    duplicated: int
    partitions: list[PartitionAudit]
    faults: list[FaultAudit] = field(default_factory=list)

    @property
    def reached(self) -> dict[int, int]:
        """By partition, the offset up to which the job has read."""
        return {p.partition: p.produced - p.in_flight for p in self.partitions}

    @property
    def clean(self) -> bool:
        """Nothing is lost or twice, and what was injected is where it must be."""
        return self.lost == 0 and self.duplicated == 0 and not any(f.missing for f in self.faults)


def audit(settings: Settings, stream: str, wait_seconds: float = 30) -> StreamAudit:
    """Hold the lake against the broker's offsets, and against the manifests of what was injected.

    Waits up to ``wait_seconds`` for a running job to land what is in flight. What is produced
    meanwhile does not count.

    Raises:
        UserError: no such stream, no such topic, no tables yet.
        NotRunning: the broker does not answer.
    """
    contract = contract_in_force(settings, stream)
    produced = {p: high for p, (_, high) in offsets(settings, contract.topic).items()}
    if not produced:
        raise UserError(f"the topic {contract.topic} does not exist", f"lakehead submit {stream}")
    end = time.monotonic() + wait_seconds
    while True:
        reached = committed(settings, contract.topic, consumer_group(stream))
        result = _count(settings, contract, produced, reached)
        settled = result.in_flight == 0 and result.clean
        if settled or not _is_running(settings, stream) or time.monotonic() > end:
            return replace(result, faults=audit_faults(settings, contract, result.reached))
        time.sleep(0.3)


def _count(
    settings: Settings, contract: Contract, produced: dict[int, int], reached: dict[int, int]
) -> StreamAudit:
    with connect(settings, {contract.landing_table: None, contract.dead_table: None}) as lake:
        lake.execute("CREATE TABLE bounds (p INTEGER, high BIGINT)")
        lake.executemany("INSERT INTO bounds VALUES (?, ?)", list(produced.items()))
        lake.execute(
            "CREATE VIEW found AS SELECT p, o, dead, late FROM ("
            "SELECT kafka_partition AS p, kafka_offset AS o, FALSE AS dead, late"
            f' FROM landing."{contract.stream}" UNION ALL '
            "SELECT kafka_partition, kafka_offset, TRUE, FALSE"
            f' FROM landing."{contract.stream}_dead") JOIN bounds USING (p) WHERE o < high'
        )
        counted = lake.execute(
            "SELECT p, count(*), count(DISTINCT o), count(DISTINCT o) FILTER (dead),"
            " count(DISTINCT o) FILTER (late), max(o) FROM found GROUP BY p"
        ).fetchall()
        by_partition = {row[0]: row[1:] for row in counted}
        partitions = []
        for partition, high in sorted(produced.items()):
            rows, distinct, dead, late, newest = by_partition.get(partition, (0, 0, 0, 0, -1))
            fence = min(high, max(reached.get(partition, -1), newest + 1, 0))
            lost, duplicated = fence - distinct, rows - distinct
            partitions.append(
                PartitionAudit(
                    partition=partition,
                    produced=high,
                    landed=distinct - dead,
                    dead=dead,
                    late=late,
                    in_flight=high - fence,
                    lost=lost,
                    duplicated=duplicated,
                    missing=_list(lake, _MISSING, [partition, fence]) if lost else [],
                    repeated=_list(lake, _REPEATED, [partition]) if duplicated else [],
                )
            )
    names = ("produced", "landed", "dead", "late", "in_flight", "lost", "duplicated")
    sums = {name: sum(getattr(p, name) for p in partitions) for name in names}
    return StreamAudit(**sums, partitions=partitions)


_MISSING = (
    "WITH seen AS (SELECT DISTINCT o FROM found WHERE p = ?),"
    " ends AS (SELECT o FROM seen UNION SELECT -1 UNION SELECT ?::BIGINT),"
    " gaps AS (SELECT o AS before, lead(o) OVER (ORDER BY o) AS after FROM ends)"
    f" SELECT unnest(range(before + 1, least(after, before + {_SHOWN + 1}))) FROM gaps"
    f" WHERE after > before + 1 ORDER BY 1 LIMIT {_SHOWN}"
)
_REPEATED = (
    f"SELECT o FROM found WHERE p = ? GROUP BY o HAVING count(*) > 1 ORDER BY o LIMIT {_SHOWN}"
)


def _list(lake: "DuckDBPyConnection", sql: str, parameters: list[int]) -> list[int]:
    return [row[0] for row in lake.execute(sql, parameters).fetchall()]


def _is_running(settings: Settings, stream: str) -> bool:
    desired = records.read_desired(settings, stream)
    observed = records.read_observed(settings, stream)
    return bool(desired and desired.run) and observed.state not in ("failed", "stopped")
