"""Publishing: what is invalid is not sent, a full buffer holds back, failures are told once, and no
thread loses an event. Kafka's client is a double."""

import asyncio
import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from lakehead import publisher
from lakehead.contracts.load import load_contract
from lakehead.errors import NotRunning, SystemFailure, UserError
from lakehead.publisher import BufferFull, Counts, Delivery, InvalidEvent, PublishFailed
from lakehead.publisher.channel import Channel, Limits, OnReport
from lakehead.publisher.connect import encoder_of
from lakehead.publisher.publish import Publisher
from lakehead.publisher.publish_async import AsyncPublisher
from lakehead.settings import INSTALL_ROOT, Settings, load_settings

ORDERS = load_contract(INSTALL_ROOT / "schemas", "orders")


def order(**changes: Any) -> dict[str, Any]:
    return {
        "invoice": "536365",
        "stock_code": "85123A",
        "quantity": 6,
        "price": Decimal("2.55"),
        "country": "United Kingdom",
        "status": "placed",
        "event_time": datetime.now(UTC),
    } | changes


class Record:
    def __init__(self, key: str | None, value: bytes, offset: int) -> None:
        self.key, self.value, self._offset = key, json.loads(value), offset

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self._offset


class Memory:
    """A double of Kafka's client. ``answers`` is False while the broker is away; ``refuse`` is the
    error for a record, by its number, or None."""

    def __init__(
        self,
        capacity: int = 100_000,
        refuse: Callable[[int], str | None] = lambda number: None,
        only_failures: bool = True,
    ) -> None:
        self.records: list[Record] = []
        self.answers = True
        self.polls = 0
        self.broken: KafkaException | None = None
        self._capacity, self._refuse, self._only_failures = capacity, refuse, only_failures
        self._queue: deque[tuple[OnReport, str | None, Record]] = deque()
        self._lock = threading.Lock()

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str | None,
        partition: int,
        callback: OnReport,
        /,
    ) -> None:
        assert (topic, partition) == ("orders", -1)
        if self.broken:
            raise self.broken
        with self._lock:
            if len(self._queue) >= self._capacity:
                raise BufferError("Local: Queue full")
            record = Record(key, value, len(self.records))
            error = self._refuse(len(self.records))
            self.records.append(record)
            self._queue.append((callback, error, record))

    def poll(self, timeout: float, /) -> int:
        self.polls += 1
        if not self.answers:
            threading.Event().wait(timeout)
            return 0
        count = len(self._queue)
        for _ in range(count):
            self._tell(*self._queue.popleft())
        return count

    def flush(self, timeout: float, /) -> int:
        self.poll(min(timeout, 0.01))
        return len(self._queue)

    def purge(self, in_queue: bool, in_flight: bool, /) -> None:
        self._queue = deque((report, "purged", record) for report, _, record in self._queue)
        self.answers = True

    def __len__(self) -> int:
        return len(self._queue)

    def _tell(self, report: OnReport, error: str | None, record: Record) -> None:
        if error or not self._only_failures:
            report(error, record)


def publisher_of(client: Memory, reports: bool = False, **limits: Any) -> Publisher:
    return Publisher(ORDERS, client, Limits(**limits), reports)


# What is sent


def test_a_valid_event_is_sent_with_its_key() -> None:
    client = Memory()
    with publisher_of(client) as orders:
        orders.publish(order())
    (record,) = client.records
    assert record.key == "536365"
    assert record.value["price"] == 2.55
    assert orders.counts == Counts(sent=1, delivered=1, failed=0, invalid=0)


def test_an_event_may_be_an_object() -> None:
    client = Memory()
    with publisher_of(client) as orders:
        orders.publish(orders.Event(**order(customer_id=17850)))
    assert client.records[0].key == "536365"
    assert client.records[0].value["customer_id"] == 17850


def test_an_invalid_event_names_field_and_rule_and_is_not_sent() -> None:
    client = Memory()
    orders = publisher_of(client)
    with pytest.raises(InvalidEvent) as raised:
        orders.publish(order(quantity=10**6, status="lost"))
    assert raised.value.problems == [
        "quantity.maximum: is 1000000, expected at most 100000",
        "status.enum: is lost, expected one of placed, cancelled",
    ]
    assert client.records == []
    assert orders.counts == Counts(0, 0, 0, 1)


def test_an_event_ahead_of_the_clock_is_invalid() -> None:
    orders = publisher_of(Memory())
    with pytest.raises(InvalidEvent, match=r"event_time\.clock"):
        orders.publish(order(event_time=datetime.now(UTC) + timedelta(hours=1)))


