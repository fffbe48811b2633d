"""How long a live answer takes, and from an event's production until an answer has it.

    .venv/bin/python bench/live.py [--rate 500] [--seconds 40] [--port-base 27500]

Kafka alone runs, in a home of its own, with a producer of ``--rate`` events a second. In the job's
place a process of this script lands the topic's records every second, by pyiceberg, so that a tail
is a second or two long. The same live count is asked by all sides in turn, in one run:

cold        `Live` made for each question, as `lakehead query --live` does
on demand   one `Live`, whose tail is decoded as it is asked
warm        one `Live` whose tail a thread keeps decoded
http        the query server, whose keeper's tail is warm, by one connection
lake        the same count without the tail, for comparison

Milliseconds. ``asked`` is how long an answer takes. ``seen`` is from before an event is produced,
and acknowledged, until the answer that is asked for then is there: it must have it, once, or the
run fails.
"""

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Producer

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.iceberg import dead_schema, landing_schema
from lakehead.contracts.scaffold import scaffold
from lakehead.lake.catalog import open_catalog
from lakehead.lake.retention import CHECKPOINT
from lakehead.live.live import Live
from lakehead.live.topic import KafkaTopic
from lakehead.query.engine import run
from lakehead.server import tokens
from lakehead.settings import Settings, Tuning, load_settings
from lakehead.stack import kafka
from lakehead.stack.java import java_home
from lakehead.streams.client import producer_config
from lakehead.streams.topics import ensure_topic

