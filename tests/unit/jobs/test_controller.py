"""The controller against a double of Flink that knows jobs by id."""

from pathlib import Path

import pytest

from lakehead.jobs import checkpoints, records
from lakehead.jobs.controller import Controller
from lakehead.jobs.flink_rest import root_cause
from lakehead.jobs.records import Attempt, Desired
from lakehead.jobs.spec import Insert, JobSpec
from lakehead.settings import Settings

SPEC = JobSpec(
    "orders", ("m",), {"a": "b"}, ("CREATE",), {}, (), (Insert("landing.orders", "INSERT"),)
)


class FakeFlink:
    """Jobs by id; ``refuse`` makes each submitted job fail at once."""

    def __init__(self) -> None:
        self.jobs: dict[str, str] = {}
        self.savepoints: list[str] = []

    def state(self, job_id: str) -> str | None:
        return self.jobs.get(job_id)

    def cause(self, job_id: str) -> str:
        return "it cannot work"

    def stop_with_savepoint(self, job_id: str, folder: str) -> str:
        complete(Path(folder) / "savepoint-1")
        self.jobs[job_id] = "FINISHED"
        self.savepoints.append(folder)
        return "trigger"

    def savepoint_failure(self, job_id: str, trigger: str) -> None:
        return None


class WatchedController(Controller):
    """Submits to the double; ``crash`` stands for a controller that dies before it submits."""

    def __init__(self, settings: Settings, flink: FakeFlink) -> None:
        super().__init__(settings, flink)  # type: ignore[arg-type]
        self.fake = flink
        self.submitted: list[Attempt] = []
        self.outcome = "RUNNING"
        self.crash = False

    def _run_client(self, desired: Desired, attempt: Attempt) -> str | None:
        if self.crash:
            raise SystemExit("killed")
        self.submitted.append(attempt)
        self.fake.jobs[attempt.job_id] = self.outcome
        return None


def complete(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "_metadata").touch()


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, project=tmp_path)


@pytest.fixture
def controller(home: Settings) -> WatchedController:
    records.write_desired(home, Desired("orders", run=True, generation=1, spec=SPEC))
    return WatchedController(home, FakeFlink())


def test_records_come_back_as_they_were_written(
    home: Settings, controller: WatchedController
) -> None:
    desired = records.read_desired(home, "orders")
    assert desired == Desired("orders", True, 1, SPEC)
    controller.one_pass()
    observed = records.read_observed(home, "orders")
    assert observed.current
    assert observed.current.fingerprint == SPEC.fingerprint()


def test_submits_once_and_then_leaves_it(home: Settings, controller: WatchedController) -> None:
    for _ in range(5):
        controller.one_pass()
    assert len(controller.submitted) == 1
    assert records.read_observed(home, "orders").state == "running"


def test_a_crash_before_the_submission_repeats_it_under_the_same_id(
    home: Settings, controller: WatchedController
) -> None:
    controller.crash = True
    with pytest.raises(SystemExit):
        controller.one_pass()
    recorded = records.read_observed(home, "orders").attempts[-1].job_id

    successor = WatchedController(home, controller.fake)
    successor.one_pass()

    assert [a.job_id for a in successor.submitted] == [recorded]


def test_a_job_that_flink_forgot_goes_on_from_its_newest_complete_checkpoint(
    home: Settings, controller: WatchedController
) -> None:
    controller.one_pass()
    controller.one_pass()
    first = controller.submitted[0].job_id
    complete(home.checkpoints / first / "chk-7")
    (home.checkpoints / first / "chk-8").mkdir()
    controller.fake.jobs.clear()

    controller.one_pass()

    assert controller.submitted[1].job_id != first
    assert controller.submitted[1].restored_from == str(home.checkpoints / first / "chk-7")


def test_three_failures_without_a_checkpoint_are_the_end_until_the_next_submit(
    home: Settings, controller: WatchedController
) -> None:
    controller.outcome = "FAILED"
    for _ in range(10):
        controller.one_pass()
    observed = records.read_observed(home, "orders")
    assert (observed.state, observed.cause) == ("failed", "it cannot work")
    assert len(controller.submitted) == 3

    controller.outcome = "RUNNING"
    records.write_desired(home, Desired("orders", run=True, generation=2, spec=SPEC))
    controller.one_pass()
    controller.one_pass()
    assert records.read_observed(home, "orders").state == "running"


def test_suspended_jobs_are_stopped_with_a_savepoint_and_resumed_from_it(
    home: Settings, controller: WatchedController
) -> None:
    controller.one_pass()
    controller.one_pass()
    first = controller.submitted[0].job_id
    records.suspend_marker(home).touch()
    controller.one_pass()
    controller.one_pass()
    assert records.read_observed(home, "orders").state == "stopped"

    records.suspend_marker(home).unlink()
    controller.one_pass()

    folder = checkpoints.savepoint_folder(home, first)
    assert controller.submitted[1].restored_from == str(folder / "savepoint-1")


def test_newest_state_is_of_the_latest_attempt_that_left_any(home: Settings) -> None:
    complete(home.checkpoints / "old" / "chk-90")
    complete(home.checkpoints / "new" / "chk-3")
    assert checkpoints.newest_complete(home, ["old", "new", "none"]) == (
        home.checkpoints / "new" / "chk-3"
    )
    assert checkpoints.newest_complete(home, ["none"]) is None


def test_prune_keeps_the_last_and_all_before_the_last_has_any(home: Settings) -> None:
    complete(home.checkpoints / "old" / "chk-90")
    checkpoints.prune(home, ["old", "new"])
    assert (home.checkpoints / "old").exists()
    complete(home.checkpoints / "new" / "chk-91")
    checkpoints.prune(home, ["old", "new"])
    assert not (home.checkpoints / "old").exists()
    assert (home.checkpoints / "new").exists()


@pytest.mark.parametrize(
    ("trace", "cause"),
    [
        ("a.B: outer\n\tat x\nCaused by: c.D: inner\n\tat y", "c.D: inner"),
        (
            "Traceback:\n  File\norg.x.TableException: no table\n\tat z",
            "org.x.TableException: no table",
        ),
        ("something else", "something else"),
        ("", "no cause given"),
    ],
)
def test_root_cause(trace: str, cause: str) -> None:
    assert root_cause(trace) == cause
