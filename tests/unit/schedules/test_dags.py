"""The DAGs that lakehead ships: read as Airflow reads them, held against the command line."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import typer
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator
from jinja2 import Environment, StrictUndefined
from pendulum import instance

from lakehead.cli.main import app
from lakehead.schedules.alerts import alert
from lakehead.schedules.operator import MARTS, LakeheadOperator, mart
from lakehead.settings import INSTALL_ROOT
from lakehead.stack.airflow import TASK_SLOTS

FOLDER = INSTALL_ROOT / "dags"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
HEAVY_MODULES = ("duckdb", "great_expectations", "pyarrow", "pyflink", "pyiceberg", "pyspark")
DUE = datetime(2026, 1, 31, 11, tzinfo=UTC)
RUNS = {
    "scheduled": {"run_type": "scheduled", "conf": None, "run_after": DUE},
    "backfill": {"run_type": "backfill", "conf": None, "run_after": DUE},
    "dag run --from": {"run_type": "manual", "conf": {"backfill": True}, "run_after": DUE},
}


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DAG]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHEAD_HOME", str(tmp_path_factory.mktemp("home")))
        bag = DagBag(FOLDER, load_op_links=False)
        assert bag.import_errors == {}
        yield dict(bag.dags)


def commands(dag: DAG, run: dict[str, Any]) -> list[list[str]]:
    """What a run of the DAG would give the command line, of each kind of task once."""
    start, end = (instance(datetime(2026, 1, 31, hour)) for hour in (10, 11))
    context = {
        "dag_run": run,
        "data_interval_start": start,
        "data_interval_end": end,
        # A run that was started in the browser may have none.
        "logical_date": None,
        "params": dict(dag.params),
    }
    templates = Environment(undefined=StrictUndefined)
    found = []
    for words in _words(dag):
        rendered = [templates.from_string(word).render(context) for word in words]
        found.append([word for word in rendered if word])
    return found


def _words(dag: DAG) -> Iterator[Sequence[str]]:
    for task in dag.tasks:
        if isinstance(task, LakeheadOperator):
            yield [*task.arguments, *task.options]
        elif isinstance(task, MappedOperator):
            for arguments in MAPPED[dag.dag_id, task.task_id](dag):
                yield [*arguments, *task.partial_kwargs.get("options", ())]


def _days(dag: DAG) -> list[list[str]]:
    days: list[list[str]] = dag.get_task("days").python_callable(
        params={"first": "2026-01-30", "last": "2026-02-01"}
    )
    return days


# What a mapped task is given by the task before it, where that asks the lake.
MAPPED = {
    ("settle", "reconcile"): lambda dag: [["reconcile", "revenue_by_country"]],
    ("watch", "contracts"): lambda dag: [["contract", "verify", "orders"]],
    ("backfill", "reconcile"): _days,
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", NAMES)
def test_every_task_is_a_command_that_there_is(name: str, run: str, dags: dict[str, DAG]) -> None:
    found = commands(dags[name], RUNS[run])
    assert found
    for words in found:
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context("lakehead", words)


def test_a_backfill_settles_its_interval_and_the_clock_all_that_is_due(
    dags: dict[str, DAG],
) -> None:
    hour = ["--from", "2026-01-31T10:00:00+00:00", "--to", "2026-01-31T11:00:00+00:00"]
    for run in ("backfill", "dag run --from"):
        words = commands(dags["settle"], RUNS[run])
        assert ["reconcile", "revenue_by_country", "--full", *hour] in words
        assert ["parity", "--certify", *hour] in words
    words = commands(dags["settle"], RUNS["scheduled"])
    assert ["reconcile", "revenue_by_country"] in words
    assert ["parity", "--certify"] in words


def test_a_replay_that_is_only_told_of_publishes_nothing(dags: dict[str, DAG]) -> None:
    published = Environment().from_string(dags["replay"].get_task("replay").publishes)
    model = {"model": "returns_rate"}
    assert published.render(params=model | {"dry_run": False}) == "returns_rate"
    assert published.render(params=model | {"dry_run": True}) == ""


def test_what_is_published_starts_those_who_read_it(dags: dict[str, DAG]) -> None:
    for dag, task in (("settle", "reconcile"), ("replay", "replay")):
        assert dags[dag].get_task(task).outlets == [MARTS]
    assert dags["export"].timetable.asset_condition.objects == (mart("revenue_by_country"),)


@pytest.mark.parametrize("name", NAMES)
def test_every_task_has_limits_and_is_heard_of_when_it_fails(
    name: str, dags: dict[str, DAG]
) -> None:
    dag = dags[name]
    assert dag.max_active_runs == 1
    assert not dag.catchup
    assert dag.description
    assert dag.doc_md
    for task in dag.tasks:
        assert task.execution_timeout
        assert task.pool_slots <= TASK_SLOTS
        assert alert in task.on_failure_callback
        assert task.retries >= 1 or name == "feed"
        assert task.retry_exponential_backoff


def test_days_of_a_backfill(dags: dict[str, DAG]) -> None:
    first, *_, last = _days(dags["backfill"])
    assert first == ["reconcile", "--full", "--from", "2026-01-30", "--to", "2026-01-31"]
    assert last[-1] == "2026-02-02"
    with pytest.raises(ValueError, match="last is 2026-01-01, expected 2026-01-02, which is first"):
        dags["backfill"].get_task("days").python_callable(
            params={"first": "2026-01-02", "last": "2026-01-01"}
        )


def test_nothing_heavy_is_imported_when_dags_are_read() -> None:
    """They are read every half minute."""
    program = f"""
import json, pathlib, runpy, sys
for name in {NAMES!r}:
    runpy.run_path(str(pathlib.Path({str(FOLDER)!r}) / f"{{name}}.py"))
print(json.dumps([m for m in {HEAVY_MODULES!r} if m in sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**_environment(), "LAKEHEAD_HOME": "/nowhere"},
        cwd=INSTALL_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ) | {"PYTHONPATH": str(INSTALL_ROOT)}
