"""The services of docker-compose.yml that run engines, as they are written, without containers."""

import json
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.compose import Plain, services
from tests.conftest import ROOT, free_port_base, wait_until

pytestmark = pytest.mark.integration
DASHBOARD = ROOT / "docker" / "grafana" / "dashboards" / "lakehead.json"
PARTS = ("pod", "kafka", "jobmanager", "taskmanager", "controller", "settler")
Processes = dict[str, "subprocess.Popen[bytes]"]


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    found = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return found


@pytest.fixture(scope="module")
def ports() -> list[int]:
    """Those of Flink's reporters: of the JobManager, and of two TaskManagers."""
    return free_ports(3)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, ports: list[int]) -> Plain:
    folder = tmp_path_factory.mktemp("containers")
    said = json.loads((ROOT / "docker" / "settings.json").read_text())
    settings = folder / "settings.json"
    settings.write_text(json.dumps(said | {"port_base": free_port_base()}))
    project = folder / "shop"
    shutil.copytree(ROOT / "schemas", project / "schemas")
    (project / "pipelines").mkdir()
    shutil.copy(ROOT / "pipelines" / "revenue_by_country.sql", project / "pipelines")
    home = folder / "home"
    home.mkdir()
    places = {
        "/etc/lakehead/settings.json": str(settings),
        "prom.port=9249": f"prom.port={ports[0]}",
        "prom.port=9250-9259": f"prom.port={ports[1]},{ports[2]}",
    }
    return Plain(home, places, project)


@pytest.fixture(scope="module")
def running(plain: Plain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """The parts, each started once those that it waits for are healthy."""
    logs = tmp_path_factory.mktemp("logs")
    found: Processes = {}
    try:
        for name in PARTS:
            assert services()[name].get("depends_on", {}).keys() <= found.keys()
            start(plain, name, logs / f"{name}.log", found)
        yield found
    finally:
        # As compose does it: who depends on others is stopped before them.
        late = [name for name, process in reversed(found.items()) if not ended(process)]
        assert late == [], "these did not end by SIGTERM"


def start(plain: Plain, name: str, log: Path, found: Processes, suffix: str = "") -> None:
    process = found[name + suffix] = plain.start(name, log)
    wait_until(
        lambda: process.poll() is not None or plain.is_healthy(name),
        lambda: f"{name} healthy: {log.read_text()[-2000:]}",
    )
    assert process.poll() is None, log.read_text()[-2000:]


def ended(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it ended by itself when it was told to; afterwards it is gone in any case."""
    children = []
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
    try:
        process.wait(40)
        return True
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    finally:
        for child in children:
            if child.is_running():
                child.kill()


def lakehead(plain: Plain, *arguments: str) -> Any:
    """What a command of the service ``cli`` says in JSON."""
    command = [*services()["cli"]["entrypoint"], *arguments, "--json"]
    done = subprocess.run(
        plain.words(command),
        env=plain.environment("cli"),
        cwd=plain.project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{arguments}:\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def missing_of(ports: list[int]) -> Callable[[], set[str]]:
    """The metrics of Flink in the dashboard that no reporter tells yet."""
    asked = set(re.findall(r"\bflink_\w+", DASHBOARD.read_text()))
    return lambda: asked - set(re.findall(r"^flink_\w+", "".join(map(scraped, ports)), re.M))


def test_the_parts_land_what_is_produced(plain: Plain, running: Processes) -> None:
    lakehead(plain, "submit", "orders")
    lakehead(plain, "produce", "orders", "--events", "5000", "--rate", "2500", "--poison", "0.01")
    counts = lakehead(plain, "audit", "orders", "--wait", "200")["streams"]["orders"]
    assert counts["produced"] == counts["landed"] + counts["dead"] == 5000
    assert counts["dead"] > 0
    parts = {p["name"]: p for p in lakehead(plain, "status")["parts"]}
    assert parts.keys() == set(PARTS) - {"pod"}
    assert all(p["healthy"] and p["memory_mb"] > 0 for p in parts.values())


def test_flink_reports_what_the_dashboard_asks(
    plain: Plain, running: Processes, ports: list[int]
) -> None:
    missing = missing_of(ports[:2])
    wait_until(lambda: not missing(), lambda: f"metrics {sorted(missing())}", 60)


def test_a_second_taskmanager_joins(
    plain: Plain, running: Processes, ports: list[int], tmp_path: Path
) -> None:
    start(plain, "taskmanager", tmp_path / "second.log", running, "-2")
    metric = "flink_jobmanager_numRegisteredTaskManagers"
    wait_until(
        lambda: re.search(rf"^{metric}\S* 2(\.0)?$", scraped(ports[0]), re.M),
        lambda: f"two TaskManagers: {(tmp_path / 'second.log').read_text()[-2000:]}",
    )
    assert "flink_taskmanager" in scraped(ports[2])


def test_what_was_killed_goes_on_where_it_was(
    plain: Plain, running: Processes, tmp_path: Path
) -> None:
    """A container that dies is started again by the engine: nothing is lost, nothing is twice."""
    for name in ("controller", "taskmanager"):
        running[name].kill()
        running[name].wait()
        start(plain, name, tmp_path / f"{name}.log", running)
    lakehead(plain, "produce", "orders", "--events", "5000", "--rate", "2500")
    counts = lakehead(plain, "audit", "orders", "--wait", "200")["streams"]["orders"]
    assert counts["produced"] == counts["landed"] + counts["dead"] == 10_000
