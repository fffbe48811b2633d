"""The loop on real engines: what was produced is landed or dead, and the proofs say so."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.ipc
import pyarrow.parquet
import pytest
from confluent_kafka import Producer

from lakehead.demo import find_injected
from lakehead.jobs import records
from lakehead.proof.audit import audit
from lakehead.stack import flink as stack_flink
from lakehead.stack.java import java_home
from lakehead.stack.supervisor import leftover_processes
from lakehead.streams.encode import iso
from lakehead.streams.manifest import Manifest
from lakehead.streams.produce.poison import POISON_KINDS
from tests.conftest import ROOT, Stack

pytestmark = pytest.mark.integration

EVENTS = 20_000


@pytest.fixture(scope="module")
def manifest(stack: Stack) -> Manifest:
    """A run with faults, all of it landed."""
    # First what gives the stream a watermark, which a restart takes away.
    stack.ok("produce", "orders", "--events", "2000", "--rate", "2000")
    assert stack.audit("orders")["in_flight"] == 0
    faults = ["--poison", "0.01", "--late", "0.02", "--seed", "3"]
    produced = stack.ok(
        "produce", "orders", "--events", str(EVENTS), "--rate", "5000", *faults, "--json"
    )
    assert stack.audit("orders")["in_flight"] == 0
    return Manifest.from_document(json.loads(produced)["streams"]["orders"])


def rows(stack: Stack, sql: str) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = json.loads(stack.ok("query", sql, "--format", "json"))
    return result


def in_run(manifest: Manifest) -> str:
    """A condition on the coordinates of one run of the producer."""
    return " OR ".join(
        f"(kafka_partition = {p} AND kafka_offset BETWEEN {r.first} AND {r.last})"
        for p, r in manifest.partitions.items()
    )


def test_audit_accounts_for_every_record(stack: Stack, manifest: Manifest) -> None:
    found = stack.audit("orders")
    assert found["produced"] == found["landed"] + found["dead"]
    assert (found["lost"], found["duplicated"]) == (0, 0)
    assert sum(p["produced"] for p in found["partitions"]) == found["produced"]
    assert len(found["partitions"]) == 4


def test_the_dead_are_the_poison_and_no_other(stack: Stack, manifest: Manifest) -> None:
    dead = rows(
        stack,
        "SELECT kafka_partition AS p, kafka_offset AS o, cause FROM landing.orders_dead "
        f"WHERE {in_run(manifest)}",
    )
    poison = {(p, o) for p, o, _ in manifest.poison.coordinates}
    assert {(d["p"], d["o"]) for d in dead} == poison
    assert all(d["cause"] for d in dead)


@pytest.mark.parametrize("kind", POISON_KINDS)
def test_each_poison_is_dead_with_its_cause(stack: Stack, manifest: Manifest, kind: str) -> None:
    p, o, _ = next(c for c in manifest.poison.coordinates if c[2] == kind)
    [dead] = rows(
        stack,
        "SELECT cause, record IS NULL AS empty FROM landing.orders_dead "
        f"WHERE kafka_partition = {p} AND kafka_offset = {o}",
    )
    assert manifest.poison.expected[kind] in dead["cause"]
    assert dead["empty"] == (kind == "tombstone")


def test_every_injected_late_event_is_landed_and_flagged(stack: Stack, manifest: Manifest) -> None:
    injected = find_injected(stack.settings, manifest, audit(stack.settings, "orders"))
    assert injected.late > 0
    assert injected.agree


def test_a_future_clock_does_not_drag_the_watermark(stack: Stack, manifest: Manifest) -> None:
    assert manifest.poison.by_kind["future_clock"] > 0
    [row] = rows(stack, "SELECT max(watermark) <= max(event_time) AS behind FROM landing.orders")
    assert row["behind"] is True


def test_windows_differ_only_by_late_rows_and_not_after_reconcile(
    stack: Stack, manifest: Manifest
) -> None:
    before = stack.json("parity")["models"]["revenue_by_country"]
    assert before["windows"] > 0
    assert before["explained_by_late"] > 0
    assert before["unexplained"] == 0

    planned = stack.json("reconcile", "--dry-run")["models"]["revenue_by_country"]
    unchanged = stack.json("parity")["models"]["revenue_by_country"]
    assert unchanged["different"] == before["different"]
    done = stack.json("reconcile")["models"]["revenue_by_country"]
    counts = ("windows", "changed", "added", "removed", "settled", "offsets")
    assert {k: done[k] for k in counts} == {k: planned[k] for k in counts}

    after = stack.json("parity")["models"]["revenue_by_country"]
    assert (after["different"], after["unexplained"]) == (0, 0)
    again = stack.json("reconcile")["models"]["revenue_by_country"]
    assert again["windows"] == 0
    changes = [again[k] for k in ("changed", "added", "removed", "settled")]
    assert changes == [0, 0, 0, 0]


def test_reconciled_mart_equals_plain_sql_over_the_landed_rows(
    stack: Stack, manifest: Manifest
) -> None:
    stack.ok("reconcile")
    [row] = rows(
        stack,
        "WITH closed AS (SELECT max(window_end) AS until FROM marts.revenue_by_country), "
        "batch AS (SELECT country, sum(quantity * price) AS revenue FROM landing.orders, closed "
        " WHERE event_time < until GROUP BY country), "
        "mart AS (SELECT country, sum(revenue) AS revenue FROM marts.revenue_by_country "
        " GROUP BY country) "
        "SELECT count(*) AS countries, count(*) FILTER (batch.revenue = mart.revenue) AS equal "
        "FROM batch FULL JOIN mart USING (country)",
    )
    assert row["countries"] == row["equal"] > 0


def test_a_partition_that_is_idle_does_not_stall_windows(stack: Stack) -> None:
    settings = stack.settings
    producer = Producer({"bootstrap.servers": settings.bootstrap})
    [before] = rows(stack, "SELECT max(window_end) AS until FROM marts.revenue_by_country")
    deadline = time.monotonic() + 90
    until = before["until"]
    while until <= before["until"]:
        assert time.monotonic() < deadline, "no window closed by the events of one partition"
        event = {
            "invoice": "500000",
            "stock_code": "1",
            "quantity": 1,
            "price": 1,
            "country": "Nowhere",
            "status": "placed",
            "event_time": iso(int(time.time() * 1000)),
        }
        producer.produce("orders", json.dumps(event).encode(), partition=0)
        producer.flush(10)
        [now] = rows(stack, "SELECT max(window_end) AS until FROM marts.revenue_by_country")
        until = now["until"]


def jobs(stack: Stack) -> dict[str, str]:
    """Flink's id of each job."""
    return {job["name"]: job["job_id"] for job in stack.json("jobs")["jobs"]}


