"""Tails that are kept warm: each record is there once, whatever happens between two answers."""

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_lake import APPENDED_MS, MemoryTopic, Shop, make_shop

from lakehead.errors import UserError
from lakehead.lake.catalog import open_catalog
from lakehead.lake.retention import CHECKPOINT
from lakehead.lake.rewrite import replace_files
from lakehead.lake.snapshots import local_path
from lakehead.live import tail as tail_module
from lakehead.live import warm
from lakehead.live.live import Live, answer
from lakehead.live.tail import Limits
from lakehead.live.tails import Tails
from lakehead.live.topic import Record
from lakehead.live.warm import Warmer
from lakehead.settings import Settings
from tests.draws import draws

BOTH = (
    "SELECT kafka_partition, kafka_offset, FALSE AS dead FROM landing.orders UNION ALL"
    " SELECT kafka_partition, kafka_offset, TRUE FROM landing.orders_dead ORDER BY ALL"
)
LANDED = "SELECT kafka_partition, kafka_offset FROM landing.orders ORDER BY ALL"
TABLES = ("landing.orders", "landing.orders_dead")


class Warm:
    """Warm tails whose rounds are made by hand."""

    def __init__(self, shop: Shop, limits: Limits | None = None) -> None:
        self.shop = shop

        def topic(settings: Settings, name: str) -> MemoryTopic:
            shop.topic.open += 1
            return shop.topic

        self.tails = Tails(shop.settings, limits, topic)
        self.warmer = Warmer(shop.settings, self.tails)

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        with answer(self.shop.settings, self.tails, sql) as result:
            return result.fetchall()

    def close(self) -> None:
        self.warmer.close()
        self.tails.close()


def expected(shop: Shop) -> list[tuple[int, int, bool]]:
    return sorted(
        (r.partition, r.offset, b"event_time" not in (r.value or b""))
        for partition in shop.topic.log.values()
        for r in partition
        if r is not None
    )


def compact(shop: Shop, table: str) -> None:
    """All files into one, as maintenance does it: no rows of its own, and no checkpoint."""
    loaded = open_catalog(shop.settings).load_table(table)
    if loaded.current_snapshot() is not None:
        paths = loaded.inspect.files()["file_path"].to_pylist()
        rows = loaded.scan().to_arrow()
        replace_files(loaded, "main", {local_path(path) for path in paths}, [rows])


def expire(shop: Shop, table: str) -> None:
    """All but the newest snapshot, and the newest that bears a checkpoint."""
    loaded = open_catalog(shop.settings).load_table(table)
    every = loaded.metadata.snapshots
    marked = [s.snapshot_id for s in every if s.summary and CHECKPOINT in s.summary]
    kept = {*marked[-1:], *[s.snapshot_id for s in every[-1:]]}
    gone = [s.snapshot_id for s in every if s.snapshot_id not in kept]
    if gone:
        loaded.maintenance.expire_snapshots().by_ids(gone).commit()


Steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["valid", "valid", "dead", "mark"]), st.integers(0, 1)),
        st.tuples(
            st.sampled_from(["checkpoint", "land", "bury", "round", "round", "ask"]), st.just(0)
        ),
        st.tuples(st.sampled_from(["compact", "expire", "hold", "ask landed"]), st.integers(0, 1)),
    ),
    max_size=24,
)


@settings(max_examples=draws(60))
@given(Steps, st.integers(1, 3), st.sampled_from([-1.0, 0.01, 5.0]))
def test_each_record_is_there_once(steps: list[tuple[str, int]], batch: int, slack: float) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(tail_module, "_PART", 3)
        patched.setattr(tail_module, "_MOST_PARTS", 2)
        patched.setattr(tail_module, "_SLACK_SECONDS", slack)
        # The fence is looked for in each round.
        patched.setattr(warm, "_FENCE_SECONDS", -1.0)
        shop = make_shop(Path(folder))
        shop.topic.batch = batch
        kept = Warm(shop)
        for step, number in [("ask", 0), *steps, ("ask", 0)]:
            match step:
                case "valid":
                    shop.valid(number)
                case "dead":
                    shop.dead(number)
                case "mark":
                    shop.mark(number)
                case "checkpoint":
                    shop.checkpoint()
                case "land" | "bury":
                    shop.commit(dead=step == "bury")
                case "compact":
                    compact(shop, TABLES[number])
                case "expire":
                    expire(shop, TABLES[number])
                case "hold":
                    shop.topic.held = number
                case "round":
                    kept.warmer.round()
                case "ask landed":
                    assert kept.ask(LANDED) == [(p, o) for p, o, dead in expected(shop) if not dead]
                case _:
                    assert kept.ask(BOTH) == expected(shop)
        kept.close()
        assert shop.topic.open == 0


def test_who_asks_finds_records_decoded(shop: Shop) -> None:
    kept = Warm(shop)
    assert kept.ask(LANDED) == []
    for _ in range(7):
        shop.valid()
    for _ in range(3):
        kept.warmer.round()
    assert shop.topic.taken == 7
    assert len(kept.ask(LANDED)) == 7
    assert shop.topic.taken == 7
    kept.close()


