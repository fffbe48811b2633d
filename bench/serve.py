"""What the server costs beside DuckDB in one's own process, by percentile, with 1 and 16 clients.

    .venv/bin/python bench/serve.py [--queries 300] [--rows 1000000]

A lake of one table, ``landing.orders``, is made in a folder of its own. The same queries are asked

embedded  by `lakehead.query.engine.run` in one process, as `lakehead query` and Python do it
postgres  by psycopg, one connection a client, binary results
http      by http.client, one connection a client, Arrow

all in one run, one after the other. ``count`` is a small aggregate, ``top`` a group and ten rows,
``rows`` 10,000 rows of three columns. Milliseconds, from asking to the last row. With 16 clients
the embedded side has 16 threads in one process.
"""

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa

from lakehead.lake.catalog import open_catalog
from lakehead.query.engine import run
from lakehead.server import tokens
from lakehead.settings import Settings, Tuning

QUERIES = {
    "count": "SELECT count(*), max(amount) FROM landing.orders WHERE country = 3",
    "top": "SELECT country, sum(amount) FROM landing.orders GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
    "rows": "SELECT id, country, amount FROM landing.orders WHERE id < 10000",
}
CLIENTS = (1, 16)
PERCENTILES = (50, 95, 99)
Ask = Callable[[str], int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--port-base", type=int, default=26_100)
    args = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="lakehead-bench-"))
    settings = Settings(home, home, Tuning(port_base=args.port_base))
    settings.save()
    make_lake(settings, args.rows)
    secret = tokens.new(settings, "bench", "operator")
    command = [sys.executable, "-m", "lakehead.server.serve", str(home), str(home)]
    server = subprocess.Popen(command)
    try:
        wait(settings)
        sides: dict[str, Callable[[], Ask]] = {
            "embedded": lambda: embedded(settings),
            "postgres": lambda: postgres(settings, secret),
            "http": lambda: over_http(settings, secret),
        }
        print(
            f"| query | clients | side | {' | '.join(f'p{p}' for p in PERCENTILES)} | queries/s |"
        )
        print(f"|{'---|' * (4 + len(PERCENTILES))}")
        for name, sql in QUERIES.items():
            for clients in CLIENTS:
                for side, connect in sides.items():
                    report(name, clients, side, *measure(connect, sql, clients, args.queries))
    finally:
        server.terminate()
        server.wait()


def make_lake(settings: Settings, rows: int) -> None:
    catalog = open_catalog(settings)
    catalog.create_namespace("landing")
    draw = np.random.default_rng(1)
    values = {
        "id": np.arange(rows),
        "country": draw.integers(0, 40, rows),
        "amount": draw.integers(1, 10_000, rows),
    }
    table = pa.table(values)
    catalog.create_table("landing.orders", table.schema).append(table)


def wait(settings: Settings) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", settings.ports.query_http)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise SystemExit("the server did not start")


def embedded(settings: Settings) -> Ask:
    def ask(sql: str) -> int:
        with run(settings, sql) as result:
            return sum(batch.num_rows for batch in result.batches()[1])

    return ask


def postgres(settings: Settings, secret: str) -> Ask:
    url = f"postgresql://bench:{secret}@127.0.0.1:{settings.ports.query}/lakehead"
    cursor = psycopg.connect(url, autocommit=True).cursor(binary=True)
    return lambda sql: len(cursor.execute(sql).fetchall())


def over_http(settings: Settings, secret: str) -> Ask:
    connection = http.client.HTTPConnection("127.0.0.1", settings.ports.query_http)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def ask(sql: str) -> int:
        connection.request("POST", "/query", json.dumps({"sql": sql, "format": "arrow"}), headers)
        answer = connection.getresponse()
        rows: int = pa.ipc.open_stream(answer.read()).read_all().num_rows
        return rows

    return ask


def measure(
    connect: Callable[[], Ask], sql: str, clients: int, queries: int
) -> tuple[list[float], float]:
    """Milliseconds of each query, and queries a second of all clients."""
    took: list[float] = []
    asks = [connect() for _ in range(clients)]
    for ask in asks:
        ask(sql)

    def client(ask: Ask) -> None:
        for _ in range(max(1, queries // clients)):
            began = time.perf_counter()
            ask(sql)
            took.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=client, args=(ask,)) for ask in asks]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, len(took) / (time.perf_counter() - began)


def report(name: str, clients: int, side: str, took: list[float], rate: float) -> None:
    found: list[Any] = [f"{np.percentile(took, p):.1f}" for p in PERCENTILES]
    print(f"| {name} | {clients} | {side} | {' | '.join(found)} | {rate:.0f} |", flush=True)


if __name__ == "__main__":
    main()
