"""The audit: every offset that the broker gave out is in the lake exactly once.

produced = landed + dead + empty + in flight + lost, by partition. An offset below the one up to
which the job has committed, and in neither table, is *empty* where Kafka never had a record there,
and else *lost*; one that is there more than once is *duplicated*.
"""

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.jobs import records
from lakehead.jobs.spec import consumer_group
from lakehead.proof.evidence import LedgerEnd, ledger_ends
from lakehead.proof.faults import FaultAudit, audit_faults
from lakehead.query.engine import connect
from lakehead.settings import Settings
from lakehead.streams.empty import all_empty, count_empty
from lakehead.streams.topics import committed, offsets

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHOWN = 5
# A running job commits more often than that.
_STILL_SECONDS = 3.0


@dataclass(frozen=True)
class PartitionAudit:
    """Counts of offsets. ``missing`` are the first few that are in neither table, where some are
    lost; ``repeated`` the first few that are there more than once."""

    partition: int
    produced: int
    landed: int
    dead: int
    late: int
    empty: int
    in_flight: int
    lost: int
    duplicated: int
    missing: list[int] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)

    @property
    def reached(self) -> int:
        """The offset up to which the job has read."""
        return self.produced - self.in_flight


@dataclass(frozen=True)
class StreamAudit:
    """Sums over the partitions."""

    produced: int
    landed: int
    dead: int
    late: int
    empty: int
    in_flight: int
    lost: int
    duplicated: int
    partitions: list[PartitionAudit]
    faults: list[FaultAudit] = field(default_factory=list)

    @property
    def reached(self) -> dict[int, int]:
        """By partition, the offset up to which the job has read."""
        return {p.partition: p.reached for p in self.partitions}

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
    # What the ledger has read was there, though it is the newest and somebody took it away.
    known = ledger_ends(settings, stream)
    begun = time.monotonic()
    end, moved, before = begun + wait_seconds, begun, None
    while True:
        reached = committed(settings, contract.topic, consumer_group(stream))
        result = _count(settings, contract, produced, known, reached)
        now = time.monotonic()
        if result.reached != before:
            moved, before = now, result.reached
        waited = now > end or not _is_running(settings, stream)
        if result.in_flight and (waited or now - moved > _STILL_SECONDS):
            reached = _past_marks(settings, contract, result)
            result = _count(settings, contract, produced, known, reached)
        if waited or (result.in_flight == 0 and result.clean):
            return replace(result, faults=audit_faults(settings, contract, result.reached))
        time.sleep(0.3)


def _past_marks(settings: Settings, contract: Contract, result: StreamAudit) -> dict[int, int]:
    """Up to where the job has read; a job never says that it has read the mark of a transaction."""
    return {
        p.partition: p.produced
        if p.in_flight and all_empty(settings, contract.topic, p.partition, p.reached, p.produced)
        else p.reached
        for p in result.partitions
    }


def _count(
    settings: Settings,
    contract: Contract,
    produced: dict[int, int],
    known: dict[int, LedgerEnd],
    reached: dict[int, int],
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
            ledger = known.get(partition, LedgerEnd())
            fence = min(high, max(reached.get(partition, -1), ledger.end, newest + 1, 0))
            absent, duplicated = fence - distinct, rows - distinct
            empty = 0
            if absent > 0:
                empty = min(absent, _empty(settings, lake, contract, partition, ledger, fence))
            lost = absent - empty
            partitions.append(
                PartitionAudit(
                    partition=partition,
                    produced=high,
                    landed=distinct - dead,
                    dead=dead,
                    late=late,
                    empty=empty,
                    in_flight=high - fence,
                    lost=lost,
                    duplicated=duplicated,
                    missing=_list(lake, _MISSING, [partition, 0, -1, fence]) if lost else [],
                    repeated=_list(lake, _REPEATED, [partition]) if duplicated else [],
                )
            )
    names = ("produced", "landed", "dead", "late", "empty", "in_flight", "lost", "duplicated")
    sums = {name: sum(getattr(p, name) for p in partitions) for name in names}
    return StreamAudit(**sums, partitions=partitions)


def _empty(
    settings: Settings,
    lake: "DuckDBPyConnection",
    contract: Contract,
    partition: int,
    ledger: LedgerEnd,
    fence: int,
) -> int:
    """How many of the offsets that are in neither table hold no record: as the ledger has it, and
    beyond that as Kafka says."""
    if ledger.end > fence:
        # It has read what came after the audit began.
        ledger = LedgerEnd()
    found = lake.execute(
        f"{_GAPS} SELECT min(before + 1), max(after) FROM gaps WHERE after > before + 1",
        [partition, ledger.end, ledger.end - 1, fence],
    ).fetchone()
    if found is None or found[0] is None:
        return ledger.empty
    return ledger.empty + count_empty(settings, contract.topic, partition, *found)


_GAPS = (
    "WITH seen AS (SELECT DISTINCT o FROM found WHERE p = ? AND o >= ?),"
    " ends AS (SELECT o FROM seen UNION SELECT ?::BIGINT UNION SELECT ?::BIGINT),"
    " gaps AS (SELECT o AS before, lead(o) OVER (ORDER BY o) AS after FROM ends)"
)
_MISSING = (
    f"{_GAPS} SELECT unnest(range(before + 1, least(after, before + {_SHOWN + 1}))) FROM gaps"
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
