"""The process that hands a job over, with a script in the place of Flink's client."""

import json
from pathlib import Path

import pytest

from lakehead.jobs import submission
from lakehead.jobs.spec import Insert, JobSpec
from lakehead.jobs.submission import Submission

SPEC = JobSpec(
    "orders", ("m",), {"a": "b"}, ("CREATE",), {}, (), (Insert("landing.orders", "INSERT"),)
)
READS_ITS_ORDER = """
import json, pathlib, sys
spec = json.loads(pathlib.Path(sys.argv[1]).read_text())
print("WARNING: from Java")
print("ready", flush=True)
order = sys.stdin.readline()
pathlib.Path(sys.argv[1]).with_name("order.json").write_text(order)
"""


@pytest.fixture
def spec_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "jobs" / "flink").mkdir(parents=True)
    monkeypatch.setattr(submission, "INSTALL_ROOT", tmp_path)
    return tmp_path / "spec.json"


def script(spec_file: Path, text: str) -> None:
    (spec_file.parent / "jobs" / "flink" / "run_statements.py").write_text(text)


def test_a_job_is_prepared_and_handed_over_later(spec_file: Path) -> None:
    script(spec_file, READS_ITS_ORDER)
    begun = Submission(SPEC, spec_file, ahead=True)
    assert begun.prepare()
    assert json.loads(spec_file.read_text())["inserts"] == [
        {"uid": "landing.orders", "sql": "INSERT"}
    ]
    assert begun.run("ab" * 16, Path("/state/chk-3")) is None
    order = json.loads(spec_file.with_name("order.json").read_text())
    assert order == {"job_id": "ab" * 16, "restore": "file:///state/chk-3"}


def test_it_may_be_handed_over_at_once(spec_file: Path) -> None:
    script(spec_file, READS_ITS_ORDER)
    assert Submission(SPEC, spec_file).run("ab" * 16, None) is None


def test_what_the_client_says_is_the_cause(spec_file: Path) -> None:
    script(spec_file, "import sys; sys.exit('the table is missing')")
    begun = Submission(SPEC, spec_file)
    assert not begun.prepare()
    assert begun.run("ab" * 16, None) == "the table is missing\n"


def test_a_client_that_is_not_wanted_any_more_is_ended(spec_file: Path) -> None:
    script(spec_file, READS_ITS_ORDER)
    begun = Submission(SPEC, spec_file)
    assert begun.prepare()
    begun.close()
    assert not spec_file.with_name("order.json").exists()
