"""The contract commands, run as a person runs them."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehead.cli.main import app
from lakehead.cli.options import complete_stream
from lakehead.errors import LakeheadError

RUN = CliRunner()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("schemas", "pipelines"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAKEHEAD_HOME", raising=False)
    return tmp_path


def ok(*args: str) -> str:
    result = RUN.invoke(app, ["contract", *args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_new_contract_passes_its_check_and_is_shown(project: Path) -> None:
    assert "lakehead contract apply payments" in ok("new", "payments")
    assert (project / "schemas" / "contract.schema.json").exists()
    assert "1 contract, no problem." in ok("check")
    assert "event_time" in ok("show", "payments")
    assert json.loads(ok("check", "payments", "--json")) == {"checked": 1, "problems": []}
    assert json.loads(ok("show", "payments", "--json"))["contract"]["key"] == "id"


def test_a_contract_is_not_overwritten(project: Path) -> None:
    ok("new", "payments")
    with pytest.raises(LakeheadError, match="is there already"):
        ok("new", "payments")


@pytest.mark.parametrize("name", ["../x", "A", "", "a/b"])
def test_a_new_name_is_never_a_path(project: Path, name: str) -> None:
    with pytest.raises(LakeheadError, match="is no name for a stream"):
        ok("new", name)
    assert list((project / "schemas").iterdir()) == []


def test_check_tells_file_line_and_message_and_exits_with_2(project: Path) -> None:
    ok("new", "payments")
    path = project / "schemas" / "payments.yaml"
    path.write_text(path.read_text().replace("value: 2 seconds", "value: soon"))
    for target in ("payments", "schemas/payments.yaml", str(path)):
        result = RUN.invoke(app, ["contract", "check", target])
        assert result.exit_code == 2
        line = path.read_text()[: path.read_text().index("soon")].count("\n") + 1
        assert result.output.startswith(f"schemas/payments.yaml:{line}: customProperties.water")
    result = RUN.invoke(app, ["contract", "check", "--json"])
    assert result.exit_code == 2
    (problem,) = json.loads(result.output)["problems"]
    assert problem["file"] == os.path.join("schemas", "payments.yaml")


def test_docs_schema_and_types_are_printed_or_written(project: Path) -> None:
    ok("new", "payments")
    assert "4 pages in" in ok("docs")
    assert (project / "docs" / "streams" / "payments.html").exists()
    assert json.loads(ok("schema"))["title"]
    assert len(json.loads(ok("types", "--json"))["types"]) == 14
    assert ok("types", "--markdown").startswith("# Types")
    assert "decimal(12,2)" in ok("types")


def test_a_stream_without_rules_between_events_verifies(project: Path) -> None:
    ok("new", "payments")
    assert "no rule between events" in ok("verify", "payments")


def test_streams_are_completed(project: Path) -> None:
    ok("new", "payments")
    ok("new", "parcels")
    assert complete_stream("pay") == ["payments"]
    assert complete_stream("") == ["parcels", "payments"]
