"""The model commands, run as a person runs them."""

import json
import shutil
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from lakehead.cli import model as model_commands
from lakehead.cli.main import app
from lakehead.cli.options import complete_model
from lakehead.errors import LakeheadError
from lakehead.models.explain import DIALECTS
from lakehead.models.header import Kind
from lakehead.models.scaffold import WINDOWS
from lakehead.settings import INSTALL_ROOT

RUN = CliRunner()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pipelines").mkdir()
    shutil.copytree(INSTALL_ROOT / "schemas", tmp_path / "schemas")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAKEHEAD_HOME", raising=False)
    return tmp_path


def ok(*args: str) -> str:
    result = RUN.invoke(app, ["model", *args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def exits(code: int, *args: str) -> str:
    result = RUN.invoke(app, ["model", *args])
    assert result.exit_code == code, result.output
    return result.output


def change(path: Path, old: str, new: str) -> int:
    """Replace text of a file; the line, from 1, that it was on."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_the_choices_are_those_of_the_library() -> None:
    assert [d.value for d in model_commands.Dialect] == list(DIALECTS)
    assert [k.value for k in model_commands.Kind] == list(get_args(Kind))
    assert [w.value for w in model_commands.WindowKind] == list(WINDOWS)


def test_a_new_model_passes_its_check_and_its_tests(project: Path) -> None:
    said = ok("new", "by_status", "--stream", "orders")
    assert "Written: pipelines/by_status.sql, pipelines/tests/by_status.yaml" in said
    assert "lakehead submit orders" in said
    assert ok("check") == "1 model, no problem: by_status.\n"
    assert ok("test").startswith("by_status  2 passed\n2 cases in ")
    assert "window, tumble 1 minute: orders -> marts.by_status" in ok("list")
    assert complete_model("by") == ["by_status"]
    assert complete_model("x") == []


def test_a_new_join_reads_two_streams(project: Path) -> None:
    said = ok(
        "new", "paid", "--stream", "orders", "--stream", "payments", "--kind", "join", "--json"
    )
    assert json.loads(said) == {
        "model": "paid",
        "files": ["pipelines/paid.sql", "pipelines/tests/paid.yaml"],
    }
    assert "join: orders and payments -> marts.paid" in ok("list")
    assert "1 passed." in ok("test", "paid")


def test_nothing_is_overwritten(project: Path) -> None:
    ok("new", "m", "--stream", "orders")
    with pytest.raises(LakeheadError, match=r"pipelines/m\.sql is there already"):
        ok("new", "m", "--stream", "orders")
    (project / "pipelines" / "m.sql").unlink()
    with pytest.raises(LakeheadError, match=r"pipelines/tests/m\.yaml is there already"):
        ok("new", "m", "--stream", "orders")
    assert not (project / "pipelines" / "m.sql").exists()


@pytest.mark.parametrize("name", ["../x", "A", "", "a/b", "a__b", "1a"])
def test_a_new_name_is_never_a_path(project: Path, name: str) -> None:
    with pytest.raises(LakeheadError, match="is no name for a model"):
        ok("new", name, "--stream", "orders")
    assert list((project / "pipelines").iterdir()) == []


def test_a_new_model_needs_a_stream_and_no_streams_name(project: Path) -> None:
    with pytest.raises(LakeheadError, match=r"which stream does m read\? Streams: customers"):
        ok("new", "m")
    with pytest.raises(LakeheadError, match="orders is a stream"):
        ok("new", "orders", "--stream", "orders")
    with pytest.raises(LakeheadError, match="no stream 'ordrs'"):
        ok("new", "m", "--stream", "ordrs")
    assert list((project / "pipelines").iterdir()) == []


def test_check_tells_file_line_and_message_and_exits_with_2(project: Path) -> None:
    ok("new", "good", "--stream", "orders")
    ok("new", "bad", "--stream", "orders")
    line = change(project / "pipelines" / "bad.sql", "SUM(price)", "SUM(prize)")
    said = exits(2, "check").splitlines()
    assert said[0].startswith(f"pipelines/bad.sql:{line}: ")
    assert "prize" in said[0]
    assert said[1] == "Sound: good."
    found = json.loads(exits(2, "check", "--json"))
    assert (found["checked"], found["sound"]) == (2, ["good"])
    (problem,) = found["problems"]
    assert (problem["file"], problem["line"]) == ("pipelines/bad.sql", line)
    assert ok("check", "good") == "1 model, no problem: good.\n"
    assert "there is no model 'none'" in exits(2, "check", "none")


def test_check_reads_the_tests_too(project: Path) -> None:
    ok("new", "m", "--stream", "orders")
    line = change(project / "pipelines" / "tests" / "m.yaml", "events: ", "event: ")
    assert f"pipelines/tests/m.yaml:{line}: 'event' is no column of m" in exits(2, "check")


def test_a_case_that_fails_is_shown_with_its_line(project: Path) -> None:
    ok("new", "good", "--stream", "orders")
    ok("new", "bad", "--stream", "orders")
    change(project / "pipelines" / "tests" / "bad.yaml", "events: 2", "events: 3")
    said = exits(1, "test")
    assert "bad   1 passed, 1 failed" in said
    assert "FAILED pipelines/tests/bad.yaml:4: events are counted by status and window" in said
    assert "the settled answer: 1 row differs (- expected, + actual)" in said
    assert "4 cases in " in said and "3 passed, 1 failed." in said
    found = json.loads(RUN.invoke(app, ["model", "test", "--json"]).stdout)
    assert (found["passed"], found["failed"], found["unread"]) == (3, 1, {})
    first, second = found["models"]["bad"]
    assert second["passed"] and not first["passed"]
    (difference,) = first["expect"]
    assert (difference["expected"]["events"], difference["actual"]["events"]) == (3, 2)
    assert ok("test", "good").startswith("good  2 passed\n")


def test_tests_that_cannot_be_read_do_not_keep_others_from_running(project: Path) -> None:
    ok("new", "good", "--stream", "orders")
    ok("new", "bad", "--stream", "orders")
    ok("new", "untested", "--stream", "orders")
    pipelines = project / "pipelines"
    (pipelines / "tests" / "bad.yaml").write_text("- 1")
    (pipelines / "tests" / "untested.yaml").unlink()
    (pipelines / "tests" / "lost.yaml").write_text("- 1")
    said = exits(2, "test")
    assert "good      2 passed" in said
    assert "untested  no tests: pipelines/tests/untested.yaml is not there" in said
    assert "pipelines/tests/bad.yaml:1: a case is 1" in said
    assert "there is no model 'lost'" in said
    assert "2 could not be read." in said
    assert set(json.loads(RUN.invoke(app, ["model", "test", "--json"]).stdout)["unread"]) == {
        "bad",
        "lost",
    }


def test_explain_prints_the_sql_of_each_engine(project: Path) -> None:
    ok("new", "m", "--stream", "orders")
    assert "INSERT INTO `lake`.`marts`.`m`\nSELECT\n  `window_start`,\n" in ok("explain", "m")
    assert 'FROM "landing"."orders"' in ok("explain", "m", "--dialect", "duckdb")
    found = json.loads(ok("explain", "m", "--dialect", "spark", "--json"))
    assert (found["model"], found["dialect"], len(found["statements"])) == ("m", "spark", 1)
    with pytest.raises(LakeheadError, match="no model 'n'"):
        ok("explain", "n")


def test_a_list_has_models_that_cannot_be_read(project: Path) -> None:
    assert "There is no model yet." in ok("list")
    assert "There is no model yet." in ok("test")
    ok("new", "m", "--stream", "orders")
    (project / "pipelines" / "bad.sql").write_text("SELECT 1")
    assert "bad\n  pipelines/bad.sql:1: expected a leading" in ok("list")
    bad, good = json.loads(ok("list", "--json"))["models"]
    assert bad["problem"] and good == {
        "name": "m",
        "kind": "window",
        "streams": ["orders"],
        "window": "tumble 1 minute",
        "output": "marts.m",
        "alert": None,
        "description": "What came of orders, by status and window of event time.",
    }