STREAM = "probes"
COUNT = f"SELECT count(*) AS n FROM landing.{STREAM}"
PERCENTILES = (50, 95, 99)
Ask = Callable[[str], int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--port-base", type=int, default=27_500)
    parser.add_argument("--feed", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.feed:
        feed(load_settings(asked.feed), asked.rate)
        return
    home = Path(tempfile.mkdtemp(prefix="lakehead-bench-"))
    settings = Settings(home, home, Tuning(port_base=asked.port_base))
    settings.save()
    started = [start_kafka(settings)]
    try:
        make_lake(settings)
        secret = tokens.new(settings, "bench", "operator")
        for command in (
            ["-m", "lakehead.server.serve", str(home), str(home)],
            [__file__, "--feed", str(home), "--rate", str(asked.rate)],
        ):
            started.append(subprocess.Popen([sys.executable, *command]))
        wait_for_server(settings)
        wait_for_rows(settings)
        measure(settings, secret, asked.seconds)
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            process.wait()
    print(f"\n{asked.rate} events/s, load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


def start_kafka(settings: Settings) -> "subprocess.Popen[bytes]":
    java = java_home()
    kafka.prepare(settings, java)
    settings.logs.mkdir(exist_ok=True)
    with (settings.logs / "kafka.log").open("wb") as log:
        process = subprocess.Popen(kafka.command(settings, java), stdout=log, stderr=log)
    (settings.schemas).mkdir()
    (settings.schemas / f"{STREAM}.yaml").write_text(scaffold(STREAM))
    end = time.monotonic() + 60
    while True:
        try:
            ensure_topic(settings, contract_in_force(settings, STREAM))
            return process
        except Exception:
            if time.monotonic() > end:
                process.terminate()
                raise
            time.sleep(0.2)


def make_lake(settings: Settings) -> None:
    catalog = open_catalog(settings)
    catalog.create_namespace("landing")
    contract = contract_in_force(settings, STREAM)
    catalog.create_table(contract.landing_table, landing_schema(contract))
    catalog.create_table(contract.dead_table, dead_schema())


def event(id: str) -> bytes:
    return json.dumps({"id": id, "event_time": datetime.now(UTC).isoformat()}).encode()


def feed(settings: Settings, rate: int) -> None:
    """Produce and land until SIGTERM."""
    settings = replace(settings, project=settings.home)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    landing = threading.Thread(target=land, args=(settings, stop))
    landing.start()
    produce(settings, rate, stop)
    landing.join()


def produce(settings: Settings, rate: int, stop: threading.Event) -> None:
    """Steadily, a fiftieth of a second's at a time."""
    producer = Producer(producer_config(settings) | {"linger.ms": 5})
    due, began, sent = 0.0, time.monotonic(), 0
    while not stop.wait(0.02):
        due = (time.monotonic() - began) * rate
        while sent < due:
            producer.produce(STREAM, event(f"e{sent}"), key=str(sent))
            sent += 1
        producer.poll(0)
    producer.flush(30)


def land(settings: Settings, stop: threading.Event) -> None:
    """What is committed in Kafka, every second, as the job would."""
    topic = KafkaTopic(settings, STREAM)
    table = open_catalog(settings).load_table(f"landing.{STREAM}")
    schema = table.schema().as_arrow()
    begin = {p: low for p, (low, _) in topic.bounds().items()}
    checkpoint = 0
    while not stop.wait(1):
        end = {p: high for p, (_, high) in topic.bounds().items()}
        rows = []
        for records in topic.read(begin, end):
            for record in records:
                values = json.loads(record.value or b"")
                begin[record.partition] = record.offset + 1
                rows.append(
                    {
                        "id": values["id"],
                        "event_time": datetime.fromisoformat(values["event_time"]),
                        "kafka_partition": record.partition,
                        "kafka_offset": record.offset,
                        "kafka_timestamp": datetime.fromtimestamp(record.timestamp / 1000, UTC),
                    }
                )
        checkpoint += 1
        if rows:
            table.append(pa.Table.from_pylist(rows, schema), {CHECKPOINT: str(checkpoint)})
    topic.close()


def wait_for_server(settings: Settings) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", settings.ports.query_http)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.2)
    sys.exit("the server did not start")


def wait_for_rows(settings: Settings) -> None:
    end = time.monotonic() + 60
    while not of_lake(settings)(COUNT):
        if time.monotonic() > end:
            sys.exit("nothing was landed")
        time.sleep(0.2)


def of_live(live: Live) -> Ask:
    def ask(sql: str) -> int:
        with live.run(sql) as result:
            return int(result.fetchall()[0][0])

    return ask


def of_cold(settings: Settings) -> Ask:
    def ask(sql: str) -> int:
        with Live(settings) as live:
            return of_live(live)(sql)

    return ask


def of_lake(settings: Settings) -> Ask:
    def ask(sql: str) -> int:
        with run(settings, sql) as result:
            return int(result.fetchall()[0][0])

    return ask


def of_http(settings: Settings, secret: str) -> Ask:
    connection = http.client.HTTPConnection("127.0.0.1", settings.ports.query_http)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def ask(sql: str) -> int:
        connection.request("POST", "/query", json.dumps({"sql": sql, "live": True}), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(body.decode())
        return int(json.loads(body)["n"])

    return ask


def measure(settings: Settings, secret: str, seconds: int) -> None:
    producer = Producer(producer_config(settings) | {"linger.ms": 0})
    with Live(settings) as demand, Live(settings, warm=True) as warm:
        sides: dict[str, Ask] = {
            "cold": of_cold(settings),
            "on demand": of_live(demand),
            "warm": of_live(warm),
            "http": of_http(settings, secret),
            "lake": of_lake(settings),
        }
        took: dict[str, list[float]] = {name: [] for name in sides}
        seen: dict[str, list[float]] = {name: [] for name in sides if name != "lake"}
        for ask in sides.values():
            ask(COUNT)
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            for name, ask in sides.items():
                began = time.perf_counter()
                ask(COUNT)
                took[name].append((time.perf_counter() - began) * 1000)
                if name in seen:
                    number += 1
                    seen[name].append(until_seen(producer, ask, f"mark{number}"))
    columns = [f"{what} p{p}" for what in ("asked", "seen") for p in PERCENTILES]
    print(f"| side | answers | {' | '.join(columns)} |\n|{'---|' * (2 + len(columns))}")
    for name in sides:
        cells = [percentile(took[name], p) for p in PERCENTILES]
        cells += [percentile(seen.get(name, []), p) for p in PERCENTILES]
        print(f"| {name} | {len(took[name])} | {' | '.join(cells)} |")
    for what, of in (("asked", took), ("seen", seen)):
        ratios = [
            f"p{p} {np.percentile(of['on demand'], p) / np.percentile(of['warm'], p):.1f}"
            for p in PERCENTILES
        ]
        print(f"\non demand / warm, {what}: {', '.join(ratios)}", end="")
    print()


def until_seen(producer: Producer, ask: Ask, id: str) -> float:
    """Milliseconds until an answer has an event that is produced now."""
    began = time.perf_counter()
    producer.produce(STREAM, event(id), key=id)
    if producer.flush(30):
        sys.exit("an event was not delivered")
    if ask(f"SELECT count(*) AS n FROM landing.{STREAM} WHERE id = '{id}'") != 1:
        sys.exit(f"{id} was acknowledged, and a live answer did not have it once")
    return (time.perf_counter() - began) * 1000


def percentile(values: list[Any], p: int) -> str:
    return f"{np.percentile(values, p):.0f}" if values else ""


if __name__ == "__main__":
    main()
