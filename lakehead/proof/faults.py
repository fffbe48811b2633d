"""What was put into a stream on purpose, by the manifests, and what the lake shows of it.

Each faulty record is looked up by its Kafka coordinates: poison must be dead by a cause that names
what was done to it, everything else must be landed.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehead.contracts.model import Contract
from lakehead.query.engine import connect
from lakehead.query.types import quoted
from lakehead.settings import Settings
from lakehead.streams.manifest import Manifest, read_manifests
from lakehead.streams.produce.faults import DUPLICATE, LATE, OUT_OF_ORDER

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHOWN = 5


@dataclass(frozen=True)
class FaultAudit:
    """Counts of one kind of fault.

    ``found`` of the ``injected`` are where they must be; ``pending`` the job has not reached yet.
    ``flagged`` are late in the lake: of the kind ``late``, and of what is out of order. ``astray``
    are the first few (partition, offset) that are not where they must be.
    """

    kind: str
    expected: str
    injected: int
    found: int
    pending: int
    flagged: int
    astray: list[tuple[int, int]] = field(default_factory=list)

    @property
    def missing(self) -> int:
        return self.injected - self.found - self.pending


def audit_faults(
    settings: Settings,
    contract: Contract,
    reached: dict[int, int],
    manifests: list[Manifest] | None = None,
) -> list[FaultAudit]:
    """Look up every fault of the stream's ``manifests``, by default of all of its runs.

    ``reached`` is, by partition, the offset up to which the lake has everything.

    Raises:
        UserError: a manifest is damaged, or there are no tables yet.
    """
    manifests = read_manifests(settings, contract.stream) if manifests is None else manifests
    faults = [fault for manifest in manifests for fault in _faults(manifest)]
    if not faults:
        return []
    tables = {contract.landing_table: None, contract.dead_table: None}
    with connect(settings, tables) as lake:
        _load(lake, faults, reached)
        lake.execute(
            "CREATE TABLE outcome AS SELECT DISTINCT f.*, o >= coalesce(high, 0) AS pending,"
            " l.kafka_offset IS NOT NULL OR coalesce(contains(d.cause, expected), FALSE) AS found,"
            " coalesce(l.late, FALSE) AS flagged FROM faults f"
            f" LEFT JOIN landing.{quoted(contract.stream)} l"
            " ON f.expected IS NULL AND l.kafka_partition = p AND l.kafka_offset = o"
            f" LEFT JOIN landing.{quoted(contract.dead_table.split('.')[1])} d"
            " ON d.kafka_partition = p AND d.kafka_offset = o"
            " LEFT JOIN reached r ON r.part = f.p"
        )
        counted = lake.execute(
            "SELECT kind, coalesce(any_value(expected), ''), count(*), count(*) FILTER (found),"
            " count(*) FILTER (pending AND NOT found), count(*) FILTER (flagged)"
            " FROM outcome GROUP BY kind ORDER BY kind"
        ).fetchall()
        astray = lake.execute(
            "SELECT kind, p, o FROM outcome WHERE NOT found AND NOT pending"
            f" QUALIFY row_number() OVER (PARTITION BY kind ORDER BY p, o) <= {_SHOWN}"
        ).fetchall()
    found = []
    for kind, expected, injected, seen, pending, flagged in counted:
        examples = [(p, o) for of, p, o in astray if of == kind]
        found.append(FaultAudit(kind, expected, injected, seen, pending, flagged, examples))
    return found


_Fault = tuple[str, str | None, int, int]


def _faults(manifest: Manifest) -> list[_Fault]:
    """Kind, the expected part of the cause (None for what is landed), partition and offset."""
    poison: list[_Fault] = [
        (kind, manifest.poison.expected[kind], p, o) for p, o, kind in manifest.poison.coordinates
    ]
    kept = (
        (LATE, manifest.late.coordinates),
        (OUT_OF_ORDER, manifest.out_of_order.coordinates),
        (DUPLICATE, manifest.duplicates.coordinates),
    )
    return [*poison, *((kind, None, p, o) for kind, listed in kept for p, o in listed)]


def _load(lake: "DuckDBPyConnection", faults: list[_Fault], reached: dict[int, int]) -> None:
    # Through Arrow: there may be as many faults as events.
    import pyarrow as pa  # type: ignore[import-untyped]

    names = ("kind", "expected", "p", "o")
    kinds = (pa.string(), pa.string(), pa.int32(), pa.int64())
    columns = {
        name: pa.array(values, kind)
        for name, values, kind in zip(names, zip(*faults, strict=True), kinds, strict=True)
    }
    lake.register("given", pa.table(columns))
    lake.execute("CREATE TABLE faults AS FROM given")
    lake.unregister("given")
    lake.execute("CREATE TABLE reached (part INTEGER, high BIGINT)")
    if reached:
        lake.executemany("INSERT INTO reached VALUES (?, ?)", list(reached.items()))
