"""Marts with their open answers: what is closed is the mart's, what is not is computed."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from live_lake import MemoryTopic, Shop, make_shop

from lakehead.live import marts
from lakehead.live.live import Live
from tests.small_lake import at, event, window

COUNTS = "SELECT window_start, id, n FROM marts.m ORDER BY ALL"


@pytest.fixture
def counting(shop: Shop) -> Shop:
    """A mart of counts by id and ten seconds."""
    shop.lake.model()
    return shop


def land(shop: Shop, mark: float | None = None) -> None:
    shop.checkpoint()
    shop.commit(dead=False, mark=mark)


def test_an_unfinished_window_shows(counting: Shop) -> None:
    shop = counting
    shop.valid(seconds=1)
    shop.valid(seconds=2)
    shop.valid(seconds=11)
    land(shop)
    # As the stream has it, though the batch would say 2: what is closed is the mart's.
    shop.lake.answer(window(0, 1), checkpoint=1)
    shop.valid(1, seconds=12)
    shop.valid(1, seconds=25, id="b")
    shop.dead()
    rows = [(at(0), "a", 1), (at(10), "a", 2), (at(20), "b", 1)]
    assert shop.ask(COUNTS) == rows
    assert shop.ask("SELECT count(*) FROM marts.m WHERE settled_offsets IS NULL") == [(3,)]


def test_where_nothing_has_closed_all_is_open(counting: Shop) -> None:
    counting.valid(seconds=1)
    assert counting.ask(COUNTS) == [(at(0), "a", 1)]


def test_freshness_of_a_mart(counting: Shop) -> None:
    shop = counting
    shop.valid(seconds=1)
    shop.valid(1, seconds=30)
    land(shop)
    shop.lake.answer(window(0, 1), checkpoint=1)
    shop.valid(seconds=41)
    with shop.live() as live, live.run(COUNTS) as result:
        [(table, fresh)] = result.freshness.items()
        assert len(result.fetchall()) == 3
    assert table == "marts.m"
    assert (fresh.closed_until, fresh.open_rows, fresh.tail_rows) == (at(10), 2, 1)
    assert (fresh.newest_event_time, fresh.offsets) == (at(41), {"0": 1, "1": 0})


def test_an_open_answer_is_what_the_stream_would_say(counting: Shop) -> None:
    """A window that has closed for the job, and is not committed yet, misses its late row."""
    shop = counting
    shop.valid(seconds=11)
    land(shop)
    shop.lake.answer(window(0, 1), checkpoint=1)
    shop.valid(seconds=12)
    land(shop, mark=20)
    assert shop.ask(COUNTS) == [(at(0), "a", 1), (at(10), "a", 1)]
    # The mart says the same when it has it.
    shop.lake.answer(window(10, 1), checkpoint=2)
    assert shop.ask(COUNTS) == [(at(0), "a", 1), (at(10), "a", 1)]


def test_only_files_that_open_windows_may_need_are_read(
    counting: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = counting
    for seconds in (1, 11, 21):
        shop.valid(seconds=seconds)
        land(shop)
    shop.lake.answer(window(0, 1), window(10, 1), checkpoint=3)
    read: list[int] = []
    real = marts.make_view

    def make_view(con: Any, state: Any, plan: Any, **more: Any) -> None:
        if state.name == "landing.orders":
            read.append(len(plan.files))
        real(con, state, plan, **more)

    monkeypatch.setattr(marts, "make_view", make_view)
    assert len(shop.ask(COUNTS)) == 3
    # The window that ends first of those that are open begins as the last that has closed ends.
    assert read == [2]


def row(offset: int, seconds: float, **values: Any) -> dict[str, Any]:
    return {"event_time": at(seconds), "kafka_partition": 0, "kafka_offset": offset, **values}


def test_a_filter_goes_on_where_the_mart_ends(shop: Shop) -> None:
    shop.lake.model("SELECT id FROM orders WHERE id = 'x'", {"id": "string"}, kind="rows")
    for id in "xyx":
        shop.valid(id=id)
    land(shop)
    shop.lake.answer(row(0, 0, id="x"), row(2, 0, id="x"), checkpoint=1)
    for id in "yx":
        shop.valid(id=id)
    shop.valid(1, id="x")
    sql = "SELECT kafka_partition, kafka_offset, id FROM marts.m ORDER BY ALL"
    assert shop.ask(sql) == [(0, 0, "x"), (0, 2, "x"), (0, 4, "x"), (1, 0, "x")]


def test_an_open_session_grows(shop: Shop) -> None:
    header = {"window": {"session": "10 seconds"}, "keys": ["id"]}
    shop.lake.model(**header)
    for seconds in (0, 5, 30, 34):
        shop.valid(seconds=seconds)
    land(shop)
    closed = {"window_start": at(0), "window_end": at(15), "id": "a", "n": 2}
    shop.lake.answer(closed, checkpoint=1)
    shop.valid(1, seconds=40)
    sql = "SELECT window_start, window_end, n FROM marts.m ORDER BY ALL"
    assert shop.ask(sql) == [(at(0), at(15), 2), (at(30), at(50), 3)]


def test_a_first_of_each_key_is_not_there_twice(shop: Shop) -> None:
    header = {"window": {"tumble": "10 seconds"}, "dedup": {"keys": ["id"]}}
    shop.lake.model("SELECT id FROM orders", {"id": "string"}, **header)
    for seconds in (1, 2, 11, 12):
        shop.valid(seconds=seconds)
    land(shop)
    ends = {"window_start": at(0), "window_end": at(10)}
    shop.lake.answer({**ends, **row(0, 1, id="a")}, checkpoint=1)
    assert shop.ask("SELECT kafka_offset FROM marts.m ORDER BY 1") == [(0,), (2,)]


def test_a_sequence_across_the_fence(shop: Shop) -> None:
    steps = [{"name": "first", "where": "id = 'a'"}, {"name": "second", "where": "id = 'a'"}]
    sequence = {"by": ["id"], "steps": steps, "within": "1 minute"}
    shop.lake.model("SELECT id FROM orders", {"id": "string"}, kind="sequence", sequence=sequence)
    shop.valid(seconds=1)
    shop.valid(seconds=2)
    land(shop)
    closed: dict[str, datetime] = {"first_event_time": at(1)}
    shop.lake.answer({**closed, **row(1, 2, id="a")}, checkpoint=1)
    shop.valid(seconds=3)
    sql = "SELECT first_event_time, event_time FROM marts.m ORDER BY ALL"
    assert shop.ask(sql) == [(at(1), at(2)), (at(2), at(3))]


def test_a_join_of_two_tails(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, "orders", "payments")
    on = "o.id = p.id AND p.event_time BETWEEN o.event_time AND o.event_time + INTERVAL '9' SECOND"
    shop.lake.model(
        f"SELECT o.id FROM orders AS o JOIN payments AS p ON {on}",
        {"id": "string"},
        kind="join",
        streams=["orders", "payments"],
    )
    shop.valid(seconds=0, id="x")
    land(shop)
    shop.lake.land(event(0, 1, id="x"), stream="payments", checkpoint=1)
    pair = {"right_event_time": at(1), "right_partition": 0, "right_offset": 0, "watermark": at(1)}
    shop.lake.answer({**row(0, 0, id="x"), **pair}, checkpoint=1)
    shop.valid(seconds=5, id="y")
    payments = MemoryTopic({0: []})
    for id, seconds in (("x", 1), ("x", 2), ("y", 6)):
        payments.add(0, json.dumps({"id": id, "event_time": at(seconds).isoformat()}).encode())

    with Live(
        shop.settings, topic=lambda _, name: payments if name == "payments" else shop.topic
    ) as live:
        sql = "SELECT kafka_offset, right_offset FROM marts.m ORDER BY ALL"
        with live.run(sql) as result:
            assert result.fetchall() == [(0, 0), (0, 1), (1, 2)]
            assert result.freshness["marts.m"].offsets == {"0": 1, "payments/0": 2}


def test_a_table_that_no_model_feeds_is_not_live(counting: Shop) -> None:
    assert marts.model_of(counting.settings, "marts.other") is None
    found = marts.model_of(counting.settings, "marts.m")
    assert found is not None and found.model.name == "m"
