"""The tests of models as pytest runs them, in a project of a person's own."""

import shutil
from pathlib import Path

import pytest

from lakehead.settings import INSTALL_ROOT

pytest_plugins = ("pytester",)
MODEL = "revenue_by_country"


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    for name in ("schemas", "pipelines"):
        shutil.copytree(INSTALL_ROOT / name, pytester.path / name)
    for path in (pytester.path / "pipelines").rglob("*.*"):
        if path.stem != MODEL:
            path.unlink()
    return pytester.path / "pipelines"


def run(pytester: pytest.Pytester) -> pytest.RunResult:
    return pytester.runpytest_inprocess("pipelines", "-p", "no:cacheprovider", "-W", "error")


def test_each_case_is_a_test(pytester: pytest.Pytester, project: Path) -> None:
    cases = (project / "tests" / f"{MODEL}.yaml").read_text().count("- name:")
    run(pytester).assert_outcomes(passed=cases)


def test_a_failure_shows_the_rows_and_the_line(pytester: pytest.Pytester, project: Path) -> None:
    path = project / "tests" / f"{MODEL}.yaml"
    text = path.read_text().replace("units: 3, revenue: 7.25", "units: 4, revenue: 7.25")
    path.write_text(text)
    result = run(pytester)
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(
        [
            f"*tests/{MODEL}.yaml:3",
            "*the settled answer: 1 row differs*",
            "*- 10:00:00*4*7.250",
            "*+ 10:00:00*3*7.250",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_what_cannot_be_read_is_an_error(pytester: pytest.Pytester, project: Path) -> None:
    (project / "tests" / f"{MODEL}.yaml").write_text("- {name: a}")
    (project / "tests" / "other.yaml").write_text("- {name: a}")
    result = run(pytester)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines([f"*{MODEL}.yaml:1: the case expects nothing*"])
    result.stdout.fnmatch_lines(["*there is no model 'other'*"])


def test_other_yaml_is_left_alone(pytester: pytest.Pytester, project: Path) -> None:
    (project / "notes.yaml").write_text("- 1")
    shutil.rmtree(project.parent / "schemas")
    run(pytester).assert_outcomes()
