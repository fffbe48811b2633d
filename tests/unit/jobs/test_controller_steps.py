"""One step of the controller at a time, against a double of Flink that does as it is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from lakehead.errors import NotRunning, SystemFailure
from lakehead.jobs import checkpoints, controller, records
from lakehead.jobs.controller import KEPT_ATTEMPTS, Controller
from lakehead.jobs.records import Attempt, Desired, Observed
from lakehead.jobs.spec import Insert, JobSpec
from lakehead.settings import Settings

SPEC = JobSpec(
    "orders", ("m",), {"a": "b"}, ("CREATE",), {}, (), (Insert("landing.orders", "INSERT"),)
)


class Flink:
    """Jobs by id. ``refusals`` counts the savepoints that it refuses at first."""

    def __init__(self) -> None:
        self.jobs: dict[str, str] = {}
        self.down = False
        self.refusals = 0
        self.failures = 0
        self.cancelled: list[str] = []
        self.says = ""

    def state(self, job_id: str) -> str | None:
        if self.down:
            raise NotRunning("Flink does not answer")
        return self.jobs.get(job_id)

    def cause(self, job_id: str) -> str:
        return self.says or f"cause of {job_id}"

    def stop_with_savepoint(self, job_id: str, folder: str) -> str:
        if self.refusals:
            self.refusals -= 1
            raise SystemFailure("not all tasks are running")
        if not self.failures:
            complete(Path(folder) / "savepoint-1")
            self.jobs[job_id] = "FINISHED"
        return "trigger"

    def savepoint_failure(self, job_id: str, trigger: str) -> str | None:
        self.failures = max(0, self.failures - 1)
        return "a task was lost"

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)
        self.jobs[job_id] = "CANCELED"


class Stepper(Controller):
    """Submits to the double, with the outcome that is set."""

    def __init__(self, settings: Settings, flink: Flink) -> None:
        super().__init__(settings, flink)  # type: ignore[arg-type]
        self.flink = flink
        self.submitted: list[Attempt] = []
        self.outcome: str | None = "RUNNING"
        self.client_says: str | None = None
        self.prepared: list[JobSpec] = []

    def _run_client(self, desired: Desired, attempt: Attempt) -> str | None:
        self.submitted.append(attempt)
        if self.outcome:
            self.flink.jobs[attempt.job_id] = self.outcome
        return self.client_says

    def _prepare(self, desired: Desired) -> None:
        self.prepared.append(desired.spec)


def complete(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "_metadata").touch()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, project=tmp_path)
    want(settings)
    return settings


@pytest.fixture
def steps(home: Settings) -> Stepper:
    return Stepper(home, Flink())


def want(home: Settings, run: bool = True, generation: int = 1, spec: JobSpec = SPEC) -> None:
    records.write_desired(home, Desired("orders", run, generation, spec))


def observed(home: Settings) -> Observed:
    return records.read_observed(home, "orders")


def passes(steps: Stepper, count: int) -> None:
    for _ in range(count):
        steps.one_pass()


# Submitting


def test_a_first_submission_starts_from_the_beginning(steps: Stepper) -> None:
    passes(steps, 1)
    assert [a.restored_from for a in steps.submitted] == [None]


def test_the_id_is_one_that_flink_takes(steps: Stepper) -> None:
    passes(steps, 1)
    job_id = steps.submitted[0].job_id
    assert len(job_id) == 32
    assert int(job_id, 16) >= 0


def test_the_attempt_is_recorded_before_it_is_submitted(home: Settings, steps: Stepper) -> None:
    class Looking(Stepper):
        def _run_client(self, desired: Desired, attempt: Attempt) -> str | None:
            assert observed(home).current == attempt
            assert observed(home).state == "starting"
            return super()._run_client(desired, attempt)

    looking = Looking(home, steps.flink)
    passes(looking, 1)
    assert len(looking.submitted) == 1


def test_a_crash_after_the_submission_submits_nothing_more(home: Settings, steps: Stepper) -> None:
    passes(steps, 1)
    successor = Stepper(home, steps.flink)
    successor.forget_states()
    passes(successor, 3)
    assert successor.submitted == []
    assert observed(home).state == "running"


def test_what_flink_was_seen_to_have_gets_a_new_id_when_flink_forgets_it(steps: Stepper) -> None:
    passes(steps, 2)
    steps.flink.jobs.clear()
    passes(steps, 1)
    first, second = steps.submitted
    assert first.job_id != second.job_id


def test_nothing_is_decided_while_flink_is_down(home: Settings, steps: Stepper) -> None:
    passes(steps, 2)
    before = observed(home)
    steps.flink.down = True
    with pytest.raises(NotRunning):
        steps.one_pass()
    assert observed(home) == before
    assert len(steps.submitted) == 1


def test_a_pass_that_changes_nothing_writes_nothing(home: Settings, steps: Stepper) -> None:
    passes(steps, 3)
    path = home.job_records / "orders" / "observed.json"
    before = path.stat()
    passes(steps, 3)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_restart_inside_flink_is_shown_and_left_alone(home: Settings, steps: Stepper) -> None:
    passes(steps, 2)
    steps.flink.jobs[steps.submitted[0].job_id] = "RESTARTING"
    passes(steps, 2)
    assert observed(home).state == "restarting"
    assert len(steps.submitted) == 1


# Failing


def test_a_client_that_fails_three_times_is_the_end(home: Settings, steps: Stepper) -> None:
    steps.outcome, steps.client_says = None, "the table is missing"
    passes(steps, 5)
    assert (observed(home).state, observed(home).cause) == ("failed", "the table is missing")
    assert len(steps.submitted) == 3


def test_a_client_that_fails_after_flink_took_the_job_is_no_failure(
    home: Settings, steps: Stepper
) -> None:
    steps.client_says = "the connection was lost"
    passes(steps, 3)
    assert observed(home).state == "running"
    assert len(steps.submitted) == 1


def test_the_cause_is_that_of_the_last_attempt(home: Settings, steps: Stepper) -> None:
    steps.outcome = "FAILED"
    passes(steps, 6)
    assert observed(home).cause == f"cause of {steps.submitted[-1].job_id}"


def test_every_attempt_has_an_id_of_its_own(steps: Stepper) -> None:
    steps.outcome = "FAILED"
    passes(steps, 6)
    assert len({a.job_id for a in steps.submitted}) == 3


def test_a_failure_after_a_checkpoint_begins_a_new_count(home: Settings, steps: Stepper) -> None:
    steps.outcome = "FAILED"
    for _ in range(8):
        steps.one_pass()
        job_id = steps.submitted[-1].job_id
        if not (home.checkpoints / job_id).exists():
            complete(home.checkpoints / job_id / "chk-1")
    assert observed(home).state != "failed"
    assert len(steps.submitted) > 3


def test_a_job_whose_registry_is_away_waits_and_is_not_given_up(
    home: Settings, steps: Stepper
) -> None:
    steps.outcome = "FAILED"
    steps.flink.says = "io.lakehead.flink.avro.RegistryUnavailableException: no answer"
    passes(steps, 8)
    assert observed(home).state != "failed"
    assert "no answer" in observed(home).cause


def test_a_broken_record_holds_up_only_its_own_job(home: Settings, steps: Stepper) -> None:
    broken = home.job_records / "broken" / "observed.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    (broken.parent / "desired.json").write_text("[]")
    passes(steps, 3)
    steps.forget_states()
    assert observed(home).state == "restarting"
    with pytest.raises(SystemFailure, match="is damaged"):
        records.read_observed(home, "broken")


def test_a_checkpoint_of_a_running_job_clears_its_failures(home: Settings, steps: Stepper) -> None:
    steps.outcome = "FAILED"
    passes(steps, 2)
    steps.outcome = "RUNNING"
    passes(steps, 2)
    assert observed(home).failures > 0
    complete(home.checkpoints / steps.submitted[-1].job_id / "chk-1")
    passes(steps, 1)
    assert observed(home).failures == 0


def test_a_failed_job_stays_put_for_a_new_controller(home: Settings, steps: Stepper) -> None:
    steps.outcome = "FAILED"
    passes(steps, 6)
    successor = Stepper(home, steps.flink)
    successor.forget_states()
    passes(successor, 3)
    assert successor.submitted == []
    assert observed(home).state == "failed"


def test_a_new_generation_begins_a_new_count(home: Settings, steps: Stepper) -> None:
    steps.outcome = "FAILED"
    passes(steps, 6)
    want(home, generation=2)
    passes(steps, 6)
    assert len(steps.submitted) == 6
    assert observed(home).state == "failed"
    assert observed(home).generation == 2


def test_the_state_is_not_lost_over_many_attempts_that_left_none(
    home: Settings, steps: Stepper
) -> None:
    """Else the job would start over, and land every record twice."""
    passes(steps, 2)
    state = complete(home.checkpoints / steps.submitted[0].job_id / "chk-1")
    for _ in range(KEPT_ATTEMPTS + 5):
        steps.flink.jobs[steps.submitted[-1].job_id] = "CANCELED"
        passes(steps, 2)
    assert len(steps.submitted) > KEPT_ATTEMPTS
    assert {a.restored_from for a in steps.submitted[1:]} == {str(state)}
    assert len(observed(home).attempts) <= KEPT_ATTEMPTS


# Stopping


def test_a_job_that_should_not_run_stops_with_a_savepoint(home: Settings, steps: Stepper) -> None:
    passes(steps, 2)
    want(home, run=False, generation=2)
    passes(steps, 2)
    assert observed(home).state == "stopped"
    assert checkpoints.completed(home, steps.submitted[0].job_id)


def test_a_stopped_job_stays_stopped(home: Settings, steps: Stepper) -> None:
    passes(steps, 2)
    want(home, run=False, generation=2)
    passes(steps, 4)
    assert len(steps.submitted) == 1


def test_a_changed_job_goes_on_from_the_savepoint_of_the_old(
    home: Settings, steps: Stepper
) -> None:
    passes(steps, 2)
    changed = replace(SPEC, inserts=(Insert("landing.orders", "INSERT 2"),))
    want(home, generation=2, spec=changed)
    passes(steps, 3)
    old, new = steps.submitted
    assert steps.prepared == [changed]
    assert new.fingerprint == changed.fingerprint()
    assert new.restored_from == str(checkpoints.savepoint_folder(home, old.job_id) / "savepoint-1")


def test_a_job_that_is_not_there_is_stopped_without_a_savepoint(
    home: Settings, steps: Stepper
) -> None:
    records.suspend_marker(home).touch()
    passes(steps, 2)
    assert steps.submitted == []
    assert observed(home).state == "stopped"


def test_a_savepoint_that_is_refused_is_asked_for_again(home: Settings, steps: Stepper) -> None:
    passes(steps, 2)
    steps.flink.refusals = 2
    records.suspend_marker(home).touch()
    passes(steps, 1)
    assert checkpoints.completed(home, steps.submitted[0].job_id)


def test_a_savepoint_that_fails_is_asked_for_again(home: Settings, steps: Stepper) -> None:
    passes(steps, 2)
    steps.flink.failures = 1
    records.suspend_marker(home).touch()
    passes(steps, 1)
    assert checkpoints.completed(home, steps.submitted[0].job_id)


def test_a_job_that_makes_no_savepoint_in_time_is_cancelled(
    home: Settings, steps: Stepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "SAVEPOINT_DEADLINE_SECONDS", 0.15)
    passes(steps, 2)
    steps.flink.refusals = 1000
    records.suspend_marker(home).touch()
    passes(steps, 2)
    assert steps.flink.cancelled == [steps.submitted[0].job_id]
    assert observed(home).state == "stopped"


def test_a_restarted_controller_forgets_what_was_running(home: Settings, steps: Stepper) -> None:
    passes(steps, 2)
    Stepper(home, steps.flink).forget_states()
    assert observed(home).state == "restarting"
