"""Landing and dead tables with the tail of their stream: views that stand in the tables' place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehead.contracts.model import Contract
from lakehead.errors import SystemFailure
from lakehead.lake.plan import Plan, plan_files
from lakehead.lake.snapshots import TableState
from lakehead.live.fence import Fences, fences
from lakehead.live.reach import Reach, reach
from lakehead.live.tail import Source
from lakehead.proof.evidence import LEDGER
from lakehead.query.types import duckdb_type, quoted, quoted_table
from lakehead.query.views import make_view
from lakehead.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from duckdb import DuckDBPyConnection

# Namespaces begin with it where only the lake's own rows, or only the tail's, are meant.
LAKE = "lake$"
TAIL = "tail$"
_SEEN = "seen$"


@dataclass(frozen=True)
class StreamReach:
    """By partition: ``fence``, the first offset that may be in the tail; ``end``, that of what is
    committed in Kafka; ``gone``, how many offsets lie between the lake and what Kafka still has.
    ``reach`` is that of the landing table, its newest event time that of the tail too; ``landed``
    and ``dead`` are the rows of the tail.
    """

    fence: Mapping[int, int]
    end: Mapping[int, int]
    gone: Mapping[int, int]
    reach: Reach
    landed: int
    dead: int


def fenced(
    con: "DuckDBPyConnection",
    settings: Settings,
    contract: Contract,
    states: Mapping[str, TableState],
    with_dead: bool,
) -> tuple[Fences, Reach]:
    """The fences of a stream, and how far its landing table reaches. ``states`` are of one moment:
    its landing table, its dead table if there is one, and the ledger if that may be read."""
    landing, dead = states[contract.landing_table], states.get(contract.dead_table)
    reached = reach(con, settings, landing, contract.event_time)
    recorded = _recorded(con, settings, states, contract.stream) if with_dead else {}

    def reach_of(state: TableState) -> Mapping[int, int]:
        return reach(con, settings, state).ends

    return fences(landing, dead if with_dead else None, reach_of, recorded), reached


def lowest(found: Fences, with_dead: bool) -> dict[int, int]:
    """From where on the topic is read, by partition; 0 where none is named."""
    if not with_dead:
        return dict(found.landing)
    both = found.landing.keys() & found.dead.keys()
    return {p: min(found.landing[p], found.dead[p]) for p in both}


def make_live(
    con: "DuckDBPyConnection",
    settings: Settings,
    contract: Contract,
    source: Source,
    states: Mapping[str, TableState],
    with_dead: bool,
) -> StreamReach:
    """Make the stream's landing table, and its dead table too ``with_dead``, as views up to the end
    of the topic. ``states`` are of one moment, read before this.

    Raises:
        UserError: the tail is longer than may be kept, or there is no such topic.
        NotRunning: Kafka does not answer.
        SystemFailure: Kafka does not give the records, or is not the one that the lake was fed by.
    """
    landing, dead = states[contract.landing_table], states.get(contract.dead_table)

    def reach_of(state: TableState) -> Mapping[int, int]:
        return reach(con, settings, state).ends

    found, reached = fenced(con, settings, contract, states, with_dead)
    fence = lowest(found, with_dead)
    tail = source.upto(contract, fence, with_dead)
    bounds, rows = tail.bounds, tail.rows
    _same_topic(contract.topic, bounds, reached.ends)
    begin = {p: fence.get(p, 0) for p in bounds}
    end = {p: high for p, (_, high) in bounds.items()}
    con.execute("CREATE OR REPLACE TEMP TABLE seen (p INTEGER, o BIGINT)")
    for state in filter(None, (landing, dead)):
        make_view(con, state, plan_files(settings, state), prefix=LAKE)
        _add_seen(con, settings, state, begin, reach_of(state))
    landed = _make_view(con, landing, rows.landed, found.landing, end)
    died = _make_view(con, dead, rows.dead, found.dead, end) if with_dead and dead else 0
    newest = con.execute(
        f"SELECT max({quoted(contract.event_time)}) FROM {quoted_table(TAIL + landing.name)}"
    ).fetchone()
    assert newest
    known = reached.and_(Reach(reach_of(dead))) if dead is not None else reached
    gone = {p: low - known.ends.get(p, 0) for p, (low, _) in bounds.items()}
    gone = {p: offsets for p, offsets in gone.items() if offsets > 0}
    return StreamReach(begin, end, gone, reached.and_(Reach({}, newest[0])), landed, died)


def _same_topic(
    topic: str, bounds: Mapping[int, tuple[int, int]], landed: Mapping[int, int]
) -> None:
    for partition, end in landed.items():
        high = bounds.get(partition, (0, 0))[1]
        if high < end:
            raise SystemFailure(
                f"the topic {topic} ends at offset {high} of partition {partition}, and offset"
                f" {end - 1} was landed: it is not the topic that the lake was fed by",
                "ask without --live",
            )


def _recorded(
    con: "DuckDBPyConnection", settings: Settings, states: Mapping[str, TableState], stream: str
) -> dict[int, int]:
    """Up to where the ledger of the stream is written, as of the same moment."""
    ledger = states.get(LEDGER)
    if ledger is None:
        return {}
    view = quoted_table(LAKE + LEDGER)
    make_view(con, ledger, plan_files(settings, ledger), prefix=LAKE)
    rows = con.execute(
        f"SELECT kafka_partition, max(next_offset) FROM {view} WHERE stream = $1 GROUP BY 1",
        [stream],
    ).fetchall()
    con.execute(f"DROP VIEW {view}")
    return dict(rows)


def _add_seen(
    con: "DuckDBPyConnection",
    settings: Settings,
    state: TableState,
    begin: Mapping[int, int],
    ends: Mapping[int, int],
) -> None:
    """Add to ``seen`` the coordinates of the table's rows behind the fence."""
    there = {p: o for p, o in begin.items() if ends.get(p, 0) > o}
    if not there:
        return
    plan = behind(plan_files(settings, state), state, "kafka_offset", min(there.values()))
    make_view(con, state, plan, prefix=_SEEN)
    _fill(con, "fence", there)
    view = quoted_table(_SEEN + state.name)
    con.execute(
        f"INSERT INTO seen SELECT kafka_partition, kafka_offset FROM {view}"
        " JOIN fence ON fence.p = kafka_partition AND kafka_offset >= fence.o"
    )


