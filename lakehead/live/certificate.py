"""What an answer was made of: snapshots, offsets and freshness, and what is recorded about these.

Audit and parity are not made anew: here is what the ledger and the newest certificate of parity
say, and of when they are.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakehead import __version__
from lakehead.contracts.model import Contract
from lakehead.jobs.live import live_model
from lakehead.lake.snapshots import TableState, list_tables
from lakehead.live.marts import model_of
from lakehead.live.reach import reach
from lakehead.live.streams import contract_of
from lakehead.proof.certificate import PARITY
from lakehead.proof.evidence import LEDGER
from lakehead.proof.parity import closed_in
from lakehead.query.engine import connect
from lakehead.query.freshness import Freshness
from lakehead.query.result import Result
from lakehead.query.types import quoted_table
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lakehead.models.bind import Bound


@dataclass(frozen=True)
class Audited:
    """What the ledger of a stream says: all offsets before ``upto``, by partition, as they were
    committed until ``committed_at``. ``lost`` is what is in no table and was not empty."""

    stream: str
    landed: int
    late: int
    dead: int
    empty: int
    lost: int
    upto: Mapping[str, int]
    committed_at: datetime


@dataclass(frozen=True)
class Certified:
    """The newest certificate of parity of a mart; ``of_this_snapshot`` is whether it was of the one
    that was read."""

    certified_at: datetime
    result: str
    mart_snapshot: int | None
    of_this_snapshot: bool
    landing_snapshot: int | None
    closed_until: datetime | None
    windows: int
    different: int
    explained_by_late: int
    unexplained: int
    mart_hash: str


@dataclass(frozen=True)
class TableRead:
    """A table that an answer was made of; None is what is not known, or is nothing of its kind."""

    snapshot: int | None
    committed_at: datetime | None
    live: bool
    freshness: Freshness | None
    model: str | None
    model_version: str | None
    audit: tuple[Audited, ...]
    parity: Certified | None


@dataclass(frozen=True)
class AnswerCertificate:
    """``tables`` is by name."""

    lakehead: str
    sql: str
    certified_at: datetime
    tables: Mapping[str, TableRead]

    def as_json(self) -> dict[str, Any]:
        """Plain values; times are ISO-8601 in UTC."""
        plain: dict[str, Any] = _plain(asdict(self))
        for name, read in self.tables.items():
            if read.freshness is not None:
                age = read.freshness.age_seconds
                plain["tables"][name]["freshness"]["age_seconds"] = age
        return plain


def certify_answer(settings: Settings, sql: str, result: Result) -> AnswerCertificate:
    """The certificate of an answer whose rows may still be read.

    Raises:
        SystemFailure: the lake cannot be read.
    """
    names = [name for name in (LEDGER, PARITY.table) if name in list_tables(settings)]
    with connect(settings, dict.fromkeys(names)) as con:
        tables = {
            name: _read(con, settings, state, result.freshness.get(name), names)
            for name, state in sorted(result.tables.items())
        }
    return AnswerCertificate(__version__, sql, datetime.now(UTC), tables)


def _read(
    con: "DuckDBPyConnection",
    settings: Settings,
    state: TableState,
    fresh: Freshness | None,
    recorded: list[str],
) -> TableRead:
    contract = contract_of(settings, state.name)
    bound = None if contract else model_of(settings, state.name)
    streams = [contract.stream] if contract else list(bound.streams) if bound else []
    return TableRead(
        snapshot=state.snapshot_id,
        committed_at=state.committed_at,
        live=fresh is not None,
        freshness=fresh or _freshness(con, settings, state, contract, bound),
        model=bound.model.name if bound else None,
        model_version=live_model(settings, bound.model.name)[1] if bound else None,
        audit=tuple(
            found
            for stream in streams
            if LEDGER in recorded and (found := _audited(con, stream)) is not None
        ),
        parity=_certified(con, state) if bound and PARITY.table in recorded else None,
    )


def _freshness(
    con: "DuckDBPyConnection",
    settings: Settings,
    state: TableState,
    contract: Contract | None,
    bound: "Bound | None",
) -> Freshness | None:
    """Of what the lake alone holds."""
    now = datetime.now(UTC)
    if contract is not None:
        clock = contract.event_time if state.name == contract.landing_table else None
        found = reach(con, settings, state, clock)
        return Freshness(now, found.newest, {str(p): end - 1 for p, end in found.ends.items()})
    if bound is None:
        return None
    with connect(settings, {state.name: state.snapshot_id}) as lake:
        closed = closed_in(lake, bound.model, state, quoted_table(state.name))
    return Freshness(now, None, {}, closed_until=closed)


def _audited(con: "DuckDBPyConnection", stream: str) -> Audited | None:
    rows = con.execute(
        "SELECT kafka_partition, max(next_offset), sum(landed)::BIGINT, sum(late)::BIGINT,"
        " sum(dead)::BIGINT, sum(empty)::BIGINT, sum(next_offset - first_offset)::BIGINT,"
        f" max(committed_at) FROM {quoted_table(LEDGER)} WHERE stream = $1 GROUP BY 1 ORDER BY 1",
        [stream],
    ).fetchall()
    if not rows:
        return None
    landed, late, dead, empty, offsets = (sum(row[i] for row in rows) for i in range(2, 7))
    return Audited(
        stream=stream,
        landed=landed,
        late=late,
        dead=dead,
        empty=empty,
        lost=offsets - landed - dead - empty,
        upto={str(row[0]): row[1] for row in rows},
        committed_at=max(row[7] for row in rows),
    )


def _certified(con: "DuckDBPyConnection", state: TableState) -> Certified | None:
    names = [n for n in Certified.__dataclass_fields__ if n != "of_this_snapshot"]
    row = con.execute(
        f"SELECT {', '.join(names)} FROM {quoted_table(PARITY.table)} WHERE mart = $1"
        " ORDER BY certified_at DESC LIMIT 1",
        [state.name],
    ).fetchone()
    if row is None:
        return None
    found = dict(zip(names, row, strict=True))
    return Certified(**found, of_this_snapshot=found["mart_snapshot"] == state.snapshot_id)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