def test_many_are_published_and_the_invalid_are_told() -> None:
    client = Memory()
    refused: list[tuple[Any, list[str]]] = []
    bad = order(quantity=None)
    with publisher_of(client) as orders:
        sent = orders.publish_many(
            (order(), bad, order()), lambda event, error: refused.append((event, error.problems))
        )
        assert sent == 2
        assert refused == [(bad, ["quantity.required: is missing, and required"])]
        with pytest.raises(InvalidEvent):
            orders.publish_many(iter([order(), bad, order()]))
    assert orders.counts == Counts(3, 3, 0, 2)


@pytest.mark.parametrize(
    ("key", "text"),
    [("event_time", "2025-06-15T12:00:00Z"), ("quantity", "6"), ("customer_id", None)],
)
def test_a_key_of_any_type_is_its_text(key: str, text: str | None) -> None:
    client = Memory()
    with Publisher(replace(ORDERS, key=key), client) as orders:
        orders.publish(order(event_time=datetime(2025, 6, 15, 12, tzinfo=UTC)))
        orders.publish(orders.Event(**order(event_time=datetime(2025, 6, 15, 12, tzinfo=UTC))))
    assert [r.key for r in client.records] == [text, text]


# Back-pressure


def test_a_full_buffer_holds_back_until_there_is_room() -> None:
    client = Memory(capacity=10)
    with publisher_of(client, block=30) as orders:
        assert orders.publish_many(order() for _ in range(1000)) == 1000
    assert orders.counts == Counts(1000, 1000, 0, 0)


def test_a_buffer_that_stays_full_is_an_error_in_time() -> None:
    client = Memory(capacity=1)
    client.answers = False
    orders = publisher_of(client, block=0.01, buffer=1)
    orders.publish(order())
    with pytest.raises(BufferFull, match=r"orders: 1 events wait for Kafka.* within 0\.01 s"):
        orders.publish(order())
    assert orders.counts.sent == 1
    client.answers = True
    orders.close()


# Failures


def test_what_kafka_refuses_is_raised_once_by_flush() -> None:
    client = Memory(refuse=lambda number: f"no {number}" if number % 2 else None)
    orders = publisher_of(client)
    orders.publish_many(order() for _ in range(6))
    with pytest.raises(PublishFailed, match="orders: 3 events were not published: no 1"):
        orders.flush()
    orders.flush()
    assert orders.counts == Counts(6, 3, 3, 0)
    orders.close()


def test_close_raises_failures_too_and_hides_no_other_error() -> None:
    client = Memory(refuse=lambda number: "no")
    with pytest.raises(PublishFailed), publisher_of(client) as orders:
        orders.publish(order())
    with pytest.raises(ZeroDivisionError) as raised, publisher_of(client) as orders:
        orders.publish(order())
        raise ZeroDivisionError
    assert "1 event was not published: no" in raised.value.__notes__[0]


def test_what_is_not_acknowledged_in_time_is_told_and_given_up_at_close() -> None:
    client = Memory()
    client.answers = False
    orders = publisher_of(client)
    orders.publish(order())
    with pytest.raises(PublishFailed, match=r"not acknowledged within 0\.01 s"):
        orders.flush(0.01)
    with pytest.raises(PublishFailed, match="1 event was not published: purged"):
        orders.close(0.01)
    orders.close()
    with pytest.raises(UserError, match="closed"):
        orders.publish(order())


def test_an_event_too_large_for_kafka_is_invalid_and_a_broken_client_says_so() -> None:
    client = Memory()
    orders = publisher_of(client)
    client.broken = KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    with pytest.raises(InvalidEvent, match=r"event\.size"):
        orders.publish(order())
    assert orders.counts == Counts(0, 0, 0, 1)
    client.broken = KafkaException(KafkaError(KafkaError._FATAL))
    with pytest.raises(SystemFailure, match="refuses to go on"):
        orders.publish(order())


# Reports


def test_each_delivery_is_reported_where_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    client = Memory(only_failures=False, refuse=lambda n: "no" if n == 1 else None)
    orders = publisher_of(client, reports=True)
    told: list[Delivery] = []
    for _ in range(3):
        orders.publish(order(), told.append)
    orders.publish(order(), lambda delivery: 1 / 0)
    with pytest.raises(PublishFailed):
        orders.close()
    assert told == [Delivery(3, 0), Delivery(-1, -1, "no"), Delivery(3, 2)]
    assert orders.counts == Counts(4, 3, 1, 0)
    assert "ZeroDivisionError" in caplog.text


def test_a_report_needs_a_publisher_that_reports() -> None:
    with pytest.raises(UserError, match="on_delivery") as raised:
        publisher_of(Memory()).publish(order(), print)
    assert raised.value.hint == 'publisher.open("orders", reports=True)'


