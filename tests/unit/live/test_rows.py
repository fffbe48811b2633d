"""Landing and dead tables up to the last event: each record once, whatever was committed when."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_lake import Shop, make_shop

from lakehead.errors import SystemFailure, UserError
from lakehead.live.live import Live
from lakehead.live.tail import Limits
from tests.draws import draws
from tests.small_lake import at

LANDED = "SELECT kafka_partition, kafka_offset FROM landing.orders ORDER BY ALL"
DEAD = "SELECT kafka_partition, kafka_offset FROM landing.orders_dead ORDER BY ALL"
BOTH = (
    "SELECT kafka_partition, kafka_offset, FALSE AS dead FROM landing.orders UNION ALL"
    " SELECT kafka_partition, kafka_offset, TRUE FROM landing.orders_dead ORDER BY ALL"
)
Pair = tuple[int, int]

Steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["valid", "valid", "dead", "mark"]), st.integers(0, 1)),
        st.tuples(st.sampled_from(["checkpoint", "land", "bury", "ask"]), st.just(0)),
    ),
    max_size=14,
)


def expected(shop: Shop) -> tuple[list[Pair], list[Pair]]:
    """Landed and dead, as the records themselves say."""
    records = [r for partition in shop.topic.log.values() for r in partition if r is not None]
    dead = sorted((r.partition, r.offset) for r in records if b"event_time" not in (r.value or b""))
    every = sorted((r.partition, r.offset) for r in records)
    return [pair for pair in every if pair not in dead], dead


def check(shop: Shop, live: Live) -> None:
    landed, dead = expected(shop)
    assert shop.ask(LANDED, live) == landed
    assert shop.ask(DEAD, live) == dead
    assert shop.ask(BOTH, live) == sorted(
        [(*pair, False) for pair in landed] + [(*pair, True) for pair in dead]
    )


@settings(max_examples=draws(10))
@given(Steps, st.integers(0, 2))
def test_each_record_is_there_once(steps: list[tuple[str, int]], ahead: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = make_shop(Path(folder))
        shop.topic.further = ahead
        with shop.live() as warm:
            for step, partition in [*steps, ("ask", 0)]:
                match step:
                    case "valid":
                        shop.valid(partition)
                    case "dead":
                        shop.dead(partition)
                    case "mark":
                        shop.mark(partition)
                    case "checkpoint":
                        shop.checkpoint()
                    case "land" | "bury":
                        shop.commit(dead=step == "bury")
                    case _:
                        check(shop, warm)
        with shop.live() as cold:
            check(shop, cold)


def test_a_row_of_the_tail_is_as_it_will_be_landed(shop: Shop) -> None:
    shop.valid(seconds=5, id="it's")
    [row] = shop.ask("FROM landing.orders")
    assert row == ("it's", at(5), 0, 0, at(3600), None, None)
    shop.dead()
    [dead] = shop.ask("FROM landing.orders_dead")
    assert dead[0] == b'{"id": 7}'
    assert "event_time.required" in dead[1]
    assert dead[2:] == (0, 1, at(3600))


def test_freshness_says_up_to_where(shop: Shop) -> None:
    shop.valid(seconds=5)
    shop.checkpoint()
    shop.commit(dead=False)
    shop.valid(1, seconds=3)
    shop.dead(0)
    with shop.live() as live, live.run("SELECT count(*) FROM landing.orders") as result:
        assert result.fetchall() == [(2,)]
        [(table, fresh)] = result.freshness.items()
    assert table == "landing.orders"
    assert fresh.newest_event_time == at(5)
    assert fresh.offsets == {"0": 1, "1": 0}
    assert fresh.fence == {"0": 1, "1": 0}
    assert fresh.tail_rows == 1
    assert fresh.gone == {}
    assert fresh.age_seconds == pytest.approx((fresh.read_at - at(5)).total_seconds(), abs=0.001)


def test_what_was_read_is_not_read_again(shop: Shop) -> None:
    for _ in range(5):
        shop.valid()
    with shop.live() as live:
        shop.ask(LANDED, live)
        assert shop.topic.taken == 5
        shop.valid()
        assert len(shop.ask(LANDED, live)) == 6
        assert shop.topic.taken == 6
        shop.checkpoint()
        shop.commit(dead=False)
        assert len(shop.ask(LANDED, live)) == 6
        assert shop.topic.taken == 6
        assert shop.topic.open == 1
    assert shop.topic.open == 0


def test_a_dead_record_of_a_tail_long_landed_is_found(shop: Shop) -> None:
    """Of the dead table's checkpoint the landing table says up to where it is settled."""
    shop.dead()
    for _ in range(4):
        shop.valid()
    shop.checkpoint()
    shop.commit(dead=False)
    shop.commit(dead=True)
    with shop.live() as live:
        assert shop.ask(DEAD, live) == [(0, 0)]
        # Not one record was read again, though the newest dead one lies far behind.
        assert shop.topic.taken == 0


