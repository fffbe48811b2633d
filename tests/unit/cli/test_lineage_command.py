"""lineage, run as a person runs it, over the repository's own contracts and models."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lakehead.cli import lineage as lineage_command
from lakehead.cli.lineage import complete_target
from lakehead.cli.main import app
from lakehead.errors import LakeheadError, UserError
from lakehead.lineage.draw import FORMATS
from lakehead.settings import INSTALL_ROOT

RUN = CliRunner()


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lake and no stack: the home is not even made."""
    monkeypatch.chdir(INSTALL_ROOT)
    monkeypatch.setenv("LAKEHEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")


def run(*args: str) -> Result:
    done = RUN.invoke(app, ["lineage", *args])
    if isinstance(done.exception, LakeheadError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def refused(*args: str) -> str:
    with pytest.raises(UserError) as error:
        run(*args)
    return f"{error.value.message}\n{error.value.hint}"


def test_the_choices_are_those_of_the_library() -> None:
    assert tuple(f.value for f in lineage_command.Format) == FORMATS


def test_all_of_it(tmp_path: Path) -> None:
    said = run().stdout
    assert "│   ├── marts.returns_rate  window, tumble 1 minute\n" in said
    assert not (tmp_path / "home").exists()


def test_what_a_field_feeds() -> None:
    said = run("orders.price", "--downstream").stdout
    assert "marts.revenue_by_country.revenue  SUM(quantity * price)" in said
    assert "made of" not in said


def test_no_line_is_cut_where_it_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    said = run("orders.price", "--downstream").stdout
    assert "-COALESCE(SUM(quantity * price) FILTER(WHERE status = 'cancelled'), 0)" in said


def test_columns_of_a_mart() -> None:
    said = run("marts.revenue_by_country", "--columns").stdout
    [line] = [x for x in said.splitlines() if x.split()[:1] == ["revenue"]]
    assert "SUM(quantity * price)" in line
    assert "orders.price, orders.quantity" in line
    assert "GROUP_BY: landing.orders.country" in said


def test_json() -> None:
    found = json.loads(run("revenue_today.revenue", "--columns", "--json", "--depth", "1").stdout)
    assert found["target"] == ["marts.revenue_today.revenue", "marts.revenue_today.*"]
    assert {
        "source": "landing.orders.price",
        "target": "marts.revenue_today.revenue",
        "by": "revenue_today",
        "how": "SUM(quantity * price)",
    } in found["upstream"]
    assert found["columns"] == {
        "marts.revenue_today": [
            {
                "column": "revenue",
                "type": "decimal(38,3)",
                "expression": "SUM(quantity * price)",
                "origins": ["landing.orders.quantity", "landing.orders.price"],
                "fields": ["orders.price", "orders.quantity"],
            }
        ]
    }


def test_drawings() -> None:
    assert run("orders", "--format", "mermaid").stdout.startswith("flowchart LR\n")
    assert run("orders", "--format", "dot").stdout.startswith("digraph lineage {\n")


def test_openlineage_to_a_file_and_printed(tmp_path: Path) -> None:
    path = tmp_path / "events" / "lineage.jsonl"
    said = run("--openlineage", str(path)).stdout
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert said == f"{len(events)} events: {path}\n"
    assert "model.revenue_by_country" in [e["job"]["name"] for e in events]
    printed = run("--openlineage", "-").stdout.splitlines()
    assert [json.loads(x)["job"] for x in printed] == [e["job"] for e in events]
    assert json.loads(run("--openlineage", str(path), "--json").stdout)["events"] == len(events)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    assert "did you mean marts.revenue_today" in refused("marts.revenu_today")
    assert "expected no table, got 'orders'" in refused("orders", "--openlineage", "-")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused("--openlineage", str(tmp_path / "file" / "x"))


@pytest.mark.parametrize("drawn", ["mermaid", "dot"])
def test_a_drawing_has_no_table_of_columns(drawn: str) -> None:
    said = refused("marts.revenue_today", "--columns", "--format", drawn)
    assert f"--columns is for a tree and for JSON; the format is {drawn}" in said
    assert "TABLE.COLUMN" in said
    assert '"columns"' in run("orders", "--columns", "--format", drawn, "--json").stdout


def test_an_empty_project_says_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("schemas", "pipelines"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert "lakehead contract new NAME" in run().stdout
    assert "there are: none" in refused("orders")


def test_completion() -> None:
    assert complete_target("landing.orders") == ["landing.orders", "landing.orders_dead"]
    assert complete_target("marts.revenue") == ["marts.revenue_by_country", "marts.revenue_today"]
    assert complete_target("alerts") == ["alerts.failed_payments"]
    assert complete_target("x") == []


def test_the_page_shows_what_is_printed() -> None:
    page = (INSTALL_ROOT / "docs" / "lineage.md").read_text()
    shown = re.findall(r"```console\n\$ lakehead lineage (.*)\n((?:.|\n)*?)```", page)
    assert len(shown) == 3
    for command, printed in shown:
        assert run(*command.split()).stdout == printed