def test_submit_twice_is_once(stack: Stack) -> None:
    before = jobs(stack)["orders"]
    [plan] = stack.json("submit", "orders")["jobs"]
    assert plan["change"] == "none"
    assert jobs(stack)["orders"] == before


def test_up_twice_is_once(stack: Stack) -> None:
    before = [p["pid"] for p in stack.json("status")["parts"]]
    stack.ok("up")
    assert [p["pid"] for p in stack.json("status")["parts"]] == before


def test_every_listener_is_on_loopback(stack: Stack) -> None:
    addresses = {
        connection.laddr.ip
        for process in leftover_processes(stack.home)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def test_plan_reads_and_judges_the_topic_once_with_the_watermark_inside(stack: Stack) -> None:
    settings = stack.settings
    command = [sys.executable, str(ROOT / "jobs" / "flink" / "run_statements.py")]
    environment = os.environ | stack_flink.environment(settings, java_home())
    plan = subprocess.run(
        [*command, str(records.spec_path(settings, "orders")), "--explain"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    optimized = plan.split("== Optimized Execution Plan ==")[1:]
    topic, job = (part.split("== Abstract Syntax Tree ==")[0] for part in optimized)
    for part, scanned in ((topic, "orders$topic, "), (job, "orders, ")):
        assert part.count("TableSourceScan(") == 1
        scan = part.split("TableSourceScan(")[1].splitlines()[0]
        assert scanned in scan
        assert "watermark=[" in scan
        assert "WatermarkAssigner" not in part
    assert job.count("Sink(") == 3


@pytest.mark.parametrize("output", ["csv", "json", "jsonl", "arrow", "parquet"])
def test_query_writes_every_format(
    stack: Stack, manifest: Manifest, output: str, tmp_path: Path
) -> None:
    path = tmp_path / f"rows.{output}"
    sql = "SELECT invoice, price, event_time FROM landing.orders ORDER BY ALL LIMIT 5"
    stack.ok("query", sql, "-o", str(path))
    if output == "parquet":
        assert pyarrow.parquet.read_table(path).num_rows == 5
    elif output == "arrow":
        assert pyarrow.ipc.open_stream(path.read_bytes()).read_all().num_rows == 5
    elif output == "json":
        assert len(json.loads(path.read_text())) == 5
    else:
        assert len(path.read_text().splitlines()) == 5 + (output == "csv")
