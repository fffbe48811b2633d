"""A mart is set back while its job stands still, and the job goes on from its savepoint."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from job_project import submitted
from test_controller_steps import Flink, Stepper
from typer.testing import CliRunner

from lakehead.cli.main import app
from lakehead.errors import SystemFailure, UserError
from lakehead.jobs import records
from lakehead.jobs.plan import plan_job
from lakehead.jobs.rollback_to import RolledBackTo, plan_rollback, roll_back_to
from lakehead.jobs.tables import make_tables
from lakehead.lake.as_of import Moment, OneSnapshot, Snapshots, Tagged
from lakehead.lake.catalog import open_catalog
from lakehead.lake.retention import CHECKPOINT
from lakehead.lake.snapshots import table_state
from lakehead.lake.tags import make_tag
from lakehead.settings import Settings

CLOSED = datetime(2026, 1, 1, tzinfo=UTC)


def answer(project: Settings, country: str) -> int:
    """One row in the mart, as a job commits it; gives the snapshot."""
    table = open_catalog(project).load_table("marts.sold")
    rows = pa.Table.from_pylist([{"country": country}], table.schema().as_arrow())
    count = len(table.metadata.snapshots) + 1
    table.append(rows, {CHECKPOINT: str(count), "flink.job-id": "j", "flink.operator-id": "o"})
    return table_state(project, "marts.sold").snapshot_id or 0


def countries(project: Settings) -> list[str]:
    rows = open_catalog(project).load_table("marts.sold").scan().to_arrow()
    return sorted(rows["country"].to_pylist())


@pytest.fixture
def mart(project: Settings) -> Settings:
    """The job is recorded as running; its mart has a row of before the tag ``v1`` and two after."""
    submitted(project)
    planned = plan_job(project, "orders", True, None)
    make_tables(project, planned.contract, planned.placed.parts, True, set())
    answer(project, "FI")
    make_tag(project, "v1")
    answer(project, "SE")
    answer(project, "NO")
    return project


@pytest.fixture
def steps(mart: Settings) -> Iterator[Stepper]:
    """A controller at work, with the recorded attempt running in the double of Flink."""
    stepper = Stepper(mart, Flink())
    current = records.read_observed(mart, "orders").current
    assert current
    stepper.flink.jobs[current.job_id] = "RUNNING"
    ended = threading.Event()

    def passes() -> None:
        while not ended.wait(0.02):
            stepper.one_pass()

    thread = threading.Thread(target=passes)
    thread.start()
    yield stepper
    ended.set()
    thread.join()


def back(project: Settings, to: Tagged | OneSnapshot | Moment | Snapshots) -> RolledBackTo:
    return roll_back_to(project, "sold", to, lambda *_: CLOSED)


def test_the_job_stands_still_while_the_table_goes_back(mart: Settings, steps: Stepper) -> None:
    before = records.read_desired(mart, "orders")
    running = []

    def closed(settings: Settings, model: str) -> datetime:
        running.append(list(steps.flink.jobs.values()))
        return CLOSED

    done = roll_back_to(mart, "sold", Tagged("v1"), closed)
    assert running == [["FINISHED"]]
    assert countries(mart) == ["FI"]
    assert (done.commits, done.rows_now, done.rows_then, done.restarts) == (2, 3, 1, True)
    assert (done.job, done.closed_until) == ("orders", CLOSED.isoformat())
    after = records.read_desired(mart, "orders")
    assert before and after == replace(before, generation=before.generation + 2)
    [attempt] = steps.submitted
    assert attempt.restored_from and attempt.restored_from.endswith("savepoint-1")
    assert table_state(mart, "marts.sold").tags[done.kept or ""] == done.snapshot_now


def test_what_is_committed_until_the_job_stops_is_given_up_too(
    mart: Settings, steps: Stepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = steps.flink.stop_with_savepoint

    def commits(job_id: str, folder: str) -> str:
        answer(mart, "DK")
        return stop(job_id, folder)

    monkeypatch.setattr(steps.flink, "stop_with_savepoint", commits)
    done = back(mart, Tagged("v1"))
    assert (done.commits, done.rows_now) == (3, 4)
    assert countries(mart) == ["FI"]


def test_what_fails_lets_the_job_go_on(mart: Settings, steps: Stepper) -> None:
    def fails(settings: Settings, model: str) -> datetime:
        raise SystemFailure("the disk is gone")

    with pytest.raises(SystemFailure, match="the disk is gone"):
        roll_back_to(mart, "sold", Tagged("v1"), fails)
    desired = records.read_desired(mart, "orders")
    assert desired and desired.run
    assert countries(mart) == ["FI", "NO", "SE"]


def test_a_job_that_is_stopped_stays_so(mart: Settings) -> None:
    desired = records.read_desired(mart, "orders")
    assert desired
    records.write_desired(mart, replace(desired, run=False))
    done = back(mart, Tagged("v1"))
    assert not done.restarts
    assert countries(mart) == ["FI"]
    assert records.read_desired(mart, "orders") == replace(desired, run=False)


def test_a_plan_changes_nothing(mart: Settings) -> None:
    state = table_state(mart, "marts.sold")
    planned = plan_rollback(mart, "sold", Tagged("v1"))
    assert (planned.snapshot_now, planned.commits, planned.kept) == (state.snapshot_id, 2, None)
    assert table_state(mart, "marts.sold") == state


def test_it_is_said_what_it_means(mart: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mart.project)
    asked = ["rollback", "sold", "--home", str(mart.home), "--to", "v1", "--dry-run"]
    said = CliRunner().invoke(app, asked, catch_exceptions=False).stdout
    then = table_state(mart, "marts.sold").tags["v1"]
    assert f"marts.sold would go back to snapshot {then} of 20" in said
    assert "commits given up: 2; rows: 3 become 1" in said
    assert "job orders would stop with a savepoint, and go on from it" in said
    assert said.endswith("would be missing until:  lakehead reconcile sold\n")
    shown = CliRunner().invoke(app, [*asked, "--json"], catch_exceptions=False).stdout
    planned = json.loads(shown)
    assert (planned["dry_run"], planned["rollback"]["commits"], planned["reconciled"]) == (
        True,
        2,
        None,
    )


def test_a_snapshot_or_a_time_is_as_good_as_a_tag(mart: Settings) -> None:
    then = table_state(mart, "marts.sold").snapshots[0]
    by_tag = plan_rollback(mart, "sold", Tagged("v1"))
    assert by_tag.snapshot_then == then.id
    assert plan_rollback(mart, "sold", OneSnapshot(then.id)) == by_tag
    assert plan_rollback(mart, "sold", Moment(then.committed_at)) == by_tag


def test_what_is_no_place_to_go_back_to_is_refused(mart: Settings) -> None:
    newest = table_state(mart, "marts.sold").snapshot_id
    for to, said in (
        (Tagged("v2"), r"marts\.sold has no tag 'v2'; its tags: v1"),
        (OneSnapshot(newest or 0), r"marts\.sold is as of snapshot \d+ already"),
        (Snapshots({"marts.sold": 1}), "a rollback is of one table"),
        (Moment(datetime.now(UTC) - timedelta(days=1)), "the earliest moment that can be asked"),
    ):
        with pytest.raises(UserError, match=said):
            back(mart, to)
    with pytest.raises(UserError, match="no job has a model 'bought'"):
        roll_back_to(mart, "bought", Tagged("v1"), lambda *_: CLOSED)
