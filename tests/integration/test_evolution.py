"""A contract changes while events go on: nothing is lost, nothing doubled, all of it readable."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer

from tests.conftest import ROOT, Stack, wait_until

pytestmark = pytest.mark.integration
STREAM = "readings"
RATE = 5_000


@pytest.fixture(scope="module")
def plant(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The shared stack, asked from a project with one stream that was never seen before."""
    project = tmp_path_factory.mktemp("plant")
    shutil.copytree(ROOT / "tests/integration/projects/readings", project, dirs_exist_ok=True)
    asked = stack.of(project)
    asked.ok("contract", "apply", STREAM)
    yield asked
    asked.ok("stop", STREAM)


@pytest.fixture
def edit(plant: Stack) -> Iterator[Callable[[Callable[[Any], None]], None]]:
    """Change the contract's document; a change that was not applied is undone."""
    path = plant.project / "schemas" / f"{STREAM}.yaml"

    def change(by: Callable[[Any], None]) -> None:
        document = yaml.safe_load(path.read_text())
        by(document)
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    before = path.read_text()
    yield change
    applied = plant.home / "contracts" / STREAM / "applied.yaml"
    if applied.read_text() != path.read_text():
        path.write_text(before)


def properties(document: Any) -> dict[str, Any]:
    return {p["name"]: p for p in document["schema"][0]["properties"]}


