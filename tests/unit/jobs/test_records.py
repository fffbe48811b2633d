"""What is on disk about jobs: records that come back, and the state that a job goes on from."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehead.contracts.load import load_contract
from lakehead.jobs import checkpoints, records
from lakehead.jobs.flink_rest import root_cause
from lakehead.jobs.placing import place
from lakehead.jobs.records import Attempt, Desired, Observed
from lakehead.jobs.spec import Insert, JobSpec, compile_job, consumer_group
from lakehead.models.load import bound_models
from lakehead.settings import INSTALL_ROOT, Settings, Tuning
from tests.draws import draws

TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
SPECS = st.builds(
    JobSpec,
    st.just("orders"),
    st.lists(TEXT, max_size=2).map(tuple),
    st.dictionaries(TEXT, TEXT, max_size=2),
    st.lists(TEXT, max_size=2).map(tuple),
    st.dictionaries(TEXT, TEXT, max_size=2),
    st.lists(TEXT, max_size=2).map(tuple),
    st.lists(st.builds(Insert, TEXT, TEXT), max_size=2).map(tuple),
)
ATTEMPTS = st.builds(
    Attempt, TEXT, st.integers(0, 9), TEXT, st.floats(0, 1e10), st.none() | TEXT, st.booleans()
)
SPEC = JobSpec(
    name="orders",
    models=("m",),
    config={"a": "b"},
    declare=("CREATE",),
    streams={"orders": "SELECT"},
    views=("VIEW",),
    inserts=(Insert("landing.orders", "INSERT"),),
)
SAME_HOME = settings(
    max_examples=draws(30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, project=tmp_path)


def complete(folder: Path, at: int) -> Path:
    """A complete checkpoint or savepoint, finished at second ``at``."""
    folder.mkdir(parents=True)
    (folder / "_metadata").touch()
    os.utime(folder / "_metadata", (at, at))
    return folder


# Records


@SAME_HOME
@given(st.builds(Desired, st.just("orders"), st.booleans(), st.integers(1, 9), SPECS))
def test_what_is_desired_comes_back_as_it_was_written(home: Settings, desired: Desired) -> None:
    records.write_desired(home, desired)
    found = records.read_desired(home, "orders")
    assert found == desired
    assert found.spec.fingerprint() == desired.spec.fingerprint()


@SAME_HOME
@given(
    st.builds(
        Observed,
        st.just("orders"),
        st.sampled_from(["starting", "running", "failed"]),
        st.integers(0, 9),
        TEXT,
        st.integers(0, 3),
        st.lists(ATTEMPTS, max_size=3).map(tuple),
    )
)
def test_what_was_observed_comes_back_as_it_was_written(home: Settings, observed: Observed) -> None:
    records.write_observed(home, observed)
    assert records.read_observed(home, "orders") == observed


def test_a_job_that_was_never_submitted_has_no_record(home: Settings) -> None:
    assert records.read_desired(home, "orders") is None
    assert records.read_observed(home, "orders") == Observed("orders", state="stopped")
    assert records.job_names(home) == []


def test_job_names_are_those_desired_sorted(home: Settings) -> None:
    for name in ("b", "a"):
        records.write_desired(home, Desired(name, True, 1, SPEC))
    records.write_observed(home, Observed("c"))
    records.suspend_marker(home).touch()
    assert records.job_names(home) == ["a", "b"]


def test_the_current_attempt_is_the_last() -> None:
    first, last = Attempt("1", 1, "f", 0.0), Attempt("2", 1, "f", 0.0)
    assert Observed("orders", attempts=(first, last)).current == last
    assert Observed("orders").current is None


@pytest.mark.parametrize(
    "part",
    [
        {"config": {"a": "c"}},
        {"declare": ("other",)},
        {"streams": {"orders": "other"}},
        {"views": ("other",)},
        {"inserts": (Insert("landing.orders", "other"),)},
    ],
    ids=lambda part: next(iter(part)),
)
def test_a_fingerprint_changes_with_what_the_job_does(part: dict[str, Any]) -> None:
    assert replace(SPEC, **part).fingerprint() != SPEC.fingerprint()


def test_a_fingerprint_does_not_depend_on_the_order_of_the_settings() -> None:
    one = replace(SPEC, config={"a": "1", "b": "2"})
    assert one.fingerprint() == replace(SPEC, config={"b": "2", "a": "1"}).fingerprint()


# The job of a stream


def test_a_job_is_one_source_two_landings_and_a_window_for_each_model(tmp_path: Path) -> None:
    home = Settings(tmp_path, INSTALL_ROOT, Tuning(port_base=20_000, checkpoint_seconds=0.25))
    contract = load_contract(home.schemas, "orders")
    parts = place(home, contract, bound_models(home, "orders"), None).parts
    spec = compile_job(home, contract, parts)
    assert spec.name == "orders"
    assert sum("CREATE TEMPORARY TABLE `orders$topic`" in s for s in spec.declare) == 1
    assert "FROM `orders$topic`" in spec.streams["orders"]
    assert all(name == "orders" or name.partition("$")[0] in spec.models for name in spec.streams)
    assert len(spec.inserts) >= 2 + len(parts) > 2
    assert len({i.uid for i in spec.inserts}) == len(spec.inserts)
    assert all(i.sql.startswith("INSERT INTO `") for i in spec.inserts)
    assert spec.config["rest.port"] == str(home.ports.flink_rest)
    assert spec.config["execution.checkpointing.interval"] == "250 ms"
    assert spec.config["table.local-time-zone"] == "UTC"


def test_a_job_compiles_to_the_same_fingerprint_each_time(tmp_path: Path) -> None:
    home = Settings(tmp_path, INSTALL_ROOT)
    contract = load_contract(home.schemas, "orders")
    models = bound_models(home, "orders")
    specs = [compile_job(home, contract, place(home, contract, models, None).parts) for _ in "ab"]
    assert specs[0].fingerprint() == specs[1].fingerprint()


def test_each_stream_has_a_consumer_group_of_its_own() -> None:
    assert consumer_group("orders") != consumer_group("payments")


# Checkpoints


def test_a_folder_without_metadata_is_no_checkpoint(home: Settings) -> None:
    done = complete(home.checkpoints / "a" / "chk-1", at=10)
    (home.checkpoints / "a" / "chk-2").mkdir()
    (home.checkpoints / "a" / "shared").mkdir()
    assert checkpoints.newest_complete(home, ["a"]) == done


def test_the_newest_is_the_one_finished_last_not_that_of_the_highest_name(home: Settings) -> None:
    complete(home.checkpoints / "a" / "chk-9", at=10)
    newest = complete(home.checkpoints / "a" / "chk-10", at=11)
    assert checkpoints.newest_complete(home, ["a"]) == newest


def test_a_savepoint_is_found_by_the_folder_of_its_attempt(home: Settings) -> None:
    complete(home.checkpoints / "a" / "chk-1", at=10)
    savepoint = complete(checkpoints.savepoint_folder(home, "a") / "savepoint-x", at=11)
    complete(checkpoints.savepoint_folder(home, "b") / "savepoint-y", at=12)
    assert checkpoints.newest_complete(home, ["a"]) == savepoint


def test_a_checkpoint_after_a_savepoint_is_newer(home: Settings) -> None:
    complete(checkpoints.savepoint_folder(home, "a") / "savepoint-x", at=10)
    newest = complete(home.checkpoints / "a" / "chk-1", at=11)
    assert checkpoints.newest_complete(home, ["a"]) == newest


def test_a_later_attempt_counts_before_an_earlier_whatever_the_clock_says(home: Settings) -> None:
    complete(home.checkpoints / "a" / "chk-1", at=99)
    later = complete(home.checkpoints / "b" / "chk-1", at=10)
    assert checkpoints.newest_complete(home, ["a", "b"]) == later


def test_an_attempt_that_left_nothing_is_passed_over(home: Settings) -> None:
    earlier = complete(home.checkpoints / "a" / "chk-1", at=10)
    (home.checkpoints / "b" / "chk-1").mkdir(parents=True)
    assert checkpoints.newest_complete(home, ["a", "b", "c"]) == earlier


def test_without_attempts_there_is_no_state(home: Settings) -> None:
    complete(home.checkpoints / "of another job" / "chk-1", at=10)
    assert checkpoints.newest_complete(home, []) is None


def test_prune_removes_savepoints_of_earlier_attempts_too(home: Settings) -> None:
    earlier = complete(checkpoints.savepoint_folder(home, "a") / "savepoint-x", at=10)
    last = complete(home.checkpoints / "b" / "chk-1", at=11)
    checkpoints.prune(home, ["a", "b"])
    assert not earlier.exists()
    assert last.exists()


def test_prune_leaves_other_jobs_alone(home: Settings) -> None:
    other = complete(home.checkpoints / "z" / "chk-1", at=1)
    for job_id in ("a", "b"):
        complete(home.checkpoints / job_id / "chk-1", at=10)
    checkpoints.prune(home, ["a", "b"])
    assert other.exists()


def test_prune_of_a_single_attempt_keeps_it(home: Settings) -> None:
    only = complete(home.checkpoints / "a" / "chk-1", at=10)
    checkpoints.prune(home, ["a"])
    assert only.exists()


# Causes

JAVA = """\
org.apache.flink.runtime.JobException: Recovery is suppressed by NoRestartBackoffTimeStrategy
\tat org.apache.flink.runtime.executiongraph.Foo.bar(Foo.java:1)
Caused by: java.lang.RuntimeException: outer
\tat a.B.c(B.java:2)
\t... 3 more
Caused by: java.io.IOException: No space left on device
\tat a.D.e(D.java:4)
"""
PYTHON = """\
Traceback (most recent call last):
  File "run_statements.py", line 50, in <module>
    main()
