"""The tail by itself: what it keeps, and values of every type as a landing table has them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_lake import MemoryTopic

from lakehead.contracts.load import contract_from_text
from lakehead.contracts.scaffold import scaffold
from lakehead.contracts.type_table import _EXAMPLES
from lakehead.contracts.types import FieldType
from lakehead.deadletters.codec import judge_of
from lakehead.live import tail as tail_module
from lakehead.live.arrow import arrow_type, to_arrow
from lakehead.live.tail import Limits, Tail
from lakehead.settings import Settings

NOTHING = Settings(home=Path("/nowhere"), project=Path("/nowhere"))
CONTRACT = contract_from_text(scaffold("orders"), Path("orders"))
VALID = b'{"id": "a", "event_time": "2026-01-01T00:00:00Z"}'


def make_tail(topic: MemoryTopic) -> Tail:
    return Tail(CONTRACT, judge_of(NOTHING, CONTRACT), topic)


Step = st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 3), st.integers(-2, 3))


@given(
    st.lists(Step, max_size=12),
    st.integers(0, 2),
    st.integers(1, 3),
    st.sampled_from([-1.0, 0.0001, 5.0]),
)
def test_what_is_kept_is_what_was_asked_for(
    steps: list[tuple[int, int, int, int]], ahead: int, parts: int, slack: float
) -> None:
    """Whatever came since, and wherever the fence moved: also back."""
    topic = MemoryTopic(further=ahead)
    tail = make_tail(topic)
    begin = {0: 0, 1: 0}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tail_module, "_PART", 2)
        patched.setattr(tail_module, "_MOST_PARTS", parts)
        patched.setattr(tail_module, "_SLACK_SECONDS", slack)
        for partition, valid, dead, moved in steps:
            for _ in range(valid):
                topic.add(partition, VALID)
            for _ in range(dead):
                topic.add(partition, None)
            topic.add_mark(1 - partition)
            end = {p: high for p, (_, high) in topic.bounds().items()}
            begin[partition] = min(max(0, begin[partition] + moved), end[partition])
            check(tail, topic, begin, end)


def check(tail: Tail, topic: MemoryTopic, begin: Mapping[int, int], end: Mapping[int, int]) -> None:
    rows = tail.read(begin, end)
    for table, value in ((rows.landed, VALID), (rows.dead, None)):
        found = [
            (p, o)
            for p, o in zip(
                table["kafka_partition"].to_pylist(), table["kafka_offset"].to_pylist(), strict=True
            )
            if begin[p] <= o < end[p]
        ]
        assert sorted(found) == [
            (p, r.offset)
            for p, records in topic.log.items()
            for r in records[begin[p] : end[p]]
            if r is not None and r.value == value
        ]


def test_who_asks_with_an_older_snapshot_reads_nothing_again() -> None:
    topic = MemoryTopic({0: []})
    tail = make_tail(topic)
    for _ in range(4):
        topic.add(0, VALID)
    for begin in (0, 3, 1, 0, 2):
        assert tail.read({0: begin}, {0: 4}).landed.num_rows == 4
    assert topic.taken == 4


def test_what_nobody_asks_for_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    topic = MemoryTopic({0: []}, batch=1)
    tail = make_tail(topic)
    now = 0.0
    monkeypatch.setattr(tail_module.time, "monotonic", lambda: now)
    monkeypatch.setattr(tail_module, "_PART", 1)
    for i in range(40):
        topic.add(0, VALID)
        now += 1
        kept = tail.read({0: i}, {0: i + 1}).landed.num_rows
        assert kept <= 2 * 5 + 2
    now += 60
    assert tail.read({0: 40}, {0: 40}).landed.num_rows == 0


def test_room_is_made_before_it_is_too_much() -> None:
    topic = MemoryTopic({0: []}, batch=1)
    one = 100
    tail = Tail(CONTRACT, judge_of(NOTHING, CONTRACT), topic, Limits(bytes=3 * one))
    for i in range(9):
        topic.add(0, VALID)
        assert tail.read({0: i}, {0: i + 1}).landed.nbytes <= 3 * one


@pytest.mark.parametrize("kind", _EXAMPLES, ids=str)
def test_types_are_those_of_a_landing_table(kind: FieldType) -> None:
    made = pa.table({"c": pa.array([], arrow_type(kind))})
    assert duckdb.from_arrow(made).types == duckdb.sql(f"SELECT NULL::{kind.duckdb()} AS c").types


def test_maps_within_anything() -> None:
    counts = FieldType("map", items=FieldType("long"))
    kind = FieldType("array", items=FieldType("object", members=(("m", counts),)))
    value = [{"m": {"a": 1, "b": None}}, {}, None]
    made = to_arrow([value, None], kind)
    assert made.to_pylist() == [[{"m": [("a", 1), ("b", None)]}, {"m": None}, None], None]


def test_a_tombstone_is_dead_and_has_the_brokers_time() -> None:
    topic = MemoryTopic({0: []})
    topic.add(0, None)
    rows = make_tail(topic).read({0: 0}, {0: 1})
    assert rows.landed.num_rows == 0
    [row] = rows.dead.to_pylist()
    assert row["record"] is None
    assert row["cause"].startswith("tombstone")
    assert row["kafka_timestamp"] == datetime(2026, 1, 1, 1, tzinfo=UTC)
