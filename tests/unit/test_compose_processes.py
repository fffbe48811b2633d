"""Services of docker-compose.yml that need no engine, run as they are written, as processes."""

import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compose import Plain
from tests.conftest import ROOT, free_port_base, wait_until

DASHBOARD = ROOT / "docker" / "grafana" / "dashboards" / "lakehead.json"
Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    """The settings of the containers, but for the ports."""
    said = json.loads((ROOT / "docker" / "settings.json").read_text())
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(said | {"port_base": free_port_base()}))
    home, secrets = tmp_path / "home", tmp_path / "secrets"
    home.mkdir()
    secrets.mkdir()
    return Plain(home, {"/etc/lakehead/settings.json": str(settings), "/secrets": str(secrets)})


@pytest.fixture
def start(plain: Plain, tmp_path: Path) -> Iterator[Start]:
    """Starts a service and waits for its health; ends them all afterwards."""
    running = []

    def begin(name: str) -> "subprocess.Popen[bytes]":
        log = tmp_path / f"{name}.log"
        process = plain.start(name, log)
        running.append(process)
        wait_until(
            lambda: process.poll() is not None or plain.is_healthy(name),
            lambda: f"{name} healthy: {log.read_text()[-2000:]}",
        )
        assert process.poll() is None, log.read_text()
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def test_the_pod_lays_the_settings_into_the_home(plain: Plain, start: Start) -> None:
    assert not plain.is_healthy("pod")
    pod = start("pod")
    assert json.loads((plain.home / "settings.json").read_text())["taskmanager_mb"] == 2560
    pod.terminate()
    assert pod.wait(10) == -signal.SIGTERM


def test_prometheus_can_read_the_query_server(plain: Plain, start: Start, tmp_path: Path) -> None:
    start("pod")
    first = plain.start("metrics-token", tmp_path / "token.log")
    assert first.wait(60) == 0, (tmp_path / "token.log").read_text()
    token = tmp_path / "secrets" / "prometheus"
    secret = token.read_text()
    # Prometheus is another user in its container.
    assert token.stat().st_mode & 0o044 == 0o044
    # A second start keeps it.
    assert plain.start("metrics-token", tmp_path / "token.log").wait(60) == 0
    assert token.read_text() == secret

    server = start("query")
    port = json.loads((plain.home / "settings.json").read_text())["port_base"] + 9
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {secret.strip()}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        told = answer.read().decode()
    board = json.loads(DASHBOARD.read_text())
    asked = re.findall(r"\blakehead_server_\w+", json.dumps(board))
    assert len(set(asked)) >= 8
    for metric in asked:
        assert re.search(rf"^(# TYPE )?{metric}\b", told, re.MULTILINE), metric

    server.terminate()
    assert server.wait(30) == 0
    assert not plain.is_healthy("query")


def test_a_token_is_made_anew_where_its_volume_was_lost(
    plain: Plain, start: Start, tmp_path: Path
) -> None:
    start("pod")
    token = tmp_path / "secrets" / "prometheus"
    secrets = []
    for _ in range(2):
        assert plain.start("metrics-token", tmp_path / "token.log").wait(60) == 0
        secrets.append(token.read_text())
        token.unlink()
    assert len(set(secrets)) == 2
    assert all(secret.startswith("lh_") for secret in secrets)


@pytest.mark.parametrize("part", ["settler", "controller"])
def test_a_part_runs_until_it_is_told_to_stop(
    plain: Plain, start: Start, tmp_path: Path, part: str
) -> None:
    start("pod")
    assert not plain.is_healthy(part)
    running = start(part)
    status = subprocess.run(
        plain.words(["lakehead", "status", "--json"]),
        env=plain.environment(part),
        capture_output=True,
        cwd=ROOT,
    )
    [found] = json.loads(status.stdout)["parts"]
    assert (found["name"], found["healthy"], found["pid"]) == (part, True, running.pid)

    second = plain.start(part, tmp_path / "second.log")
    assert second.wait(60) == 2
    assert f"{part} runs already on" in (tmp_path / "second.log").read_text()

    running.terminate()
    assert running.wait(30) == 0
    # Nothing says that it runs, although its files are there still.
    after = subprocess.run(
        plain.words(["lakehead", "status", "--json"]),
        env=plain.environment(part),
        capture_output=True,
        cwd=ROOT,
    )
    assert json.loads(after.stdout)["parts"] == []


def test_a_command_that_needs_the_stack_takes_a_controller_for_it(
    plain: Plain, start: Start
) -> None:
    def submit() -> str:
        done = subprocess.run(
            plain.words(["lakehead", "stop", "orders"]),
            env=plain.environment("cli"),
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        return done.stderr

    start("pod")
    assert "is down" in submit()
    start("controller")
    assert "is down" not in submit()
