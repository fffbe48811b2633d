"""DAGs without a server: what there are, and runs of one, each in a process of its own.

The runs are kept in a database of their own, ``airflow/local.db`` of the home, so that a scheduler
of the same home does not take up their tasks.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lakehead.errors import SystemFailure, UserError
from lakehead.settings import Settings
from lakehead.stack import airflow

_DATABASE = "local.db"
# What `lakehead.schedules.local` reads; that module cannot be imported without Airflow.
_REPORT = "LAKEHEAD_DAG_REPORT"
_GRACE_SECONDS = 2
Say = Callable[[str], None]


@dataclass(frozen=True)
class Described:
    """One DAG. ``schedule`` is a cron line, or the assets that start it, or None: by hand;
    ``params`` are their defaults."""

    dag: str
    schedule: str | None
    by_clock: bool
    tasks: Sequence[str]
    description: str | None
    params: Mapping[str, Any]
    file: str
    tags: Sequence[str]


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended. ``label`` says which of a mapped task's it is."""

    task: str
    label: str | None
    state: str
    tries: int
    seconds: float
    error: str | None


@dataclass
class Run:
    """One run. ``at`` is when it would be due, ISO-8601 in UTC; ``state`` is Airflow's word, or
    that no task ran, which Airflow calls a success."""

    at: str
    state: str = "running"
    seconds: float = 0.0
    tasks: list[TaskEnd] = field(default_factory=list)


def dags(settings: Settings, say: Say = lambda _: None) -> list[Described]:
    """All DAGs of the project, by name.

    Raises:
        UserError: Airflow is not installed, or a file in ``dags/`` cannot be read.
    """
    with _program(settings, {}, say) as (events, _):
        for event in events:
            return _described(event)
    raise _broken(settings)


def run(
    settings: Settings,
    name: str,
    when: datetime | tuple[datetime, datetime],
    params: Mapping[str, Any],
    say: Say = lambda _: None,
) -> list[Run]:
    """Run the DAG as of a moment, or once for each time that it is due within a range.

    A range is a backfill: a DAG may then confine itself to the interval of each run.

    Raises:
        UserError: Airflow is not installed, there is no such DAG, it has no such param or does not
            take its value, it begins later, or it does not run by the clock and so has no runs
            within a range.
        SystemFailure: Airflow ended before the runs had; names its log.
    """
    asked: dict[str, Any] = {"dag": name, "conf": dict(params)}
    if isinstance(when, tuple):
        asked |= {"start": when[0].isoformat(), "end": when[1].isoformat()}
        asked["conf"]["backfill"] = True
    else:
        asked["moment"] = when.isoformat()
    runs: list[Run] = []
    began: dict[tuple[str, int], float] = {}
    expected = None
    with _program(settings, asked, say) as (events, go_on):
        for event in events:
            match event["event"]:
                case "dags":
                    _check(_described(event), name, params, isinstance(when, tuple))
                    go_on()
                case "refused":
                    raise UserError(f"{name}: {event['why']}", "lakehead dag list --json")
                case "runs":
                    expected = len(event["moments"])
                case "run":
                    runs.append(Run(event["at"]))
                    began[event["at"], 0] = time.monotonic()
                    say(f"{name} of {event['at']}, {len(runs)} of {expected}")
                case "task":
                    _hear(runs[-1], event, began, say)
                case "ran":
                    runs[-1].state = event["state"] if runs[-1].tasks else "no task ran"
                    runs[-1].seconds = round(time.monotonic() - began[event["at"], 0], 1)
    if expected is None or len(runs) < expected or any(r.state == "running" for r in runs):
        raise _broken(settings)
    return runs


def _hear(run: Run, event: dict[str, Any], began: dict[tuple[str, int], float], say: Say) -> None:
    key = event["task"], event["map_index"]
    shown = event["task"]
    if event["map_index"] >= 0:
        shown += f" of {event['label'] or event['map_index']}"
    if event["state"] == "running":
        began[key] = time.monotonic()
        again = f", try {event['try_number']}" if event["try_number"] > 1 else ""
        say(f"{shown}{again}")
        return
    seconds = round(time.monotonic() - began.get(key, time.monotonic()), 1)
    say(f"{shown}: {event['state']} after {seconds} s")
    label = None if event["map_index"] < 0 else event["label"] or str(event["map_index"])
    ended = TaskEnd(
        event["task"], label, event["state"], event["try_number"], seconds, event["error"]
    )
    # A task that was tried again is told of once, as it ended.
    run.tasks = [t for t in run.tasks if (t.task, t.label) != (ended.task, ended.label)] + [ended]


def _described(event: dict[str, Any]) -> list[Described]:
    if event["broken"]:
        file, said = next(iter(event["broken"].items()))
        last = said.strip().splitlines()[-1]
        raise UserError(f"dags/{file} cannot be read: {last}", f"mend {file}")
    return [Described(**dag) for dag in event["dags"]]


def _check(found: list[Described], name: str, params: Mapping[str, Any], ranged: bool) -> None:
    by_name = {dag.dag: dag for dag in found}
    if name not in by_name:
        near = get_close_matches(name, by_name, n=1)
        raise UserError(
            f"there is no DAG {name!r}; there are {', '.join(by_name) or 'none'}",
            f"lakehead dag run {near[0]}" if near else "lakehead dag list",
        )
    dag = by_name[name]
    if unknown := [param for param in params if param not in dag.params]:
        known = ", ".join(dag.params) or "none"
        raise UserError(
            f"{name} has no param {unknown[0]!r}; it has {known}", "lakehead dag list --json"
        )
    if ranged and not dag.by_clock:
        raise UserError(
            f"{name} does not run by the clock, and so has no runs between --from and --to",
            f"lakehead dag run {name}",
        )


@contextmanager
def _program(
    settings: Settings, asked: dict[str, Any], say: Say
) -> Iterator[tuple[Iterator[dict[str, Any]], Callable[[], None]]]:
    """What `lakehead.schedules.local` tells, and how to let it go on; ended when the caller is."""
    airflow.prepare(settings, say, _DATABASE)
    say("reading the DAGs")
    log = _log(settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    read, write = os.pipe()
    told = airflow.environment(settings, _DATABASE) | {_REPORT: str(write)}
    with os.fdopen(read) as report, os.fdopen(write, "w") as theirs, log.open("a") as said:
        # Another that runs goes on at the end of what is there.
        said.truncate(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "lakehead.schedules.local", json.dumps(asked)],
            env=dict(os.environ) | told,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[write],
            start_new_session=True,
        )
        # Else the report would not end with the process.
        theirs.close()
        with process:
            try:
                yield map(json.loads, report), lambda: _tell(process, "go on\n")
            finally:
                _end(process)


def _tell(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin
    # Where it has ended the report ends too, which tells.
    with suppress(BrokenPipeError):
        process.stdin.write(text)
        process.stdin.flush()


def _end(process: subprocess.Popen[str]) -> None:
    """As Ctrl-C would, where it does not end by itself: a task's command may end well."""
    assert process.stdin
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()


def _broken(settings: Settings) -> SystemFailure:
    return SystemFailure("Airflow ended before the DAG did", f"see {_log(settings)}")


def _log(settings: Settings) -> Path:
    return settings.logs / "dag.log"
