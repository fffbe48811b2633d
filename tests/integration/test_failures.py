"""What goes wrong says so: a job that cannot run, a port that is taken, a stack that is down."""

import json
import socket
from collections.abc import Callable

import pytest

from lakehead.jobs import records
from lakehead.jobs.records import Desired, Observed
from lakehead.jobs.spec import Insert, JobSpec
from tests.conftest import Stack, wait_until

pytestmark = pytest.mark.integration


def test_a_job_that_cannot_run_is_failed_with_its_cause_and_left(stack: Stack) -> None:
    settings = stack.settings
    good = records.read_desired(settings, "orders")
    assert good
    insert = Insert("broken", "INSERT INTO nowhere SELECT 1")
    spec = JobSpec("broken", (), good.spec.config, (), {}, (), (insert,))
    records.write_desired(settings, Desired("broken", run=True, generation=1, spec=spec))

    def observed() -> Observed:
        return records.read_observed(settings, "broken")

    try:
        wait_until(lambda: observed().state == "failed", "the job to be given up", 120)
        attempts = len(observed().attempts)
        job = next(j for j in stack.json("jobs")["jobs"] if j["name"] == "broken")
        assert job["state"] == "failed"
        assert "nowhere" in job["cause"]
        stack.ok("stop", "broken")
        assert len(observed().attempts) == attempts
    finally:
        (settings.job_records / "broken" / "desired.json").unlink()


def test_a_changed_job_goes_on_from_a_savepoint(stack: Stack) -> None:
    path = stack.home / "settings.json"
    before = path.read_text()
    tuning = json.loads(before)
    try:
        path.write_text(json.dumps(tuning | {"checkpoint_seconds": 2.0}))
        [plan] = stack.json("submit", "orders")["jobs"]
        assert plan["change"] == "changed"
        job = next(j for j in stack.json("jobs")["jobs"] if j["name"] == "orders")
        assert "/savepoints/" in job["restored_from"]
    finally:
        path.write_text(before)
        stack.ok("submit", "orders")
    audit = stack.audit("orders")
    assert (audit["lost"], audit["duplicated"]) == (0, 0)


def test_a_taken_port_is_named(new_stack: Callable[[], Stack]) -> None:
    other = new_stack()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", other.port_base))
        taken.listen()
        done = other.run("up", "--port-base", str(other.port_base))
    assert done.returncode == 2
    assert f"{other.port_base} (kafka)" in done.stderr
    assert "--port-base" in done.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["audit", "orders"], "lakehead up"),
        (["submit", "orders"], "lakehead up"),
        (["produce", "orders"], "lakehead up"),
        (["produce", "order"], "no stream 'order'"),
        (["query", "SELECT 1 FROM landing.orders"], "no lake yet"),
        (["parity"], "no lake yet"),
        (["parity", "revenue"], "no model 'revenue'"),
        (["stop", "orders"], "lakehead up"),
        (["logs", "kafka"], "no log 'kafka'"),
        (["produce", "--poison", "2"], "expected a share from 0 to 1"),
    ],
)
def test_without_a_stack_each_command_says_what_to_do(
    new_stack: Callable[[], Stack], args: list[str], says: str
) -> None:
    done = new_stack().run(*args)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
