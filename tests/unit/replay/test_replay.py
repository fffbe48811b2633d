"""What was landed goes out again as it was, in its order, to another topic."""

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest

from lakehead.errors import SystemFailure, UserError
from lakehead.replay.publish import HEADER, ReplayOptions, plan_replay, replay
from lakehead.streams.sinks import MemorySink
from tests.small_lake import Lake, at, event, make_lake

AGAIN = ReplayOptions("orders-again")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Rows of two partitions, the broker's times not in the order of the events'."""
    made = make_lake(tmp_path)
    made.land(
        event(0, 10, id="a", kafka_timestamp=at(100)),
        event(1, 5, id="b", kafka_timestamp=at(100.5)),
        event(0, 20, 15, id=None, kafka_partition=1, kafka_timestamp=at(100.2)),
        checkpoint=1,
    )
    return made


def test_records_go_as_they_came(lake: Lake) -> None:
    sink = MemorySink(partitions=4)
    done = replay(lake.settings, "orders", AGAIN, sink)
    assert (done.records, done.first, done.last) == (3, at(100).isoformat(), at(100.5).isoformat())
    ms = int(at(100).timestamp() * 1000)
    assert [(r.topic, r.at_partition, r.key, r.timestamp, r.headers) for r in sink.records] == [
        ("orders-again", 0, b"a", ms, ((HEADER, "0:0"),)),
        ("orders-again", 1, None, ms + 200, ((HEADER, "1:0"),)),
        ("orders-again", 0, b"b", ms + 500, ((HEADER, "0:1"),)),
    ]
    assert json.loads(sink.records[0].value or b"") == {
        "id": "a",
        "event_time": "2026-01-01T00:00:10Z",
    }


def test_a_range_is_of_event_times(lake: Lake) -> None:
    within = ReplayOptions("orders-again", start=at(10), end=at(20))
    assert plan_replay(lake.settings, "orders", within).records == 1
    sink = MemorySink()
    assert replay(lake.settings, "orders", within, sink).records == 1
    assert [r.key for r in sink.records] == [b"a"]
    none = ReplayOptions("orders-again", start=at(500))
    assert plan_replay(lake.settings, "orders", none).records == 0
    assert replay(lake.settings, "orders", none, MemorySink()).first is None


def test_a_plan_sends_nothing(lake: Lake) -> None:
    planned = plan_replay(lake.settings, "orders", AGAIN)
    assert (planned.records, planned.last) == (3, at(100.5).isoformat())


def test_speed_is_a_multiple_of_the_time_it_took(lake: Lake) -> None:
    begun = time.monotonic()
    replay(lake.settings, "orders", ReplayOptions("orders-again", speed=2), MemorySink())
    assert time.monotonic() - begun >= timedelta(seconds=0.25).total_seconds()


def test_a_full_queue_is_waited_for(lake: Lake) -> None:
    sink = MemorySink(capacity=1)
    assert replay(lake.settings, "orders", AGAIN, sink).records == 3


def test_a_record_that_is_refused_is_told(lake: Lake) -> None:
    sink = MemorySink(refuse=lambda number: "no room" if number == 1 else None)
    with pytest.raises(SystemFailure, match="did not take 1 of 3 records of orders-again: no room"):
        replay(lake.settings, "orders", AGAIN, sink)


@pytest.mark.parametrize("topic", ["", "a b", ".", "ö", "x" * 250])
def test_what_is_no_topic_is_refused(topic: str) -> None:
    with pytest.raises(UserError, match="is no name of a topic"):
        ReplayOptions(topic)


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_what_is_no_speed_is_refused(speed: float) -> None:
    with pytest.raises(UserError, match="expected more than 0"):
        ReplayOptions("orders-again", speed=speed)


def test_a_streams_own_topic_is_refused(lake: Lake) -> None:
    with pytest.raises(UserError, match="its job would land all of it once more"):
        replay(lake.settings, "orders", ReplayOptions("orders"), MemorySink())
    with pytest.raises(UserError):
        plan_replay(lake.settings, "nothing", AGAIN)
