"""Runs of a DAG without a server, and what is refused before one begins."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lakehead.errors import UserError
from lakehead.schedules.runs import Described, Run, _check, _end, _hear, _tell
from tests.conftest import wait_until

DAG = """
from datetime import timedelta
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task
from lakehead.schedules.operator import LakeheadOperator
import pendulum

@task
def streams():
    return [["contract", "docs", name] for name in ("orders", "payments")]

with DAG(
    "small",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    description="Small.",
    params={"strict": Param(False, type="boolean")},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=0)},
):
    checked = LakeheadOperator(task_id="check", arguments=["contract", "check"])
    wrong = LakeheadOperator(
        task_id="wrong",
        arguments=["model", "explain"],
        options=["{{ 'nothing' if params.strict else 'returns_rate' }}"],
    )
    checked >> wrong
"""

WAITED = "import time; time.sleep(600)"
WAITING = f"""
class Waiting(LakeheadOperator):
    def _run(self, command):
        return super()._run([command[0], "-c", {WAITED!r}])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("schemas", "pipelines", "dags"):
        (tmp_path / folder).mkdir()
    (tmp_path / "dags" / "small.py").write_text(DAG)
    return tmp_path


def lakehead(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lakehead.cli", *words],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
    )


def environment(project: Path) -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    root = str(Path(__file__).parents[3])
    return plain | {"LAKEHEAD_HOME": str(project / "home"), "PYTHONPATH": root}


def test_a_dag_runs_as_of_a_moment_and_over_a_range(project: Path) -> None:
    listed = lakehead(project, "dag", "list", "--json")
    (dag,) = json.loads(listed.stdout)["dags"]
    assert dag["schedule"] == "0 * * * *"
    assert dag["tasks"] == ["check", "wrong"]
    assert dag["params"] == {"strict": False}

    hours = ("--from", "2026-01-31T10:00", "--to", "2026-01-31T12:00")
    told = lakehead(project, "dag", "env").stdout
    assert f"export AIRFLOW_HOME={project / 'home' / 'airflow'}\n" in told
    done = lakehead(project, "dag", "run", "small", *hours, "--json")
    # The project has no model: what fails is told, and the retry too.
    assert done.returncode == 1, done.stderr
    runs = json.loads(done.stdout)["runs"]
    assert [run["at"] for run in runs] == ["2026-01-31T11:00:00+00:00", "2026-01-31T12:00:00+00:00"]
    for run in runs:
        states = {task["task"]: (task["state"], task["tries"]) for task in run["tasks"]}
        assert states == {"check": ("success", 1), "wrong": ("failed", 2)}
        assert "there is no model" in run["tasks"][1]["error"]
    assert "small of 2026-01-31T11:00:00+00:00, 1 of 2" in done.stderr

    # Airflow would run no task of a time before the DAG's start, and call that a success.
    early = lakehead(project, "dag", "run", "small", "--date", "2025-12-31")
    assert early.returncode == 2
    assert "a run of 2025-12-31T00:00:00+00:00 is before its start_date" in early.stderr


def test_a_run_that_is_interrupted_leaves_nothing_behind(project: Path) -> None:
    (project / "dags" / "small.py").write_text(
        DAG.replace("with DAG(", f"{WAITING}\nwith DAG(")
        .replace('LakeheadOperator(task_id="check"', 'Waiting(task_id="check"')
        .replace('"retries": 1', '"retries": 0')
    )
    began = subprocess.Popen(
        [sys.executable, "-m", "lakehead.cli", "dag", "run", "small"],
        cwd=project,
        env=environment(project),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with began:
        assert began.stderr
        said: list[str] = []
        while "check" not in (said or [""])[-1].split():
            line = began.stderr.readline()
            assert line, said
            said.append(line)
        wait_until(lambda: commands_of(project), "the task's command")
        began.send_signal(signal.SIGINT)
        assert began.wait(120) == 130
    wait_until(lambda: not commands_of(project), "the end of the task's command")


def test_a_program_that_has_ended_is_no_trouble_to_who_talks_to_it() -> None:
    process = subprocess.Popen(["true"], stdin=subprocess.PIPE, text=True)
    process.wait(10)
    with process:
        _tell(process, "go on\n")
        _end(process)
    assert process.returncode == 0


def test_a_param_that_the_dag_does_not_take_is_refused(project: Path) -> None:
    done = lakehead(project, "dag", "run", "small", "--param", "strict=maybe")
    assert done.returncode == 2, done.stderr
    assert "small: param strict: 'maybe' is not of type 'boolean'" in done.stderr
    assert "next:  lakehead dag list --json" in done.stderr


def test_a_dag_that_ends_its_reader_is_told_with_the_log(project: Path) -> None:
    (project / "dags" / "small.py").write_text(
        "import os  # A file with a DAG of Airflow.\nos._exit(3)\n"
    )
    done = lakehead(project, "dag", "list")
    assert done.returncode == 1
    assert "Airflow ended before the DAG did" in done.stderr
    assert str(project / "home" / "logs" / "dag.log") in done.stderr.replace("\n", "")


def commands_of(project: Path) -> list[int]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("LAKEHEAD_HOME") == str(project / "home"):
                found.append(process.pid)
        except psutil.Error:
            continue
    return [pid for pid in found if WAITED in psutil.Process(pid).cmdline()]


def described(**changes: Any) -> Described:
    plain: dict[str, Any] = {
        "dag": "settle",
        "schedule": "0 * * * *",
        "by_clock": True,
        "tasks": ["audit"],
        "description": None,
        "params": {"model": ""},
        "file": "settle.py",
        "tags": [],
    }
    return Described(**plain | changes)


@pytest.mark.parametrize(
    ("name", "params", "ranged", "says", "hint"),
    [
        ("setle", {}, False, "there is no DAG 'setle'; there are settle", "dag run settle"),
        ("x", {}, False, "there is no DAG 'x'", "lakehead dag list"),
        ("settle", {"modle": 1}, False, "no param 'modle'; it has model", "dag list --json"),
    ],
)
def test_what_cannot_be_run_is_refused(
    name: str, params: dict[str, Any], ranged: bool, says: str, hint: str
) -> None:
    with pytest.raises(UserError, match=says) as error:
        _check([described()], name, params, ranged)
    assert hint in error.value.hint


def test_only_what_runs_by_the_clock_has_runs_within_a_range() -> None:
    with pytest.raises(UserError, match="settle does not run by the clock"):
        _check([described(by_clock=False)], "settle", {}, True)
    _check([described()], "settle", {"model": "x"}, True)


def test_a_task_that_was_tried_again_is_told_once() -> None:
    run, said = Run("2026-01-31T10:00:00+00:00"), list[str]()
    began: dict[tuple[str, int], float] = {}
    for state, number in (("running", 1), ("failed", 1), ("running", 2), ("success", 2)):
        event = {"task": "a", "map_index": 3, "label": "orders", "state": state}
        _hear(run, event | {"try_number": number, "error": None}, began, said.append)
    (ended,) = run.tasks
    assert (ended.label, ended.state, ended.tries) == ("orders", "success", 2)
    assert said[2] == "a of orders, try 2"