def test_what_was_landed_is_forgotten(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "_SLACK_SECONDS", -1.0)
    monkeypatch.setattr(warm, "_FENCE_SECONDS", -1.0)
    kept = Warm(shop)
    kept.ask(LANDED)
    for _ in range(3):
        shop.valid()
    kept.warmer.round()
    tail = kept.tails.asked()["orders"].tail
    assert tail.size().records == 3
    shop.checkpoint()
    shop.commit(dead=False)
    kept.warmer.round()
    assert tail.size().records == 0
    assert len(kept.ask(LANDED)) == 3
    kept.close()


@pytest.mark.parametrize("limits", [Limits(records=10), Limits(bytes=500)])
def test_half_of_the_limits_is_read_ahead(
    shop: Shop, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Warm(shop, limits)
    shop.topic.batch = 1
    kept.ask(LANDED)
    for _ in range(9):
        shop.valid()
    for _ in range(20):
        kept.warmer.round()
    tail = kept.tails.asked()["orders"].tail
    assert 0 < tail.size().records < 9
    assert kept.tails.asked()["orders"].behind > 0
    assert tail.size().bytes <= limits.bytes
    # Up to the limits themselves who asks reads on; behind them there is no answer.
    if limits.records == 10:
        assert len(kept.ask(LANDED)) == 9
    for _ in range(30):
        shop.valid()
    with pytest.raises(UserError, match="its job is behind, or does not run"):
        kept.ask(LANDED)
    kept.warmer.round()
    shop.checkpoint()
    shop.commit(dead=False)
    assert len(kept.ask(LANDED)) == 39
    kept.close()


def test_another_topic_of_the_same_name_is_read_anew(shop: Shop) -> None:
    kept = Warm(shop)
    for i in range(3):
        shop.valid(id=f"old{i}")
    kept.ask(LANDED)
    kept.warmer.round()
    shop.topic.log[0] = []
    shop.valid(id="new")
    assert kept.ask("SELECT kafka_offset, id FROM landing.orders") == [(0, "new")]
    kept.close()


def test_what_nobody_asks_for_is_closed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Warm(shop)
    kept.ask(LANDED)
    kept.warmer.round()
    assert shop.topic.open == 1
    monkeypatch.setattr(warm, "WARM_SECONDS", -1.0)
    kept.warmer.round()
    assert shop.topic.open == 0
    shop.valid()
    assert kept.ask(LANDED) == [(0, 0)]
    kept.close()


class Failing(MemoryTopic):
    """A broker that is away for a while."""

    away = False

    def bounds(self) -> dict[int, tuple[int, int]]:
        if self.away:
            raise UserError("away")
        return super().bounds()

    def ahead(self, begin: "dict[int, int]") -> list[Record]:  # type: ignore[override]
        if self.away:
            raise UserError("away")
        return super().ahead(begin)


def test_a_broker_that_comes_back_is_read_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "_AGAIN_SECONDS", 0.0)
    topic = shop.topic = Failing()
    kept = Warm(shop)
    shop.valid()
    kept.ask(LANDED)
    topic.away = True
    shop.valid()
    kept.warmer.round()
    with pytest.raises(UserError, match="away"):
        kept.ask(LANDED)
    topic.away = False
    kept.warmer.round()
    assert topic.taken == 2
    assert kept.ask(LANDED) == [(0, 0), (0, 1)]
    kept.close()


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_thread_keeps_them_while_others_ask_and_commit(shop: Shop) -> None:
    def topic(settings: Settings, name: str) -> MemoryTopic:
        return shop.topic

    stop = threading.Event()
    # What was added wholly: an answer has all of this at least.
    added = [0]

    def produce() -> None:
        for i in range(300):
            partition = i % 2
            offset = len(shop.topic.log[partition])
            value = b'{"id": "a", "event_time": "2026-01-01T00:00:00Z"}'
            shop.topic.log[partition].append(Record(partition, offset, APPENDED_MS, value))
            added[0] = i + 1
            stop.wait(0.005)

    producing = threading.Thread(target=produce)
    with Live(shop.settings, topic=topic, warm=True) as live:
        shop.ask(LANDED, live)
        producing.start()
        while producing.is_alive():
            least = added[0]
            rows = shop.ask(LANDED, live)
            assert len(rows) == len(set(rows)) >= least
            shop.checkpoint()
            shop.commit(dead=False)
        eventually(lambda: shop.topic.taken == 300)
        assert len(shop.ask(LANDED, live)) == 300
    assert shop.topic.taken == 300


def test_a_dead_record_that_only_the_landing_table_has_passed(shop: Shop) -> None:
    """The tail begins at the lower of two fences."""
    for landed_alone in (False, True):
        shop.dead()
        shop.valid()
        shop.checkpoint()
        shop.commit(dead=False)
        if not landed_alone:
            shop.commit(dead=True)
    kept = Warm(shop)
    assert kept.ask(BOTH) == expected(shop)
    kept.warmer.round()
    assert kept.ask(BOTH) == expected(shop)
    # Nothing is read twice, though the thread looks for what the lake has.
    assert shop.topic.taken == 2
    kept.close()
