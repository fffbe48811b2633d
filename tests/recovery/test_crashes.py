"""kill -9 of each part under load: nothing is lost, nothing is there twice, parity holds."""

import os
import signal
import subprocess
from typing import Any

import pytest

from tests.conftest import Stack, wait_until

pytestmark = pytest.mark.recovery

EVENTS, RATE = 24_000, 3_000


def produce_under_load(stack: Stack, seed: int) -> "subprocess.Popen[str]":
    args = ["--events", str(EVENTS), "--rate", str(RATE), "--seed", str(seed)]
    return stack.start("produce", "orders", *args, "--poison", "0.002", "--late", "0.01")


def landed(stack: Stack) -> int:
    rows = stack.json("query", "SELECT count(*) AS n FROM landing.orders")
    return int(rows[0]["n"])


def wait_for_load(stack: Stack, before: int) -> None:
    """Events are landing: a crash now hits records in flight and files not yet committed."""
    wait_until(
        lambda: landed(stack) > before + RATE, lambda: f"events that land: {sick(stack)}", 150
    )


def prove(stack: Stack, producer: "subprocess.Popen[str]", produced_before: int) -> dict[str, Any]:
    _, errors = producer.communicate(timeout=240)
    assert producer.returncode == 0, errors
    wait_until(lambda: is_healthy(stack), lambda: f"all parts, healthy again: {sick(stack)}", 200)
    audit = stack.json("audit", "--wait", "180")["streams"]["orders"]
    assert audit["produced"] == produced_before + EVENTS
    assert (audit["lost"], audit["duplicated"], audit["in_flight"]) == (0, 0, 0), audit
    assert audit["landed"] + audit["dead"] == audit["produced"]
    parity = stack.json("parity")["models"]["revenue_by_country"]
    assert parity["unexplained"] == 0, parity
    return audit


def sick(stack: Stack) -> str:
    """What a person would look at: the parts that are not well, with their logs, and the job."""
    status = stack.json("status")
    parts = [f"{p['name']} is {p['state']}" for p in status["parts"] if not p["healthy"]]
    logs = [
        stack.run("logs", p["name"]).stdout[-1500:] for p in status["parts"] if not p["healthy"]
    ]
    return "\n".join([", ".join(parts), str(orders_job(stack)), *logs])


def is_healthy(stack: Stack) -> bool:
    parts = stack.json("status")["parts"]
    return len(parts) == 5 and all(p["healthy"] for p in parts)


def produced(stack: Stack) -> int:
    return int(stack.audit("orders")["produced"])


def orders_job(stack: Stack) -> dict[str, Any]:
    [job] = [j for j in stack.json("jobs")["jobs"] if j["name"] == "orders"]
    return dict(job)


@pytest.mark.parametrize("part", ["taskmanager", "jobmanager", "kafka", "controller"])
def test_killed_part_loses_and_doubles_nothing(stack: Stack, part: str) -> None:
    before, rows = produced(stack), landed(stack)
    producer = produce_under_load(stack, seed=len(part))
    wait_for_load(stack, rows)

    os.kill(stack.pid(part), signal.SIGKILL)

    prove(stack, producer, before)


def test_down_and_up_under_load_goes_on_where_it_stopped(stack: Stack) -> None:
    before, rows = produced(stack), landed(stack)
    producer = produce_under_load(stack, seed=7)
    wait_for_load(stack, rows)

    stack.ok("down")
    stack.ok("up")

    prove(stack, producer, before)
    job = orders_job(stack)
    assert "/savepoints/" in job["restored_from"]


def test_power_cut_loses_and_doubles_nothing(stack: Stack) -> None:
    before, rows = produced(stack), landed(stack)
    producer = produce_under_load(stack, seed=9)
    wait_for_load(stack, rows)

    supervisor = int((stack.home / "run" / "supervisord.pid").read_text())
    pids = [p["pid"] for p in stack.json("status")["parts"]]
    for pid in (supervisor, *pids):
        os.kill(pid, signal.SIGKILL)
    stack.ok("up")

    prove(stack, producer, before)


def test_job_cancelled_behind_our_back_comes_back(stack: Stack) -> None:
    before, rows = produced(stack), landed(stack)
    producer = produce_under_load(stack, seed=11)
    wait_for_load(stack, rows)

    job = orders_job(stack)
    from lakehead.jobs.flink_rest import FlinkRest

    with FlinkRest(stack.settings.flink_url) as flink:
        flink.cancel(job["job_id"])
    wait_until(lambda: orders_job(stack)["job_id"] != job["job_id"], "a new attempt")

    prove(stack, producer, before)
