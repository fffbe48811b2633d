"""The batch half under load: what it costs to settle, and whether it harms a stream that goes on.

    .venv/bin/python bench/lake_load.py settle [--rows 10000000] [--late 1000] [--mart-files 200]
    .venv/bin/python bench/lake_load.py live [--rows 10000000] [--minutes 5] [--rate 10000]

``settle`` needs neither Kafka nor Flink. It makes a day of landed orders and a mart that knows that
all of it has closed, and reconciles that: by DuckDB, and by Spark, from the same files and to the
same rows. Then late rows land, and an incremental run settles the windows that they are in; with
``--mart-files`` from a mart of so many files, each of all windows, as an engine that hands rows out
by key may leave it. Spark's seconds are told apart: its session's start, and what comes after.

``live`` runs a stack. Orders come at ``rate`` until ``rows`` are landed, by commits each second;
then they go on, and beside them, each again and again: ``maintain`` (compact, expire, merge
manifests), ``reconcile`` (with publish), and a query. Afterwards everything is audited. Told are
how often each ran, how long it took, how often it failed, and how often Flink began anew, which is
what a commit that is not tried again leads to; and how long a query is planned before and after.
"""

import argparse
import contextlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from models_load import print_table, producer, say, stack, wait_until_read

from lakehead.contracts.iceberg import by_day, landing_schema
from lakehead.contracts.load import load_contract
from lakehead.errors import LakeheadError
from lakehead.jobs import records, submit
from lakehead.jobs.flink_rest import FlinkRest
from lakehead.jobs.live import live_bound
from lakehead.jobs.reconcile import Reconciled
from lakehead.lake.catalog import open_catalog
from lakehead.lake.plan import plan_files
from lakehead.lake.retention import CHECKPOINT
from lakehead.lake.rewrite import replace_files
from lakehead.lake.snapshots import table_state
from lakehead.lake.tables import ensure_table
from lakehead.models.iceberg import mart_schema
from lakehead.proof.audit import audit
from lakehead.proof.parity import parity
from lakehead.proof.reconcile import Engine, reconcile
from lakehead.query.engine import run
from lakehead.settings import Settings, load_settings

STREAM, MODEL = "orders", "revenue_by_country"
LANDING, MART = f"landing.{STREAM}", f"marts.{MODEL}"
DAY = datetime(2026, 1, 1, tzinfo=UTC)
COUNTRIES = 40
ENGINES: list[Engine] = ["duckdb", "spark"]
# The windows of MODEL.
WINDOW_SECONDS = 10
QUERY = f"SELECT country, sum(revenue) FROM {MART} GROUP BY ALL ORDER BY ALL"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("settle")
    part.add_argument("--rows", type=int, default=10_000_000)
    part.add_argument("--files", type=int, default=100)
    part.add_argument("--late", type=int, default=1000, help="late rows")
    part.add_argument("--late-windows", type=int, default=100, help="windows that they are in")
    part.add_argument("--mart-files", type=int, help="files of the mart that late rows come to")
    part.add_argument("--engines", nargs="+", choices=["duckdb", "spark"], default=ENGINES)
    part = parts.add_parser("live")
    part.add_argument("--rows", type=int, default=10_000_000, help="landed before the load")
    part.add_argument("--rate", type=float, default=10_000, help="events a second")
    part.add_argument("--minutes", type=float, default=5)
    part.add_argument("--parallelism", type=int, default=3, help="files that a commit adds")
    args = parser.parse_args()
    if args.part == "settle":
        late = Late(args.late, args.late_windows, args.mart_files)
        settle(args.rows, args.files, late, args.engines)
    else:
        live(args.rows, args.rate, args.minutes, args.parallelism)


# What it costs to settle


@dataclass(frozen=True)
class Late:
    """So many late rows of so many windows, and the files of the mart that they come to; None are
    those that are there."""

    rows: int
    windows: int
    mart_files: int | None


def settle(rows: int, files: int, late: Late, engines: list[Engine]) -> None:
    with home() as settings:
        make_landing(settings)
        timed(f"{rows:,} rows landed in {files} files", lambda: land(settings, rows, files))
        found = []
        for engine in engines:
            fresh_mart(settings)
            found.append(["all", *settled(settings, engine)])
        if late.mart_files:
            scatter(settings, late.mart_files)
        land_late(settings, rows, late.rows, late.windows)
        found.append([f"{late.rows:,} late rows", *settled(settings, "auto")])
        print_table(
            ["due", "engine", "windows", "changed", "added", "session's start, s", "beyond it, s"],
            found,
        )
        report = parity(settings, MODEL)
        say(f"parity: {report.windows:,} rows, {report.different:,} different")


