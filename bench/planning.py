"""Plan a table of N files, and count its rows: cold, from the disk's cache, from memory, and after
one more commit.

    .venv/bin/python bench/planning.py --files 3000 [--commits 100]

The table is that of `orders`, written by pyiceberg in a folder of its own, with as many manifests
as commits. Each figure is the median of `--rounds`; a round of `first process` starts a process.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyiceberg.table import Table

from lakehead.contracts.iceberg import landing_schema
from lakehead.contracts.load import load_contract
from lakehead.lake import plan
from lakehead.lake.catalog import open_catalog
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import table_state
from lakehead.query.engine import run
from lakehead.settings import INSTALL_ROOT, Settings

TABLE = "landing.orders"
START = datetime(2026, 1, 1, tzinfo=UTC)
_ROWS = 50
_FRESH = """\
import sys, time
from pathlib import Path
from lakehead.lake.plan import plan_files
from lakehead.lake.snapshots import table_state
from lakehead.settings import Settings
settings = Settings(home=Path(sys.argv[1]), project=Path(sys.argv[1]))
begun = time.perf_counter()
plan_files(settings, table_state(settings, "landing.orders"))
print((time.perf_counter() - begun) * 1000)
"""


def make_table(settings: Settings) -> Table:
    catalog = open_catalog(settings)
    catalog.create_namespace("landing")
    contract = load_contract(INSTALL_ROOT / "schemas", "orders")
    return catalog.create_table(TABLE, landing_schema(contract))


def append(table: Table, files: int, offset: int) -> None:
    """One commit of so many files."""
    paths = []
    schema = table.schema().as_arrow()
    for i in range(files):
        first = (offset + i) * _ROWS
        rows = pa.Table.from_pylist(
            [
                {
                    "invoice": str(n),
                    "quantity": n % 7,
                    "event_time": START + timedelta(seconds=n),
                    "kafka_partition": n % 4,
                    "kafka_offset": n // 4,
                    "kafka_timestamp": START + timedelta(seconds=n),
                }
                for n in range(first, first + _ROWS)
            ],
            schema=schema,
        )
        path = Path(table.location().removeprefix("file://")) / "data" / f"{offset + i}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pa.parquet.write_table(rows, path)
        paths.append(f"file://{path}")
    table.add_files(paths, check_duplicate_files=False)


def timed(work: Callable[[], object], rounds: int, before: Callable[[], object]) -> float:
    """Milliseconds, the median."""
    took = []
    for _ in range(rounds):
        before()
        begun = time.perf_counter()
        work()
        took.append((time.perf_counter() - begun) * 1000)
    return round(statistics.median(took), 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--commits", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="lakehead-bench-"))
    settings = Settings(home=home, project=home)
    try:
        table = make_table(settings)
        each = options.files // options.commits
        for i in range(options.commits):
            append(table, each, i * each)
        print(json.dumps(measured(settings, table, options.files, options.rounds), indent=2))
    finally:
        shutil.rmtree(home)


def measured(settings: Settings, table: Table, files: int, rounds: int) -> dict[str, float]:
    cache = settings.home / "cache"
    memory = getattr(plan, "_memory", {})
    more = iter(range(files, files + 1000))

    def planned() -> None:
        plan_files(settings, table_state(settings, TABLE))

    def nothing_known() -> None:
        shutil.rmtree(cache, ignore_errors=True)
        memory.clear()

    def counted() -> None:
        with run(settings, "SELECT count(*) FROM landing.orders") as result:
            result.fetchall()

    def fresh() -> float:
        command = [sys.executable, "-c", _FRESH, str(settings.home)]
        return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    def one_more() -> None:
        append(table, 1, next(more))

    found = {
        "cold ms": timed(planned, 3, nothing_known),
        "first process, cached ms": round(statistics.median(fresh() for _ in range(rounds)), 1),
        "disk ms": timed(planned, rounds, memory.clear),
        "warm ms": timed(planned, rounds, lambda: None),
        "one more commit, warm ms": timed(planned, rounds, one_more),
        "count(*), warm ms": timed(counted, rounds, lambda: None),
    }
    for path in cache.rglob("*.json"):
        found["plan on disk KB"] = round(path.stat().st_size / 1024)
    return found


if __name__ == "__main__":
    main()