pyflink.util.exceptions.TableException: org.apache.flink.table.api.TableException: bad
\tat org.apache.flink.table.Foo(Foo.java:1)
"""


def test_the_cause_of_a_java_trace_is_its_innermost_exception() -> None:
    assert root_cause(JAVA) == "java.io.IOException: No space left on device"


def test_the_cause_of_a_python_trace_is_its_exception() -> None:
    assert root_cause(PYTHON).endswith("TableException: bad")


def test_the_java_cause_inside_a_python_trace_wins() -> None:
    assert root_cause(PYTHON + "Caused by: a.ParseException: line 1") == (
        "a.ParseException: line 1"
    )


def test_a_plain_python_error_is_its_last_line() -> None:
    trace = "Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module named 'a'"
    assert root_cause(trace) == "ModuleNotFoundError: No module named 'a'"


def test_an_exception_without_a_message_is_its_name() -> None:
    trace = "Traceback (most recent call last):\n  File x\nKeyboardInterrupt\n\n"
    assert root_cause(trace) == "KeyboardInterrupt"


@given(st.text(max_size=2000))
def test_any_text_gives_a_cause_of_one_line_that_fits(trace: str) -> None:
    cause = root_cause(trace)
    assert cause
    assert len(cause) <= 500
    assert len(cause.splitlines()) == 1