@pytest.mark.parametrize("limits", [Limits(records=2), Limits(bytes=50)])
def test_a_tail_that_is_too_long_is_no_answer(shop: Shop, limits: Limits) -> None:
    for _ in range(3):
        shop.valid()
    with shop.live(limits) as live:
        with pytest.raises(UserError, match="its job is behind, or does not run") as refused:
            shop.ask(LANDED, live)
        assert "lakehead jobs" in str(refused.value.hint)
        shop.checkpoint()
        shop.commit(dead=False)
        # What the lake has since need not be kept.
        assert len(shop.ask(LANDED, live)) == 3


def test_offsets_that_kafka_has_dropped_are_told(shop: Shop) -> None:
    for _ in range(3):
        shop.valid()
    shop.topic.first[0] = 2
    with shop.live() as live, live.run(LANDED) as result:
        assert result.fetchall() == [(0, 2)]
        assert result.freshness["landing.orders"].gone == {"0": 2}


def test_what_the_dead_table_has_is_not_gone(shop: Shop) -> None:
    shop.dead()
    shop.checkpoint()
    shop.commit(dead=True)
    shop.valid()
    shop.topic.first[0] = 1
    with shop.live() as live, live.run(BOTH) as result:
        assert result.fetchall() == [(0, 0, True), (0, 1, False)]
        assert result.freshness["landing.orders"].gone == {}


def test_another_topic_of_the_same_name_is_no_answer(shop: Shop) -> None:
    shop.valid()
    shop.valid()
    shop.checkpoint()
    shop.commit(dead=False)
    shop.topic.log[0] = []
    with pytest.raises(SystemFailure, match="it is not the topic that the lake was fed by"):
        shop.ask(LANDED)


def test_what_does_not_come_from_kafka_is_not_live(shop: Shop) -> None:
    with pytest.raises(UserError, match=r"nothing comes to ops\.left_out from Kafka"):
        shop.ask("FROM ops.left_out")
    assert len(shop.ask("SHOW TABLES")) == 3
    shop.valid()
    # Beside a live table it is read as the lake has it.
    assert shop.ask(
        "SELECT count(l.model) FROM landing.orders LEFT JOIN ops.left_out l ON true"
    ) == [(0,)]


def test_sql_sees_neither_files_nor_settings(shop: Shop) -> None:
    shop.valid()
    with pytest.raises(UserError, match="may not be used"):
        shop.ask("SELECT * FROM landing.orders, read_text('/etc/passwd')")
    with pytest.raises(UserError, match="there is no table"):
        shop.ask("FROM landing.orders, landing.order")


def test_tables_are_named_in_any_case(shop: Shop) -> None:
    shop.valid()
    assert shop.ask("SELECT count(*) FROM LANDING.Orders") == [(1,)]


def test_what_the_job_has_judged_stays_so(shop: Shop) -> None:
    """Though the contract of now takes it: it was dead by an earlier one."""
    offset = shop.valid()
    row = {"record": b"{}", "cause": "c", "kafka_partition": 0, "kafka_offset": offset}
    shop.lake.append("landing.orders_dead", [row], 1)
    assert shop.ask(LANDED) == []
    assert shop.ask(DEAD) == [(0, 0)]


def test_threads_share_what_was_read(shop: Shop) -> None:
    def asked(live: Live) -> bool:
        shop.valid()
        with live.run("SELECT count(*) FROM landing.orders") as result:
            [(counted,)] = result.fetchall()
            offsets = result.freshness["landing.orders"].offsets
            return bool(counted == sum(newest + 1 for newest in offsets.values()))

    with shop.live() as live, ThreadPoolExecutor(4) as threads:
        assert all(threads.map(asked, [live] * 12))
    assert shop.topic.taken == 12