def test_deliveries_are_reported_while_nothing_is_published() -> None:
    client = Memory(only_failures=False)
    client.answers = False
    told = threading.Event()
    with publisher_of(client, reports=True) as orders:
        orders.start()
        orders.publish(order(), lambda delivery: told.set())
        client.answers = True
        assert told.wait(10)


# Threads


def test_threads_share_a_publisher() -> None:
    client = Memory(capacity=50)
    with publisher_of(client) as orders:

        def run(number: int) -> None:
            orders.publish_many(order(customer_id=number, quantity=n) for n in range(500))

        threads = [threading.Thread(target=run, args=(n,)) for n in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert orders.counts == Counts(2000, 2000, 0, 0)
    for number in range(1, 5):
        own = [r.value["quantity"] for r in client.records if r.value["customer_id"] == number]
        assert own == list(range(500))


# asyncio


@contextmanager
def no_errors_in_the_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING, "asyncio"):
        yield
    assert not caplog.records


def run_async(client: Memory, use: Callable[[AsyncPublisher], Any], **limits: Any) -> Any:
    made = AsyncPublisher(lambda: Channel(ORDERS, client), Limits(**limits))

    async def main() -> Any:
        async with made as orders:
            return await use(orders), orders.counts

    return asyncio.run(main())


def test_an_awaited_event_says_where_it_is() -> None:
    async def use(orders: AsyncPublisher) -> Any:
        return await orders.publish(orders.Event(**order()))

    client = Memory(only_failures=False)
    assert run_async(client, use) == (Delivery(3, 0), Counts(1, 1, 0, 0))


def test_many_are_awaited_at_once_with_little_room() -> None:
    async def use(orders: AsyncPublisher) -> Any:
        return await asyncio.gather(*(orders.publish(order()) for _ in range(500)))

    found, counts = run_async(Memory(capacity=7, only_failures=False), use)
    assert sorted(found) == [Delivery(3, n) for n in range(500)]
    assert counts == Counts(500, 500, 0, 0)


def test_what_fails_is_raised_where_it_is_awaited() -> None:
    async def use(orders: AsyncPublisher) -> Any:
        with pytest.raises(InvalidEvent, match=r"quantity\.type"):
            await orders.publish(order(quantity="6"))
        with pytest.raises(PublishFailed, match="1 event was not published: no"):
            await orders.publish(order())

    assert run_async(Memory(only_failures=False, refuse=lambda n: "no"), use)[1] == (1, 0, 1, 1)


def test_no_room_is_an_error_in_time_and_a_cancelled_wait_does_not_stop_the_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Memory(capacity=1, only_failures=False)
    client.answers = False

    async def use(orders: AsyncPublisher) -> Any:
        waiting = asyncio.create_task(orders.publish(order()))
        while not client.records:
            await asyncio.sleep(0)
        with pytest.raises(BufferFull):
            await orders.publish(order())
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        client.answers = True

    with no_errors_in_the_loop(caplog):
        assert run_async(client, use, block=0.01)[1] == (1, 0, 0, 0)
    assert len(client) == 0


def test_one_that_is_not_open_says_how() -> None:
    with pytest.raises(UserError, match="not open"):
        asyncio.run(publisher.open_async("orders").publish(order()))


# Avro


def test_a_contract_may_ask_for_avro(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    registered: list[tuple[str, str]] = []

    def register(settings: Settings, subject: str, schema: str) -> int:
        registered.append((subject, json.loads(schema)["name"]))
        return 7

    monkeypatch.setattr("lakehead.streams.registry.register", register)
    settings = load_settings(tmp_path)
    encode = encoder_of(settings, replace(ORDERS, encoding="avro"))
    assert encode
    assert registered == [("orders-value", "orders")]
    now = datetime.now(UTC).timestamp()
    assert encode(order(), now).startswith(b"\x00\x00\x00\x00\x07\x0c536365")
    with pytest.raises(InvalidEvent, match=r"quantity\.maximum"):
        encode(order(quantity=10**6), now)
    assert encoder_of(settings, ORDERS) is None


# Opening


def test_opening_needs_a_contract_and_a_broker(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"port_base": 1025}')
    with pytest.raises(UserError, match="no stream 'nothing'"):
        publisher.open("nothing", home=tmp_path)
    with pytest.raises(NotRunning, match=r"127\.0\.0\.1:1025"):
        publisher.open("orders", home=tmp_path)
    with pytest.raises(NotRunning, match=r"127\.0\.0\.1:1026"):
        publisher.open("orders", home=tmp_path, bootstrap="127.0.0.1:1024, 127.0.0.1:1026")
    with pytest.raises(UserError, match="expected host:port"):
        publisher.open("orders", home=tmp_path, bootstrap="localhost")