@contextlib.contextmanager
def home() -> Iterator[Settings]:
    """A home in which nothing runs, and which is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="lakehead-bench-"))
    try:
        yield load_settings(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_landing(settings: Settings) -> None:
    contract = load_contract(settings.schemas, STREAM)
    schema = landing_schema(contract)
    spec = by_day(schema, contract.event_time)
    ensure_table(open_catalog(settings), contract.landing_table, schema, spec)


def fresh_mart(settings: Settings) -> None:
    """A mart of which one answer is there: that by which all of the day has closed."""
    catalog = open_catalog(settings)
    if catalog.table_exists(MART):
        catalog.drop_table(MART)
    model = live_bound(settings, MODEL).model
    schema = mart_schema(model)
    ensure_table(catalog, MART, schema, by_day(schema, model.partition_by))
    end = DAY + timedelta(days=1)
    row = {"window_start": end - timedelta(seconds=WINDOW_SECONDS), "window_end": end}
    append(settings, MART, pa.Table.from_pylist([row | {"country": "none", "lines": 1}]), 1)


def land(settings: Settings, rows: int, files: int) -> None:
    """A day of orders, evenly, in as many commits as files."""
    each = rows // files
    for i in range(files):
        first = i * each
        append(settings, LANDING, orders(first, each, rows), i + 1)


def orders(first: int, count: int, of: int) -> pa.Table:
    """Rows whose offsets and times follow each other; ``of`` are those of the whole day."""
    micros = timedelta(days=1) // timedelta(microseconds=1)
    return duckdb.sql(
        f"""SELECT 'i' || o // 20 AS invoice, 's' || o % 4000 AS stock_code,
          (o % 12 + 1)::INT AS quantity, (o % 997 / 100)::DECIMAL(12, 3) AS price,
          'c' || hash(o) % {COUNTRIES} AS country, 'paid' AS status,
          make_timestamptz({int(DAY.timestamp() * 1e6)} + o * {micros} // {of}) AS event_time,
          0 AS kafka_partition, o AS kafka_offset, FALSE AS late
        FROM range({first}, {first + count}) AS r(o)"""
    ).to_arrow_table()


def scatter(settings: Settings, files: int) -> None:
    """The mart's rows in so many files, by key."""
    table = open_catalog(settings).load_table(MART)
    rows = table.scan().to_arrow()
    part = duckdb.sql(
        "SELECT (hash(window_start, country) % $1)::INT AS p FROM rows", params=[files]
    )
    by = part.to_arrow_table()["p"]
    paths = {file.path for file in plan_files(settings, table_state(settings, MART)).files}
    parts = (rows.filter(pc.equal(by, p)) for p in range(files))
    replace_files(table, "main", paths, parts)


def land_late(settings: Settings, rows: int, late: int, windows: int) -> None:
    """Rows of a few windows of the day, landed when all of it had closed."""
    draw = random.Random(1)
    starts = draw.sample(range(86_400 // WINDOW_SECONDS), windows)
    found = [
        {
            "country": f"c{draw.randrange(COUNTRIES)}",
            "quantity": 1,
            "price": Decimal("1.000"),
            "event_time": DAY + timedelta(seconds=starts[i % windows] * WINDOW_SECONDS + 1),
            "kafka_partition": 0,
            "kafka_offset": rows + i,
            "watermark": DAY + timedelta(days=1),
            "late": True,
        }
        for i in range(late)
    ]
    append(settings, LANDING, pa.Table.from_pylist(found), 1_000_000)


def append(settings: Settings, name: str, rows: pa.Table, checkpoint: int) -> None:
    """One commit, as Flink marks it; columns that are not there are null."""
    table = open_catalog(settings).load_table(name)
    there = rows.column_names
    whole = {
        f.name: rows[f.name].cast(f.type) if f.name in there else pa.nulls(len(rows), f.type)
        for f in table.schema().as_arrow()
    }
    table.append(pa.table(whole), {CHECKPOINT: str(checkpoint)})


def settled(settings: Settings, engine: Engine) -> list[str]:
    """A row of the table that is shown."""
    said: dict[str, float] = {}
    began = time.monotonic()

    def note(text: str) -> None:
        said.setdefault(text.split()[0], time.monotonic() - began)

    [done] = reconcile(settings, [MODEL], engine=engine, say=note)
    took = time.monotonic() - began
    start = 0.0
    if done.engine == "spark":
        start = said["recomputing"] - said["starting"]
    return [*_counts(done), f"{start:.1f}", f"{took - start:.1f}"]


def _counts(done: Reconciled) -> list[str]:
    return [done.engine, *(f"{n:,}" for n in (done.windows, done.changed, done.added))]


# Whether it harms a stream that goes on


@dataclass
class Told:
    """How long each run took, in seconds, and what those said that failed."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def live(rows: int, rate: float, minutes: float, parallelism: int) -> None:
    with stack(1, parallelism) as settings:
        submit.submit(settings, STREAM)
        say(f"landing {rows:,} rows, {rate:,.0f} a second")
        filled = ("--events", str(rows), "--rate", str(rate))
        with producer(settings, [STREAM], *filled) as process:
            if process.wait():
                raise LakeheadError("lakehead produce failed; see above")
        wait_until_read(settings, [STREAM])
        show_planning(settings, "before")
        began_before = beginnings(settings)
        told = beside(settings, rate, minutes)
        wait_until_read(settings, [STREAM])
        show_planning(settings, "afterwards")
        table = []
        for name, each in told.items():
            middle, most = (f(each.seconds or [0]) for f in (statistics.median, max))
            cells = (len(each.seconds), len(each.failures))
            table.append([name, *map(str, cells), f"{middle:.2f}", f"{most:.2f}"])
        print_table(["beside the stream", "runs", "failed", "median s", "longest s"], table)
        for name, each in told.items():
            for failure in each.failures:
                say(f"{name}: {failure}")
        anew = beginnings(settings) - began_before
        found = audit(settings, STREAM, wait_seconds=60)
        report = parity(settings, MODEL)
        say(f"Flink began anew {anew} times")
        say(
            f"audit {'clean' if found.clean and not found.in_flight else 'NOT CLEAN'}: "
            f"{found.produced:,} produced, {found.landed:,} landed, {found.dead:,} dead, "
            f"{found.lost:,} lost, {found.duplicated:,} doubled"
        )
        say(
            f"parity: {report.windows:,} rows, {report.different:,} different, "
            f"{report.unexplained:,} unexplained"
        )


def beginnings(settings: Settings) -> int:
    """How often the job was submitted, or went on from a checkpoint by itself."""
    observed = records.read_observed(settings, STREAM)
    assert observed.current
    with FlinkRest(settings.flink_url) as flink:
        counts = flink.checkpoint_counts(observed.current.job_id).get("counts", {})
    return len(observed.attempts) + int(counts.get("restored", 0))


def beside(settings: Settings, rate: float, minutes: float) -> dict[str, Told]:
    """Produce, and do all else again and again until that has ended."""
    stopped = threading.Event()
    told = {name: Told() for name in ("maintain", "reconcile", "query")}
    does: dict[str, Callable[[], None]] = {
        "maintain": lambda: command(settings, "maintain", LANDING, MART),
        "reconcile": lambda: command(settings, "reconcile", MODEL),
        "query": lambda: ask(settings),
    }

    def repeat(name: str) -> None:
        while not stopped.is_set():
            began = time.monotonic()
            try:
                does[name]()
            except LakeheadError as error:
                told[name].failures.append(error.message)
            told[name].seconds.append(time.monotonic() - began)
            stopped.wait(1)

    threads = [threading.Thread(target=repeat, args=[name]) for name in told]
    more = ("--events", str(int(rate * 60 * minutes)), "--rate", str(rate), "--late", "0.001")
    with producer(settings, [STREAM], *more) as process:
        for thread in threads:
            thread.start()
        try:
            if process.wait():
                raise LakeheadError("lakehead produce failed; see above")
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
    return told


def command(settings: Settings, *words: str) -> None:
    """Raises LakeheadError with what it says where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "lakehead.cli", *words, "--home", str(settings.home)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise LakeheadError(done.stderr.strip()[-2000:])


def ask(settings: Settings) -> None:
    with run(settings, QUERY) as found:
        found.fetchall()


def show_planning(settings: Settings, when: str) -> None:
    """How long it takes to know the files of the landing table: with nothing known of it, and with
    what earlier queries keep of its manifests."""
    shutil.rmtree(settings.home / "cache" / "plans", ignore_errors=True)
    seconds = []
    for _ in range(2):
        began = time.monotonic()
        plan = plan_files(settings, table_state(settings, LANDING))
        seconds.append(time.monotonic() - began)
    cold, warm = (f"{s * 1000:.0f}" for s in seconds)
    say(
        f"{when}: {len(plan.files):,} files, {plan.rows:,} rows, {plan.manifests} manifests, "
        f"planned in {cold} ms, again in {warm} ms"
    )


def timed(what: str, do: Callable[[], None]) -> None:
    began = time.monotonic()
    do()
    say(f"{what} after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
