from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.jobs.converge import Nothing, RecordFailure, StopWithSavepoint, Submit, decide
from lakehead.jobs.flink_rest import ACTIVE
from lakehead.jobs.records import Attempt, Desired, Observed
from lakehead.jobs.spec import Insert, JobSpec

SPEC = JobSpec("orders", (), {}, (), {}, (), (Insert("landing.orders", "INSERT"),))
DESIRED = Desired("orders", run=True, generation=2, spec=SPEC)
ATTEMPT = Attempt("a" * 32, 2, SPEC.fingerprint(), 0.0, seen=True)
RUNNING = Observed("orders", "running", 2, attempts=(ATTEMPT,))

FLINK = st.sampled_from([*ACTIVE, "FINISHED", "CANCELED", "FAILED", None])
DESIREDS = st.builds(Desired, st.just("orders"), st.booleans(), st.integers(1, 3), st.just(SPEC))
ATTEMPTS = st.builds(
    Attempt,
    st.just("a" * 32),
    st.integers(1, 3),
    st.sampled_from([SPEC.fingerprint(), "other"]),
    st.just(0.0),
    seen=st.booleans(),
)
OBSERVEDS = st.builds(
    Observed,
    st.just("orders"),
    st.sampled_from(["starting", "running", "restarting", "stopping", "stopped", "failed"]),
    st.integers(0, 3),
    attempts=st.lists(ATTEMPTS, max_size=2).map(tuple),
)


@given(DESIREDS, OBSERVEDS, st.booleans(), FLINK)
def test_nothing_is_submitted_that_runs_or_should_not(
    desired: Desired, observed: Observed, suspended: bool, flink: str | None
) -> None:
    action = decide(desired, observed, suspended, flink)
    has_job = flink in ACTIVE and observed.current is not None
    if has_job or suspended or not desired.run:
        assert not isinstance(action, Submit)
    if isinstance(action, StopWithSavepoint):
        assert flink in ACTIVE


@given(OBSERVEDS, FLINK)
def test_a_job_that_was_given_up_stays_so_until_it_is_submitted_again(
    observed: Observed, flink: str | None
) -> None:
    given_up = replace(observed, state="failed", generation=DESIRED.generation)
    action = decide(DESIRED, given_up, False, flink)
    assert not isinstance(action, Submit)
    if flink not in ACTIVE:
        anew = decide(replace(DESIRED, generation=9), given_up, False, None)
        assert isinstance(anew, Submit)


@pytest.mark.parametrize(
    ("flink", "action"),
    [
        ("RUNNING", Nothing("running")),
        ("RESTARTING", Nothing("restarting")),
        ("FAILED", RecordFailure()),
        ("CANCELED", Submit()),
        ("FINISHED", Submit()),
        (None, Submit()),
    ],
)
def test_what_follows_from_the_state_in_flink(flink: str | None, action: object) -> None:
    assert decide(DESIRED, RUNNING, False, flink) == action


def test_a_changed_job_is_stopped_with_a_savepoint_first() -> None:
    changed = replace(DESIRED, spec=replace(SPEC, inserts=(Insert("landing.orders", "INSERT 2"),)))
    assert decide(changed, RUNNING, False, "RUNNING") == StopWithSavepoint(then_submit=True)


def test_an_attempt_that_flink_never_had_is_repeated_under_its_id() -> None:
    unseen = replace(RUNNING, attempts=(replace(ATTEMPT, seen=False),))
    assert decide(DESIRED, unseen, False, None) == Submit(again=True)
