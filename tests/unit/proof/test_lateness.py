"""What each landed row was too late for, over small tables in DuckDB."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehead.contracts.load import contract_from_text
from lakehead.contracts.scaffold import scaffold
from lakehead.models.bind import Bound, bind
from lakehead.models.model import parse_model
from lakehead.proof.evidence import Closed
from lakehead.proof.evidence import Landed as Evidence
from lakehead.proof.lateness import judge_rows, judge_second, late_rows, load_evidence
from tests.draws import draws

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CONTRACTS = {
    name: contract_from_text(scaffold(name), Path(f"schemas/{name}.yaml"))
    for name in ("orders", "payments")
}
ON = "ON o.id = p.id AND p.event_time BETWEEN o.event_time AND o.event_time"
HEADERS: dict[str, dict[str, Any]] = {
    "tumble": {"window": {"tumble": "10 seconds"}, "keys": ["id"]},
    "hop": {"window": {"hop": {"size": "20 seconds", "every": "10 seconds"}}, "keys": ["id"]},
    "cumulate": {
        "window": {"cumulate": {"size": "20 seconds", "step": "10 seconds"}},
        "keys": ["id"],
    },
    "dedup": {"window": {"tumble": "10 seconds"}, "dedup": {"keys": ["id"]}},
    "session": {"window": {"session": {"gap": "5 seconds"}}, "keys": ["id"]},
    "rows": {},
    "sequence": {
        "sequence": {
            "by": ["id"],
            "within": "1 day",
            "steps": [{"name": "a", "where": "id = 'x'", "times": 2}],
        }
    },
    "join": {"kind": "join", "streams": ["orders", "payments"], "stream": None},
}


def bound(kind: str) -> Bound:
    header = {
        "model": "m",
        "stream": "orders",
        **HEADERS[kind],
        "output": {"table": "marts.m", "columns": {"id": "string"}},
    }
    text = yaml.safe_dump({k: v for k, v in header.items() if v is not None})
    select = {
        "join": f"SELECT o.id FROM orders AS o JOIN payments AS p {ON}",
        **dict.fromkeys(("rows", "dedup", "sequence"), "SELECT id FROM orders"),
    }.get(kind, "SELECT id FROM orders GROUP BY id")
    return bind(parse_model(f"/*\n{text}*/\n{select}", "m"), CONTRACTS)


BOUND = {kind: bound(kind) for kind in HEADERS}
BY_WINDOW = ("tumble", "hop", "cumulate", "dedup")


@dataclass(frozen=True)
class Landed:
    """A landed row; ``checkpoint`` is None where no stream wrote it."""

    ms: int
    offset: int
    watermark: int | None = None
    checkpoint: int | None = 1
    partition: int = 0


@dataclass(frozen=True)
class Answered:
    """A row of the mart, by the end of its window or its time."""

    ms: int
    checkpoint: int | None = 1
    settled: str | None = None


@pytest.fixture
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        yield con


def time(ms: int | None) -> datetime | None:
    return None if ms is None else EPOCH + timedelta(milliseconds=ms)


def insert(lake: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        marks = ", ".join(f"({', '.join('?' * len(row))})" for row in rows)
        lake.execute(f"INSERT INTO {table} VALUES {marks}", [v for row in rows for v in row])


def judged(
    lake: duckdb.DuckDBPyConnection, kind: str, landed: list[Landed], mart: list[Answered]
) -> dict[tuple[int, int], int | None]:
    """Partition and offset -> ``late$ms``."""
    gone = (
        *("landing", "mart", "landed_by", "closed_before", "judged_rows"),
        *("fired", "reconciles", "settled_upto"),
    )
    lake.execute("".join(f"DROP TABLE IF EXISTS {table};" for table in gone))
    clock = BOUND[kind].model.clock
    times = [clock, "event_time", "right_event_time"] if kind == "join" else [clock]
    lake.execute(
        "CREATE TABLE landing (id VARCHAR, event_time TIMESTAMPTZ, kafka_partition INT,"
        " kafka_offset BIGINT, watermark TIMESTAMPTZ)"
    )
    lake.execute(
        f"CREATE TABLE mart ({' TIMESTAMPTZ, '.join(times)} TIMESTAMPTZ, settled_offsets VARCHAR)"
    )
    rows = [("x", time(r.ms), r.partition, r.offset, time(r.watermark)) for r in landed]
    insert(lake, "landing", rows)
    insert(lake, "mart", [(*[time(a.ms)] * len(times), a.settled) for a in mart])
    load_evidence(
        lake,
        [Evidence(r.partition, r.offset, r.offset, r.checkpoint) for r in landed if r.checkpoint],
        [
            Closed(a.checkpoint, EPOCH + timedelta(milliseconds=a.ms))
            for a in mart
            if a.checkpoint and a.settled is None
        ],
    )
    judge_rows(lake, BOUND[kind].model, "mart", "landing")
    found = lake.execute('SELECT kafka_partition, kafka_offset, "late$ms" FROM judged_rows')
    return {(p, o): late for p, o, late in found.fetchall()}


def late_of(lake: duckdb.DuckDBPyConnection, kind: str, row: Landed, *mart: Answered) -> int | None:
    return judged(lake, kind, [row], [*mart])[row.partition, row.offset]


@pytest.mark.parametrize("kind", HEADERS)
def test_a_row_is_late_by_its_own_watermark(lake: duckdb.DuckDBPyConnection, kind: str) -> None:
    """A window closes as the watermark reaches its last millisecond."""
    after = 1 if kind in BY_WINDOW or kind == "session" else 0
    assert late_of(lake, kind, Landed(0, 0, 9_999)) == 9_999 + after
    assert late_of(lake, kind, Landed(0, 0, -1)) == -1 + after
    assert late_of(lake, kind, Landed(0, 0)) is None


@pytest.mark.parametrize("kind", BY_WINDOW)
def test_a_window_had_closed_by_an_earlier_checkpoint(
    lake: duckdb.DuckDBPyConnection, kind: str
) -> None:
    """After a restart the watermark begins anew, while that of the windows does not."""
    row = Landed(0, 0, None, checkpoint=5)
    assert late_of(lake, kind, row, Answered(10_000, 4)) == 10_000
    assert late_of(lake, kind, row, Answered(10_000, 5)) is None
    assert late_of(lake, kind, row, Answered(10_000, 6)) is None
    # The latest that had closed by then, whichever checkpoint that was.
    earlier = [Answered(30_000, 2), Answered(10_000, 4), Answered(50_000, 6)]
    assert late_of(lake, kind, row, *earlier) == 30_000
    # A reconcile's file is no checkpoint's, nor is a row of a file that no stream wrote.
    assert late_of(lake, kind, row, Answered(10_000, None)) is None
    assert late_of(lake, kind, Landed(0, 0, checkpoint=None), Answered(10_000, 4)) is None


def test_a_settled_row_says_nothing_of_the_checkpoint_of_its_file(
    lake: duckdb.DuckDBPyConnection,
) -> None:
    row = Landed(0, 0, checkpoint=5)
    assert late_of(lake, "tumble", row, Answered(10_000, 4, settled='{"0": 9}')) is None


@pytest.mark.parametrize("kind", BY_WINDOW)
def test_a_window_had_closed_by_an_earlier_reconcile(
    lake: duckdb.DuckDBPyConnection, kind: str
) -> None:
    mart = [
        Answered(10_000, None, '{"0": 4, "1": 7}'),
        Answered(20_000, None, '{"0": 4, "1": 7}'),
        Answered(15_000, None, '{"0": 9}'),
    ]
    found = judged(
        lake, kind, [Landed(0, o, partition=p) for p in (0, 1, 2) for o in (3, 4, 5, 8, 10)], mart
    )
    assert {k: v for k, v in found.items() if v is not None} == {
        (0, 5): 20_000,
        (0, 8): 20_000,
        # The later reconcile does not open what the one before it closed.
        (0, 10): 20_000,
        (1, 8): 20_000,
        (1, 10): 20_000,
    }


def test_a_session_had_closed_a_gap_before_its_end(lake: duckdb.DuckDBPyConnection) -> None:
    row = Landed(0, 9, checkpoint=5)
    assert late_of(lake, "session", row, Answered(10_000, 4)) == 5_000
    assert late_of(lake, "session", row, Answered(10_000, None, '{"0": 8}')) == 5_000


@pytest.mark.parametrize("kind", ["sequence", "join", "rows"])
def test_without_windows_there_is_only_the_watermark(
    lake: duckdb.DuckDBPyConnection, kind: str
) -> None:
    mart = [Answered(10_000, 4), Answered(10_000, None, '{"0": 8}')]
    assert late_of(lake, kind, Landed(0, 9, checkpoint=5), *mart) is None
    assert late_of(lake, kind, Landed(0, 9, 3, checkpoint=5), *mart) == 3


def test_offsets_of_a_second_stream_are_of_no_partition(lake: duckdb.DuckDBPyConnection) -> None:
    settled = '{"0": 4, "payments/0": 7, "payments/1": 7}'
    found = judged(lake, "join", [Landed(0, 5)], [Answered(10_000, None, settled)])
    assert found == {(0, 5): None}
    assert lake.execute("SELECT p, upto FROM reconciles").fetchall() == [(0, 4)]


def test_an_empty_mart_closes_nothing(lake: duckdb.DuckDBPyConnection) -> None:
    assert judged(lake, "tumble", [Landed(0, 0), Landed(0, 1, 5)], []) == {
        (0, 0): None,
        (0, 1): 6,
    }


MILLIS = st.integers(-4, 4).map(lambda n: n * 5_000) | st.integers(-20_000, 20_000)
LANDED = st.lists(
    st.tuples(MILLIS, st.none() | MILLIS, st.none() | st.integers(1, 4), st.integers(0, 1)),
    max_size=5,
).map(lambda rows: [Landed(ms, o, mark, c, p) for o, (ms, mark, c, p) in enumerate(rows)])
OFFSETS = st.dictionaries(st.sampled_from("01"), st.integers(0, 5), min_size=1).map(json.dumps)
MART = st.lists(
    st.builds(Answered, MILLIS, st.integers(1, 4))
    | st.builds(Answered, MILLIS, st.none(), OFFSETS),
    max_size=5,
)
SHARED = settings(max_examples=draws(40), deadline=None)


@pytest.fixture(scope="module")
def shared() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET threads = 1")
        yield con


def greatest(*values: int | None) -> int | None:
    return max((v for v in values if v is not None), default=None)


def covers(mart: list[Answered]) -> list[tuple[dict[str, int], int]]:
    """What each reconcile read, and up to when its answers reach."""
    reached: dict[str, int] = {}
    for row in mart:
        if row.settled is not None:
            reached[row.settled] = max(row.ms, reached.get(row.settled, row.ms))
    return [(json.loads(s), ms) for s, ms in reached.items()]


def expected(kind: str, row: Landed, mart: list[Answered]) -> int | None:
    by_window = kind in (*BY_WINDOW, "session")
    watermark = None if row.watermark is None else row.watermark + by_window
    if kind in ("sequence", "rows", "join"):
        return watermark
    fired = [
        a.ms
        for a in mart
        if a.settled is None and row.checkpoint and a.checkpoint and a.checkpoint < row.checkpoint
    ]
    settled = [
        ms
        for read, ms in covers(mart)
        if str(row.partition) in read and read[str(row.partition)] < row.offset
    ]
    closed = greatest(*fired, *settled)
    back = 5_000 if kind == "session" else 0
    return greatest(watermark, None if closed is None else closed - back)


@SHARED
@given(landed=LANDED, mart=MART)
@pytest.mark.parametrize("kind", HEADERS)
def test_the_latest_of_the_three_is_what_counts(
    shared: duckdb.DuckDBPyConnection, kind: str, landed: list[Landed], mart: list[Answered]
) -> None:
    assert judged(shared, kind, landed, mart) == {
        (row.partition, row.offset): expected(kind, row, mart) for row in landed
    }


@SHARED
@given(landed=LANDED, mart=MART, closed=st.none() | MILLIS)
@pytest.mark.parametrize("kind", HEADERS)
def test_late_rows_are_those_that_a_closed_answer_lacks(
    shared: duckdb.DuckDBPyConnection,
    kind: str,
    landed: list[Landed],
    mart: list[Answered],
    closed: int | None,
) -> None:
    def lacks(row: Landed) -> bool:
        late = expected(kind, row, mart)
        # The first of a row's windows to close.
        ends = row.ms // 10_000 * 10_000 + 10_000 if kind in BY_WINDOW else row.ms
        settled = any(
            read.get(str(row.partition), -1) >= row.offset and ms >= ends
            for read, ms in covers(mart)
        )
        return closed is not None and late is not None and ends <= min(late, closed) and not settled

    judged(shared, kind, landed, mart)
    found = late_rows(shared, BOUND[kind], "judged_rows", time(closed))
    assert found == (0 if kind == "rows" else sum(map(lacks, landed)))


@pytest.mark.parametrize(
    ("version", "late"), [("1", [None, 7_000, None]), ("2", [None, None, 7_000]), (None, None)]
)
def test_rows_of_the_second_stream_are_late_as_the_versions_own_scan_found(
    lake: duckdb.DuckDBPyConnection, version: str | None, late: list[int | None] | None
) -> None:
    lake.execute(
        "CREATE TABLE landing AS SELECT 'x' AS id, 0 AS kafka_partition, o AS kafka_offset"
        " FROM range(3) AS r(o)"
    )
    lake.execute(
        "CREATE TABLE left_out (model VARCHAR, version VARCHAR, stream VARCHAR,"
        " kafka_partition INT, kafka_offset BIGINT, watermark TIMESTAMPTZ)"
    )
    for name, wrote, stream, offset in (
        ("m", "1", "payments", 1),
        ("m", "1", "payments", 1),
        ("m", "2", "payments", 2),
        ("m", "1", "orders", 0),
        ("n", "1", "payments", 2),
    ):
        values = [name, wrote, stream, 0, offset, time(7_000)]
        lake.execute("INSERT INTO left_out VALUES (?, ?, ?, ?, ?, ?)", values)
    judge_second(lake, BOUND["join"].model, version, "landing", "left_out")
    found = lake.execute('SELECT kafka_offset, "late$ms" FROM judged_second ORDER BY ALL')
    # A row that a restart found late again is one row.
    assert found.fetchall() == list(enumerate(late or [None, 7_000, 7_000]))
