"""Publish N events to a real broker from one process and one thread, four ways, in one run.

    .venv/bin/python bench/publisher.py --events 600000 [--rounds 5] [--sides bare,orjson]

bare       confluent-kafka alone: bytes that were encoded before
orjson     orjson.dumps and confluent-kafka: no check
publisher  lakehead.publisher.publish_many: every event checked against its contract, then sent
invalid    the same with one event in a hundred invalid: told, and not sent

All produce with the same settings (idempotent, acks=all, lz4, murmur2) to the topic of `orders` on
a broker of its own. The sides take turns, so that what else the machine does falls on all; this is
the median round. `per_second` is from the first event to the last acknowledgement; `to_bare` is the
ratio that matters. `thread_ns` and `process_ns` are CPU time for an event: of the Python thread,
which is what limits one process, and of the process with the client's own threads. Last come parts
of the publisher's thread alone; `produce` there is without taking the reports of deliveries, of
which the client makes one for each event, with Python's lock taken for each.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Producer

from lakehead.contracts.load import load_contract
from lakehead.contracts.validate import InvalidEvent, Validator
from lakehead.errors import NotRunning
from lakehead.publisher import open as open_publisher
from lakehead.publisher.channel import LIMITS
from lakehead.publisher.connect import kafka_client
from lakehead.settings import Settings, load_settings
from lakehead.stack import kafka
from lakehead.stack.java import java_home
from lakehead.streams.topics import ensure_topic

STREAM = "orders"
DISTINCT = 20_000
POLL_EVERY = 10_000
READY_SECONDS = 60


@dataclass(frozen=True)
class Round:
    seconds: float
    thread: float
    process: float


@dataclass(frozen=True)
class Sample:
    """``repeats`` times the same events, the last of them with some invalid, and as records."""

    valid: list[dict[str, Any]]
    mixed: list[dict[str, Any]]
    records: list[tuple[str, bytes]]
    repeats: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sides", default="bare,orjson,publisher,invalid")
    parser.add_argument("--port-base", type=int, default=28_092)
    args = parser.parse_args()
    with broker(args.port_base) as settings:
        sample = make_sample(settings, args.events)
        known: dict[str, Callable[[Settings, Sample], None]] = {
            "bare": bare_side,
            "orjson": orjson_side,
            "publisher": lambda settings, sample: publisher_side(settings, sample.valid, sample),
            "invalid": lambda settings, sample: publisher_side(settings, sample.mixed, sample),
        }
        sides = {name: known[name] for name in args.sides.split(",")}
        rounds: dict[str, list[Round]] = {name: [] for name in sides}
        for _ in range(args.rounds):
            for name, side in sides.items():
                rounds[name].append(timed(lambda side=side: side(settings, sample)))
        report(rounds, DISTINCT * sample.repeats)
        parts(settings, sample)


def report(rounds: dict[str, list[Round]], events: int) -> None:
    middle = {
        name: Round(
            *(statistics.median(getattr(r, f) for r in done) for f in Round.__annotations__)
        )
        for name, done in rounds.items()
    }
    for name, took in middle.items():
        line = {
            "side": name,
            "per_second": round(events / took.seconds),
            "thread_ns": round(took.thread / events * 1e9),
            "process_ns": round(took.process / events * 1e9),
        }
        if "bare" in middle:
            line["to_bare"] = round(middle["bare"].seconds / took.seconds, 2)
        print(json.dumps(line), flush=True)


def timed(side: Callable[[], None]) -> Round:
    began, thread, process = time.perf_counter(), time.thread_time(), time.process_time()
    side()
    return Round(
        time.perf_counter() - began, time.thread_time() - thread, time.process_time() - process
    )


def bare_side(settings: Settings, sample: Sample) -> None:
    client = kafka_client(settings, LIMITS, linger_ms=20, only_failures=True)
    produce_all(client, (r for _ in range(sample.repeats) for r in sample.records))


def orjson_side(settings: Settings, sample: Sample) -> None:
    client = kafka_client(settings, LIMITS, linger_ms=20, only_failures=True)
    produce_all(
        client,
        (
            (event["invoice"], orjson.dumps(event, str, orjson.OPT_UTC_Z))
            for _ in range(sample.repeats)
            for event in sample.valid
        ),
    )


def produce_all(client: Any, records: Iterator[tuple[str, bytes]]) -> None:
    produce, failures = client.produce, []

    def report(error: Any, record: Any) -> None:
        if error:
            failures.append(error)

    for i, (key, value) in enumerate(records):
        while True:
            try:
                produce(STREAM, value, key, -1, report)
                break
            except BufferError:
                client.poll(0.05)
        if not i % POLL_EVERY:
            client.poll(0)
    assert client.flush(60) == 0 and not failures


def publisher_side(settings: Settings, events: list[dict[str, Any]], sample: Sample) -> None:
    invalid: list[InvalidEvent] = []
    with open_publisher(STREAM, home=settings.home) as orders:
        for _ in range(sample.repeats):
            orders.publish_many(events, lambda event, error: invalid.append(error))
    counts = orders.counts
    assert counts.delivered + counts.invalid == len(events) * sample.repeats, counts
    assert counts.invalid == len(invalid)


def parts(settings: Settings, sample: Sample) -> None:
    """CPU time of the parts, each alone, nanoseconds an event."""
    validator = Validator(load_contract(settings.schemas, STREAM))
    now = time.time()

    def check() -> None:
        for event in sample.valid:
            validator.checked(event, now)

    def dump() -> None:
        for event in sample.valid:
            orjson.dumps(event, str, orjson.OPT_UTC_Z)

    def produce() -> None:
        client = Producer({"bootstrap.servers": settings.bootstrap, "linger.ms": 10_000})
        began.append(time.thread_time())
        for key, value in sample.records:
            client.produce(STREAM, value, key)
        ended.append(time.thread_time())
        client.purge()
        client.flush(10)

    began: list[float] = []
    ended: list[float] = []
    took = {}
    for name, part in {"check and encode": check, "orjson.dumps": dump}.items():
        took[name] = min(timed(part).thread for _ in range(10))
    for _ in range(10):
        produce()
    took["produce"] = min(e - b for b, e in zip(began, ended, strict=True))
    print(json.dumps({f"{k}, ns": round(v / DISTINCT * 1e9) for k, v in took.items()}))


def make_sample(settings: Settings, events: int) -> Sample:
    validator = Validator(load_contract(settings.schemas, STREAM))
    valid = [an_order(i) for i in range(DISTINCT)]
    mixed = [e | {"quantity": 10**6} if i % 100 == 0 else e for i, e in enumerate(valid)]
    records = [(event["invoice"], validator.checked(event)) for event in valid]
    return Sample(valid, mixed, records, max(events // DISTINCT, 1))


def an_order(i: int) -> dict[str, Any]:
    return {
        "invoice": str(536_365 + i),
        "stock_code": f"{i % 4000:05}A",
        "description": "WHITE HANGING HEART T-LIGHT HOLDER",
        "quantity": i % 100,
        "price": Decimal(i % 10_000).scaleb(-3),
        "customer_id": 12_346 + i % 5000,
        "country": "United Kingdom",
        "status": "placed",
        "event_time": datetime.now(UTC),
    }


@contextmanager
def broker(port_base: int) -> Iterator[Settings]:
    """A broker without the rest of the stack, and the topic of ``orders``."""
    home = Path(tempfile.mkdtemp(prefix="lakehead-bench-"))
    settings = load_settings(home)
    settings = replace(settings, tuning=replace(settings.tuning, port_base=port_base))
    settings.save()
    java = java_home()
    kafka.prepare(settings, java)
    with (home / "kafka.log").open("w") as log:
        process = subprocess.Popen(kafka.command(settings, java), stdout=log, stderr=log)
    try:
        wait_for_topic(settings)
        yield settings
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(home)


def wait_for_topic(settings: Settings) -> None:
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            ensure_topic(settings, load_contract(settings.schemas, STREAM))
            return
        except NotRunning:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
