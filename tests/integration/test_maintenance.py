"""Maintenance while events flow and engines are killed: nothing is lost, and proofs go on."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from lakehead.lineage.run_events import events_path
from lakehead.query.engine import connect
from tests.conftest import Stack

pytestmark = pytest.mark.integration
STREAM = "sensors"
MODEL = """/*
model: by_sensor
stream: sensors
window: {tumble: 2 seconds}
keys: [id]
output: {table: marts.by_sensor, columns: {id: string, events: long}}
*/
SELECT id, COUNT(*) AS events FROM sensors GROUP BY id
"""
TABLES = ("landing.sensors", "landing.sensors_dead", "marts.by_sensor")
FAULTS = ("--rate", "500", "--poison", "0.01", "--late", "0.02")


@pytest.fixture(scope="module")
def plant(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The shared stack, asked from a project whose snapshots are let go at once."""
    project = tmp_path_factory.mktemp("plant")
    for folder in ("schemas", "pipelines"):
        (project / folder).mkdir()
    (project / "pipelines" / "by_sensor.sql").write_text(MODEL)
    asked = stack.of(project)
    asked.ok("contract", "new", STREAM)
    contract = project / "schemas" / f"{STREAM}.yaml"
    kept = "  - {property: snapshotRetention, value: 1 seconds}\n"
    contract.write_text(contract.read_text().rstrip() + "\n" + kept)
    asked.ok("submit", STREAM)
    asked.ok("produce", STREAM, "--events", "6000", *FAULTS)
    asked.audit(STREAM)
    yield asked
    asked.ok("stop", STREAM)


class Reader(threading.Thread):
    """Counts the landed rows again and again: never fewer, and none twice."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.reads = 0
        self.wrong: list[str] = []
        self._settings = stack.settings
        self._stop_wanted = threading.Event()

    def run(self) -> None:
        least = 0
        while not self._stop_wanted.is_set():
            try:
                with connect(self._settings, {"landing.sensors": None}) as lake:
                    found = lake.execute(
                        "SELECT count(*), count(DISTINCT (kafka_partition, kafka_offset))"
                        " FROM landing.sensors"
                    ).fetchone()
            except Exception as error:
                self.wrong.append(repr(error))
                continue
            assert found
            rows, distinct = found
            if rows < least or rows != distinct:
                self.wrong.append(f"{rows} rows, {distinct} of them distinct, had {least}")
            least = rows
            self.reads += 1

    def stop(self) -> None:
        self._stop_wanted.set()
        self.join()


def prove(plant: Stack) -> None:
    audit = plant.audit(STREAM)
    assert (audit["lost"], audit["duplicated"], audit["in_flight"]) == (0, 0, 0), audit
    [total] = plant.json("ledger", STREAM)["streams"]
    assert total["lost"] == 0
    parity = plant.json("parity", "by_sensor")["models"]["by_sensor"]
    assert parity["unexplained"] == 0, parity
    assert parity["explained_by_late"] > 0


def planned(plant: Stack) -> dict[str, Any]:
    works = plant.json("maintain", "--dry-run", *TABLES)["tables"]
    return {work["table"]: work for work in works}


def test_files_and_snapshots_become_few_while_events_flow(plant: Stack) -> None:
    before = planned(plant)
    landing = before["landing.sensors"]
    assert landing["compaction"]["files"] > 5
    assert len(landing["expire"]) > 5
    assert planned(plant)["landing.sensors"]["files"] == landing["files"]

    producer = plant.start("produce", STREAM, "--events", "10000", *FAULTS)
    reader = Reader(plant)
    reader.start()
    try:
        done = plant.json("maintain", *TABLES)["done"]
    finally:
        reader.stop()
    assert reader.wrong == []
    assert reader.reads > 5
    _, said = producer.communicate(timeout=240)
    assert producer.returncode == 0, said

    by_table = {each["work"]["table"]: each for each in done}
    for table in ("landing.sensors", "marts.by_sensor"):
        actions = {a["action"]: a["details"] for a in by_table[table]["actions"]}
        assert actions["compact"]["rewritten_data_files_count"] >= 5
        assert actions["compact"]["added_data_files_count"] <= 2
        assert actions["expire"]["deleted_manifest_lists_count"] > 0
    prove(plant)
    kept = plant.json("query", "SELECT table_name, action, why FROM ops.maintenance")
    assert {"landing.sensors", "marts.by_sensor"} <= {row["table_name"] for row in kept}
    lines = map(json.loads, events_path(plant.settings).read_text().splitlines())
    told = {(e["job"]["name"], e["eventType"]) for e in lines}
    assert ("maintain.landing.sensors", "COMPLETE") in told


def test_the_job_goes_on_from_what_maintenance_has_left(plant: Stack) -> None:
    """What the committer looks for in the snapshots is there still."""
    # The newest commit of the job stays with all that came after it: so one after the compaction.
    plant.ok("produce", STREAM, "--events", "500", *FAULTS)
    plant.audit(STREAM)
    done = {each["work"]["table"]: each for each in plant.json("maintain", *TABLES)["done"]}
    expired = next(a for a in done["landing.sensors"]["actions"] if a["action"] == "expire")
    # The small files that the compaction before has left behind.
    assert expired["details"]["deleted_data_files_count"] > 5
    os.kill(plant.pid("taskmanager"), signal.SIGKILL)
    plant.ok("produce", STREAM, "--events", "1000", *FAULTS)
    prove(plant)


def killed_at(plant: Stack, step: str) -> bool:
    """Kill maintenance, Spark and all, as it begins a step; whether it came so far."""
    running = plant.start("maintain", "landing.sensors")
    assert running.stderr
    reached = any(line.startswith(step) for line in running.stderr)
    whole = psutil.Process(running.pid).children(recursive=True) if running.poll() is None else []
    for process in (*whole, running):
        process.kill()
    psutil.wait_procs(whole, timeout=10)
    running.communicate()
    return reached


@pytest.mark.parametrize("step", ["compact", "expire"])
def test_a_run_that_is_killed_leaves_nothing_half_done(plant: Stack, step: str) -> None:
    plant.ok("produce", STREAM, "--events", "2000", *FAULTS)
    assert killed_at(plant, step)
    prove(plant)
    assert plant.json("maintain", "landing.sensors")["done"]
    prove(plant)


def test_orphans_go_and_nothing_else(plant: Stack) -> None:
    landing = plant.settings.warehouse / "landing" / STREAM / "data"
    orphan = landing / "left-behind.parquet"
    fresh = landing / "being-written.parquet"
    for path in (orphan, fresh):
        path.write_bytes(b"PAR1")
    os.utime(orphan, (0, 0))
    plant.ok("maintain", "landing.sensors", "--orphans", "2 days", "--statistics")
    assert not orphan.exists()
    assert fresh.exists()
    fresh.unlink()
    prove(plant)


def test_what_is_wrong_is_named(plant: Stack) -> None:
    done: subprocess.CompletedProcess[str] = plant.run("maintain", "landing.sensor")
    assert done.returncode == 2
    assert "did you mean landing.sensors" in done.stderr


def test_nothing_is_due_twice(plant: Stack) -> None:
    plant.ok("stop", STREAM)
    plant.ok("maintain", "landing.sensors")
    assert planned(plant)["landing.sensors"]["compaction"] is None
    plant.ok("submit", STREAM)
