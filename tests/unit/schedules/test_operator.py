"""A task that runs a command: what it says, how it fails, how it is stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from lakehead.schedules.alerts import alert
from lakehead.schedules.operator import MARTS, LakeheadOperator
from tests.conftest import wait_until


def task(*arguments: str, **kwargs: Any) -> LakeheadOperator:
    return LakeheadOperator(task_id="task", arguments=arguments, **kwargs)


def test_the_document_of_the_command_is_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHEAD_HOME", "/nowhere")
    shown = task("contract", "", "check", options=["", ""]).execute({})
    assert shown == {"checked": 6, "problems": []}


@pytest.mark.parametrize(
    ("said", "result"),
    [("", []), ('{"a": 1}\n', {"a": 1}), ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}])],
)
def test_a_command_may_say_several_documents(
    said: str, result: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LakeheadOperator, "_run", lambda self, command: said)
    assert task("quality", "watch").execute({}) == result


def test_a_failure_says_the_commands_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHEAD_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="exit 2: error: there is no model 'nothing'"):
        task("model", "explain", "nothing").execute({})


def test_a_success_is_an_event_of_the_mart(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[str] = []
    events = {MARTS: SimpleNamespace(add=lambda asset: added.append(asset.name))}
    monkeypatch.setattr(LakeheadOperator, "_run", lambda self, command: "{}")
    published = task("reconcile", publishes="returns_rate", outlets=[MARTS])
    published.execute({"outlet_events": events})
    assert added == ["marts.returns_rate"]


PATIENT = """
import signal, sys, time
def end(*_):
    print("ended well", file=sys.stderr)
    sys.exit(3)
signal.signal(signal.SIGINT, end)
print("began", file=sys.stderr, flush=True)
time.sleep(60)
"""


def test_a_task_that_is_stopped_interrupts_its_command() -> None:
    running = task("unused")
    failed: list[BaseException] = []

    def run() -> None:
        try:
            running._run([sys.executable, "-c", PATIENT])
        except RuntimeError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(
        lambda: running._process is not None and _handles_interrupts(running._process.pid),
        "a command that handles interrupts",
    )
    running.on_kill()
    thread.join(30)
    assert [str(error) for error in failed] == ["exit 3: began   ended well"]


def _handles_interrupts(pid: int) -> bool:
    """By the mask of caught signals that the kernel keeps."""
    lines = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    caught = int(lines["SigCgt"], 16)
    name = psutil.Process(pid).cmdline()
    return bool(caught >> (signal.SIGINT - 1) & 1) and PATIENT in name


def test_a_task_that_is_broken_off_leaves_no_command() -> None:
    running = task("unused")

    def broken(process: subprocess.Popen[str]) -> str:
        raise KeyboardInterrupt

    running._follow = broken  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        running._run([sys.executable, "-c", "import time; time.sleep(60)"])
    assert running._process is not None
    assert running._process.returncode == -signal.SIGINT


def test_an_alert_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHEAD_HOME", str(tmp_path))
    context = {
        "task_instance": SimpleNamespace(task_id="audit", map_index=-1),
        "dag_run": SimpleNamespace(dag_id="settle", run_id="r1"),
        "exception": RuntimeError("exit 1: lost"),
    }
    alert(context)
    alert(context)
    first, second = map(json.loads, (tmp_path / "alerts.jsonl").read_text().splitlines())
    assert first["dag"] == "settle"
    assert second["error"] == "exit 1: lost"
    assert os.stat(tmp_path / "alerts.jsonl").st_mode & 0o077 == 0