def _fill(con: "DuckDBPyConnection", table: str, offsets: Mapping[int, int]) -> None:
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS"
        " SELECT unnest($1::INTEGER[]) AS p, unnest($2::BIGINT[]) AS o",
        [list(offsets), list(offsets.values())],
    )


def behind(plan: Plan, state: TableState, column: str, value: int) -> Plan:
    """Less the files that are known to have nothing from ``value`` on."""
    field = next((f for f in state.fields if f.name == column), None)
    return plan if field is None or plan.has_deletes else plan.at_least(field.id, value)


def _make_view(
    con: "DuckDBPyConnection",
    state: TableState,
    tail: "pa.Table",
    fence: Mapping[int, int],
    end: Mapping[int, int],
) -> int:
    """The table's view, lake and tail; gives the rows of the tail."""
    columns = ", ".join(quoted(f.name) for f in state.fields)
    there = set(tail.column_names)
    # Watermark and lateness are not known before the job has judged the row.
    selected = ", ".join(
        f"CAST({quoted(f.name) if f.name in there else 'NULL'} AS {duckdb_type(f.type)})"
        f" AS {quoted(f.name)}"
        for f in state.fields
    )
    _fill(con, "fence", {p: fence.get(p, 0) for p in end})
    _fill(con, "upto", end)
    name = quoted_table(TAIL + state.name)
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(TAIL + state.name.rpartition('.')[0])}")
    con.register("tail rows", tail)
    con.execute(
        f'CREATE TABLE {name} AS SELECT {selected} FROM "tail rows"'
        " JOIN fence ON fence.p = kafka_partition AND kafka_offset >= fence.o"
        " JOIN upto ON upto.p = kafka_partition AND kafka_offset < upto.o"
        " ANTI JOIN seen ON seen.p = kafka_partition AND seen.o = kafka_offset"
    )
    con.unregister("tail rows")
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(state.name.rpartition('.')[0])}")
    con.execute(
        f"CREATE VIEW {quoted_table(state.name)} AS"
        f" SELECT {columns} FROM {quoted_table(LAKE + state.name)}"
        f" UNION ALL SELECT {columns} FROM {name}"
    )
    counted = con.execute(f"SELECT count(*) FROM {name}").fetchone()
    assert counted
    return int(counted[0])
