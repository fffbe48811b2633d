"""Runs DAGs in this process, without a server: by Airflow's own ``dag.test``.

A program of its own, ``python -m lakehead.schedules.local``, since Airflow reads what it is told
when it is first imported. It tells what happens in JSON lines on the file that ``REPORT`` numbers;
its standard output is Airflow's log. See `lakehead.schedules.runs` for the other side.
"""

import json
import os
import sys
from collections.abc import Iterator
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.listeners import hookimpl
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import TimeRestriction
from pendulum import instance

REPORT = "LAKEHEAD_DAG_REPORT"


def main(asked: dict[str, Any]) -> None:
    with os.fdopen(int(os.environ[REPORT]), "w", buffering=1) as report:

        def tell(**event: Any) -> None:
            report.write(json.dumps(event, default=str) + "\n")

        found, broken = _dags()
        tell(event="dags", dags=[_described(dag) for dag in found.values()], broken=broken)
        # The other side looks at what there is, and says whether to go on.
        if sys.stdin.readline():
            _run(found[asked["dag"]], asked, tell)


def _dags() -> tuple[dict[str, Any], dict[str, str]]:
    """The DAGs by name, and, by file, what those that cannot be read say."""
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    bag = BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder")
    return dict(sorted(bag.dags.items())), dict(bag.import_errors)


def _described(dag: Any) -> dict[str, Any]:
    timetable = coerce_to_core_timetable(dag.timetable)
    assets = [asset.name for _, asset in timetable.asset_condition.iter_assets()]
    by_hand = not assets and not timetable.can_be_scheduled
    return {
        "dag": dag.dag_id,
        "schedule": None if by_hand else " and ".join(assets) or timetable.summary,
        "by_clock": timetable.can_be_scheduled and not assets,
        "tasks": [task.task_id for task in dag.topological_sort()],
        "description": dag.description,
        "params": dict(dag.params),
        "file": dag.fileloc,
        "tags": sorted(dag.tags),
    }


def _run(dag: Any, asked: dict[str, Any], tell: Any) -> None:
    from airflow.sdk.listener import get_listener_manager

    moments = list(_moments(dag, asked))
    if refused := _refused(dag, asked["conf"]) or _too_early(dag, moments):
        tell(event="refused", why=refused)
        return
    manager: Any = get_listener_manager()
    manager.add_listener(_Listener(tell))
    tell(event="runs", moments=[moment.isoformat() for moment in moments])
    for moment in moments:
        tell(event="run", at=moment.isoformat())
        ended = dag.test(logical_date=moment, run_conf=asked["conf"])
        tell(event="ran", at=moment.isoformat(), state=str(ended.state))


def _refused(dag: Any, conf: dict[str, Any]) -> str | None:
    """Why the DAG does not take a param as it was given; None where it takes them all."""
    for name in dag.params.keys() & conf.keys():
        try:
            copy(dag.params.get_param(name)).resolve(conf[name])
        except ParamValidationError as error:
            return f"param {name}: {str(error).splitlines()[0]}"
    return None


def _too_early(dag: Any, moments: list[datetime]) -> str | None:
    """Why there is no task at these times: Airflow would run none, and call that a success."""
    if moments and dag.start_date and moments[0] < dag.start_date:
        return f"a run of {moments[0].isoformat()} is before its start_date, {dag.start_date}"
    return None


def _moments(dag: Any, asked: dict[str, Any]) -> Iterator[datetime]:
    """When the runs that are asked for would be due: one, or all of a range."""
    if "start" not in asked:
        yield datetime.fromisoformat(asked["moment"])
        return
    start, end = (instance(datetime.fromisoformat(asked[key])) for key in ("start", "end"))
    timetable = coerce_to_core_timetable(dag.timetable)
    last = None
    while info := timetable.next_dagrun_info(
        last_automated_data_interval=last,
        restriction=TimeRestriction(earliest=start, latest=None, catchup=True),
    ):
        last = info.data_interval
        if last.end > end or (last.start == last.end and last.end >= end):
            return
        yield info.run_after.astimezone(UTC)


class _Listener:
    """Hears of each task that begins and ends; pluggy finds the hooks by their names."""

    def __init__(self, tell: Any) -> None:
        self._tell = tell

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        self._say(task_instance, "running")

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        self._say(task_instance, "success")

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        self._say(task_instance, "skipped")

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        self._say(task_instance, "failed", str(error))

    def _say(self, task: Any, state: str, error: str | None = None) -> None:
        self._tell(
            event="task",
            task=task.task_id,
            map_index=task.map_index,
            label=getattr(task, "rendered_map_index", None),
            state=state,
            try_number=task.try_number,
            error=error,
        )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
