"""lakehead quality, run as a person runs it."""

import json
from pathlib import Path
from typing import Any

import pytest
from shop import make_project, sale, sales_table, total, totals_table, write
from typer.testing import CliRunner

from lakehead.cli import quality
from lakehead.cli.main import app
from lakehead.errors import UserError
from lakehead.settings import Settings

RUN = CliRunner()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKEHEAD_HOME", str(made.home))
    monkeypatch.setenv("COLUMNS", "140")
    return made


def call(code: int, *args: str) -> str:
    result = RUN.invoke(app, ["quality", *args], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


def as_json(code: int, *args: str) -> Any:
    return json.loads(call(code, *args, "--json"))


def test_a_suite_is_shown_without_a_lake(project: Settings) -> None:
    said = call(0, "suite", "sales")
    assert "note has 1 to 3 characters" in said
    assert "ExpectColumnValueLengthsToBeBetween" in said
    assert not project.home.exists()
    shown = as_json(0, "suite", "marts.totals")
    assert shown["table"] == "marts.totals"
    assert shown["expectations"][4]["broken"] == 'NOT COALESCE("n" > 0, TRUE)'


def test_a_check_exits_by_what_it_finds(project: Settings) -> None:
    table = totals_table(project)
    sales_table(project)
    assert "No table was written to yet." in call(0, "check")
    sound = write(table, [total(0, "a")])
    assert "n > 0" in call(0, "check")
    write(table, [total(1, "b", n=0)])
    said = call(1, "check", "totals")
    assert "BROKEN" in said
    assert "50.00" in said
    assert "expect.n > 0: window_start 2026-01-01T00:01:00+00:00" in said
    (result,) = as_json(1, "check", "totals")["checks"]
    (broken,) = [o for o in result["outcomes"] if not o["success"]]
    assert (broken["checked"], broken["failed"], broken["percent"]) == (2, 1, 50.0)
    assert as_json(0, "check", "totals", "--snapshot", str(sound))["checks"][0]["rows"] == 1
    table.manage_snapshots().create_branch(sound, "staging").commit()
    (result,) = as_json(0, "check", "totals", "--branch", "staging")["checks"]
    assert (result["snapshot_id"], result["branch"]) == (sound, "staging")
    with pytest.raises(UserError, match="--snapshot is of one table"):
        call(2, "check", "--snapshot", "1")


def test_pages_and_watching(project: Settings) -> None:
    write(sales_table(project), [sale(0), sale(1, note="")])
    assert "landing.sales (main, snapshot" in call(1, "watch", "--once")
    assert call(0, "watch", "--once") == ""
    index = Path(as_json(0, "docs")["index"])
    assert "landing.sales" in index.read_text()
    assert call(0, "docs").strip() == str(index)


def test_names_are_completed(project: Settings) -> None:
    assert quality._complete("") == ["sales", "totals"]
    assert quality._complete("t") == ["totals"]