def event(number: int, version: int) -> bytes:
    fields: dict[str, Any] = {
        "meter": f"m{number % 50}",
        "number": number,
        "level": f"{number % 1000}.25",
        "unit": "kWh",
        "place": {"hall": "north", "floor": 2},
        "read_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    if version == 1:
        fields["note"] = f"note {number}"
    else:
        fields |= {"remark": f"note {number}", "number": number + 2**40, "unit": "MWh"}
        fields["place"]["door"] = "east"
        fields["checked_by"] = "ann"
    return json.dumps(fields).encode()


class Meters(threading.Thread):
    """Sends about RATE events a second until stopped; ``version`` may change meanwhile."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.version = 1
        self.sent = {1: 0, 2: 0}
        self.failed: list[str] = []
        self._stop_wanted = threading.Event()
        self._producer = Producer(
            {"bootstrap.servers": stack.settings.bootstrap, "enable.idempotence": True}
        )

    def run(self) -> None:
        begun, number = time.monotonic(), 0
        while not self._stop_wanted.is_set():
            due = (time.monotonic() - begun) * RATE
            while number < due:
                version = self.version
                value = event(number, version)
                self._producer.produce(STREAM, value, f"m{number % 50}", on_delivery=self._note)
                self.sent[version] += 1
                number += 1
                if number % 1000 == 0:
                    self._producer.poll(0)
            self._producer.poll(0.01)
        self._producer.flush()

    def stop(self) -> None:
        self._stop_wanted.set()
        self.join()
        assert not self.failed

    def _note(self, error: Any, record: Any) -> None:
        if error is not None:
            self.failed.append(str(error))


def rows(stack: Stack, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stack.ok("query", sql, "--format", "json"))
    return found


def job(stack: Stack) -> dict[str, Any]:
    [found] = [j for j in stack.json("jobs")["jobs"] if j["name"] == STREAM]
    return dict(found)


def test_compatible_changes_are_applied_while_events_go_on(
    plant: Stack, edit: Callable[[Callable[[Any], None]], None]
) -> None:
    meters = Meters(plant)
    meters.start()
    try:
        wait_until(lambda: meters.sent[1] > 3 * RATE, "events of the first version")

        def evolve(document: Any) -> None:
            fields = properties(document)
            fields["number"]["physicalType"] = "long"
            fields["level"]["physicalType"] = "decimal(14,2)"
            fields["note"] |= {
                "name": "remark",
                "customProperties": [{"property": "aliases", "value": ["note"]}],
            }
            fields["unit"]["enum"].append({"value": "MWh"})
            fields["place"]["properties"].append({"name": "door", "logicalType": "string"})
            document["schema"][0]["properties"].insert(
                2, {"name": "checked_by", "logicalType": "string"}
            )

        edit(evolve)
        planned = plant.json("contract", "apply", STREAM, "--dry-run")["streams"][STREAM]
        assert planned["change"] == "changed"
        assert "table landing.readings: rename column note to remark" in planned["steps"]
        applied = plant.json("contract", "apply", STREAM)["streams"][STREAM]
        assert applied["pause_seconds"] is not None
        meters.version = 2
        wait_until(lambda: meters.sent[2] > 3 * RATE, "events of the second version")
    finally:
        meters.stop()

    audited = plant.audit(STREAM)
    assert audited["lost"] == audited["duplicated"] == audited["in_flight"] == 0
    assert audited["dead"] == 0
    assert audited["produced"] == sum(meters.sent.values())
    [counts] = rows(
        plant,
        "SELECT count(*) FILTER (checked_by = 'ann' AND place.door = 'east' AND number >= 2**40"
        "                        AND unit = 'MWh') AS new,"
        " count(*) FILTER (checked_by IS NULL AND place.door IS NULL AND number < 2**40) AS old,"
        " count(*) FILTER (remark = 'note ' || (number % (2**40)::BIGINT)) AS renamed,"
        " count(DISTINCT number) AS numbers FROM landing.readings",
    )
    assert counts == {
        "new": meters.sent[2],
        "old": meters.sent[1],
        "renamed": audited["produced"],
        "numbers": audited["produced"],
    }


def test_what_breaks_the_stream_is_refused_with_the_way_out(
    plant: Stack, edit: Callable[[Callable[[Any], None]], None]
) -> None:
    def narrow(document: Any) -> None:
        fields = properties(document)
        fields["meter"]["logicalTypeOptions"] = {"maxLength": 3}
        fields["level"]["required"] = True

    before = job(plant)
    edit(narrow)
    done = plant.run("contract", "apply", STREAM)
    assert done.returncode == 2
    assert "level: becomes required" in done.stderr
    assert "meter: max_length becomes 3, from none" in done.stderr
    assert "leave it optional" in done.stderr
    compared = plant.run("contract", "diff", STREAM)
    assert compared.returncode == 2
    assert "refused" in compared.stdout
    assert job(plant)["job_id"] == before["job_id"]


def test_an_optional_field_is_dropped_and_what_it_held_stays_in_older_snapshots(
    plant: Stack, edit: Callable[[Callable[[Any], None]], None]
) -> None:
    def drop(document: Any) -> None:
        listed = document["schema"][0]["properties"]
        listed[:] = [p for p in listed if p["name"] != "checked_by"]

    edit(drop)
    applied = plant.json("contract", "apply", STREAM)["streams"][STREAM]
    assert applied["steps"] == ["table landing.readings: drop column checked_by"]
    assert plant.json("contract", "apply", STREAM)["streams"][STREAM]["change"] == "none"
    described = {r["column_name"] for r in rows(plant, "DESCRIBE landing.readings")}
    assert "checked_by" not in described
    assert {"remark", "number"} <= described


def test_an_apply_that_is_killed_is_made_whole_by_another(
    plant: Stack, edit: Callable[[Callable[[Any], None]], None]
) -> None:
    def rename(document: Any) -> None:
        fields = properties(document)
        aliases = fields["remark"]["customProperties"][0]["value"]
        fields["remark"]["customProperties"][0]["value"] = [*aliases, "remark"]
        fields["remark"]["name"] = "comment"

    def columns() -> set[str]:
        return {r["column_name"] for r in rows(plant, "DESCRIBE landing.readings")}

    edit(rename)
    killed = plant.start("contract", "apply", STREAM)
    wait_until(lambda: "comment" in columns(), "the table's new column")
    killed.kill()
    killed.communicate()
    plant.ok("contract", "apply", STREAM)
    assert "remark" not in columns()
    [counted] = rows(
        plant, "SELECT count(*) AS rows, count(comment) AS comments FROM landing.readings"
    )
    assert counted["rows"] == counted["comments"] > 0
    audited = plant.audit(STREAM)
    assert (audited["lost"], audited["duplicated"]) == (0, 0)


def test_a_job_that_was_stopped_stays_stopped(
    plant: Stack, edit: Callable[[Callable[[Any], None]], None]
) -> None:
    plant.ok("stop", STREAM)

    def add(document: Any) -> None:
        document["schema"][0]["properties"].append({"name": "extra", "logicalType": "boolean"})

    edit(add)
    applied = plant.json("contract", "apply", STREAM)["streams"][STREAM]
    assert applied["change"] == "stopped"
    assert job(plant)["state"] == "stopped"
    plant.ok("submit", STREAM)
    assert Path(plant.home / "contracts" / STREAM / "0004.yaml").exists()
