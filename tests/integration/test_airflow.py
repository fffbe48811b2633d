"""Airflow beside the stack: by the clock, by asset, as a backfill, and after kills."""

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import httpx
import psutil
import pytest

from lakehead.stack import airflow
from tests.conftest import Stack, wait_until

pytestmark = pytest.mark.integration
MODEL = "revenue_by_country"
PARTS = {airflow.API, airflow.SCHEDULER, airflow.PROCESSOR}
# A task whose process is gone is given up after a minute, and tried again half a minute later.
DEADLINE_SECONDS = 400


class Airflow:
    """Its API, as its page uses it."""

    def __init__(self, stack: Stack) -> None:
        self.settings = stack.settings
        url = self.settings.airflow_url
        passwords = json.loads((airflow.folder(self.settings) / "passwords.json").read_text())
        said = {"username": airflow.USER, "password": passwords[airflow.USER]}
        token = httpx.post(f"{url}/auth/token", json=said).raise_for_status().json()
        self.client = httpx.Client(
            base_url=f"{url}/api/v2",
            headers={"Authorization": f"Bearer {token['access_token']}"},
            timeout=60,
        )

    def ask(self, path: str, **params: Any) -> Any:
        return self.client.get(path, params=params).raise_for_status().json()

    def switch(self, dag: str, on: bool) -> None:
        wait_until(lambda: self.client.get(f"/dags/{dag}").is_success, f"the DAG {dag}")
        self.client.patch(f"/dags/{dag}", json={"is_paused": not on}).raise_for_status()

    def runs(self, dag: str, kind: str) -> list[dict[str, Any]]:
        found = self.ask(f"/dags/{dag}/dagRuns")["dag_runs"]
        return [run for run in found if run["run_type"] == kind]

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        found = self.ask(f"/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def told(self, dag: str, kind: str) -> str:
        runs = [(r["state"], self.tasks(dag, r["dag_run_id"])) for r in self.runs(dag, kind)]
        return f"a success of {dag} ({kind}): " + "; ".join(
            f"{state}: { {name: task['state'] for name, task in tasks.items()} }"
            for state, tasks in runs
        )

    def wait(self, dag: str, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Until so many runs have succeeded."""

        def succeeded() -> list[dict[str, Any]]:
            return [r for r in self.runs(dag, kind) if r["state"] == "success"]

        wait_until(
            lambda: len(succeeded()) >= count, lambda: self.told(dag, kind), DEADLINE_SECONDS
        )
        return succeeded()


@pytest.fixture(scope="module")
def said(stack: Stack) -> Iterator[list[str]]:
    """What two ``up`` said, one after the other."""
    first = stack.ok("up", "--with", "airflow")
    yield [first, stack.ok("up")]
    stack.ok("up", "--without", "airflow")


@pytest.fixture(scope="module")
def scheduled(stack: Stack, said: list[str]) -> Iterator[Airflow]:
    found = Airflow(stack)
    with found.client:
        yield found


def clean(stack: Stack) -> None:
    report = stack.json("parity", MODEL)["models"][MODEL]
    assert report["unexplained"] == 0, report
    audit = stack.audit("orders")
    assert (audit["lost"], audit["duplicated"]) == (0, 0)
    doubled = stack.ok(
        "query",
        f"SELECT count(*) - count(DISTINCT (window_start, country)) AS n FROM marts.{MODEL}",
        "--json",
    )
    assert json.loads(doubled) == [{"n": 0}]


def produce(stack: Stack) -> None:
    """Events that close windows, some of which are late to those."""
    stack.ok(
        *("produce", "orders", "--events", "12000", "--rate", "1000"),
        *("--late", "0.02", "--poison", "0.002"),
    )
    stack.audit("orders")


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def scheduler(stack: Stack) -> int:
    parts = {part["name"]: part for part in stack.json("status")["parts"]}
    pid: int = parts[airflow.SCHEDULER]["pid"]
    return pid


def test_it_is_a_part_of_the_stack_that_nobody_else_reaches(stack: Stack, said: list[str]) -> None:
    assert f"Airflow {stack.settings.airflow_url}" in said[0]
    assert f"Sign in as {airflow.USER} with" in said[0]
    assert "Sign in as" not in said[1]
    parts = {part["name"]: part for part in stack.json("status")["parts"]}
    assert all(parts[name]["healthy"] for name in PARTS)
    listening = {
        connection.laddr.ip
        for name in PARTS
        for process in family(parts[name]["pid"])
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_the_clock_settles_and_what_was_published_is_exported(
    stack: Stack, scheduled: Airflow
) -> None:
    produce(stack)
    assert stack.json("parity", MODEL)["models"][MODEL]["explained_by_late"] > 0
    scheduled.switch("export", True)
    scheduled.switch("settle", True)
    (run, *_) = scheduled.wait("settle", "scheduled")
    tasks = scheduled.tasks("settle", run["dag_run_id"])
    assert {task["state"] for task in tasks.values()} == {"success"}
    assert tasks["reconcile"]["rendered_map_index"] == MODEL
    clean(stack)
    certified = f"SELECT count(*) AS n FROM ops.parity WHERE model = '{MODEL}'"
    assert json.loads(stack.ok("query", certified, "--json"))[0]["n"] >= 1

    scheduled.wait("export", "asset_triggered")
    exported = stack.home / "exports" / f"{MODEL}.parquet"
    rows = duckdb.sql(f"SELECT count(*) FROM '{exported}'").fetchone()
    assert rows is not None
    assert rows[0] > 0


def test_a_backfill_settles_each_of_its_hours(stack: Stack, scheduled: Airflow) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    asked = {
        "dag_id": "settle",
        "from_date": (hour - timedelta(hours=3)).isoformat(),
        "to_date": (hour - timedelta(hours=2)).isoformat(),
        "max_active_runs": 1,
    }
    scheduled.client.post("/backfills", json=asked).raise_for_status()
    runs = scheduled.wait("settle", "backfill", 2)
    for run in runs:
        tasks = scheduled.tasks("settle", run["dag_run_id"])
        options = tasks["parity"]["rendered_fields"]["options"]
        assert run["data_interval_start"][:13] in str(options)
    clean(stack)


def test_a_scheduler_and_a_task_that_are_killed_are_made_up_for(
    stack: Stack, scheduled: Airflow
) -> None:
    produce(stack)
    begun = scheduled.client.post("/dags/settle/dagRuns", json={"logical_date": None})
    run = begun.raise_for_status().json()["dag_run_id"]

    def commands() -> list[psutil.Process]:
        """The task's command: it is in a session of its own, a child of the scheduler's child."""
        found = [p for p in family(scheduler(stack)) if "reconcile" in _words(p)]
        return [p for p in found if "lakehead.cli" in _words(p)]

    wait_until(commands, "the command of reconcile", DEADLINE_SECONDS)
    killed = scheduler(stack)
    victims = family(killed)
    for process in victims:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(victims, timeout=10)

    def ended() -> bool:
        state = scheduled.ask(f"/dags/settle/dagRuns/{run}")["state"]
        return state in ("success", "failed")

    wait_until(ended, lambda: scheduled.told("settle", "manual"), DEADLINE_SECONDS)
    assert scheduler(stack) != killed
    tasks = scheduled.tasks("settle", run)
    assert {task["state"] for task in tasks.values()} == {"success"}
    assert tasks["reconcile"]["try_number"] == 2
    clean(stack)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_dag_runs_without_the_scheduler(stack: Stack) -> None:
    done = json.loads(stack.ok("dag", "run", "watch", "--json"))
    (run,) = done["runs"]
    assert {task["state"] for task in run["tasks"]} == {"success"}
    assert "orders" in {task["label"] for task in run["tasks"] if task["task"] == "contracts"}
