"""produce, as far as it goes without a broker."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehead.cli.main import app
from lakehead.errors import LakeheadError, UserError
from lakehead.settings import INSTALL_ROOT
from lakehead.streams.own_data import RowsRejected

RUN = CliRunner()
CSV = """\
invoice,stock_code,quantity,price,country,status,event_time
489434,85048,12,6.95,France,placed,2009-12-01T07:45:00Z
489434,85048,many,6.95,France,placed,2009-12-01T07:45:00Z
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "schemas").mkdir()
    shutil.copy(INSTALL_ROOT / "schemas" / "orders.yaml", tmp_path / "schemas")
    (tmp_path / "own.csv").write_text(CSV)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKEHEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def refused(*args: str) -> LakeheadError:
    result = RUN.invoke(app, ["produce", *args])
    assert isinstance(result.exception, LakeheadError), result.output
    return result.exception


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "no stream is named; there are orders"),
        (["orders", "--all"], "--all with orders; expected one of the two"),
        (["order"], "there is no stream 'order'"),
        (["--poison", "2"], "poison is 2.0, expected a share from 0 to 1"),
        (["orders", "--poison", "0.1", "--poison-kinds", "sour"], "poison kind 'sour'"),
        (["orders", "--dry-run"], "--dry-run means nothing without --from"),
        (["orders", "--time-zone", "UTC"], "--time-zone means nothing without --from"),
        (["orders", "--from", "own.csv", "--poison", "0.1"], "--poison means nothing with --from"),
        (["orders", "--from", "own.csv", "--no-pace"], "--no-pace means nothing with --from"),
        (["orders", "--from", "own.csv", "--speed", "2"], "--speed means nothing with --from"),
        (["--from", "own.csv"], "--from own.csv is for one stream, expected its name"),
        (["orders", "--from", "gone.csv"], "gone.csv is not a file"),
        (["orders", "--from", "own.txt"], "its format is not known by its name"),
    ],
)
def test_what_cannot_be_is_refused_by_name(project: Path, args: list[str], says: str) -> None:
    error = refused(*args)
    assert isinstance(error, UserError)
    assert says in error.message
    assert not (project / "home").exists()


def test_without_contracts_there_is_nothing_to_produce(project: Path) -> None:
    (project / "schemas" / "orders.yaml").unlink()
    assert "has no contracts" in refused("--all").message


def test_a_dry_run_counts_and_exits_1_where_rows_are_rejected(project: Path) -> None:
    result = RUN.invoke(app, ["produce", "orders", "--from", "own.csv", "--dry-run"])
    assert isinstance(result.exception, RowsRejected)
    assert result.exception.exit_code == 1
    assert "would be sent" in result.output
    result = RUN.invoke(app, ["produce", "orders", "--from", "own.csv", "--dry-run", "--json"])
    found = json.loads(result.stdout)
    assert (found["rows"], found["valid"], found["rejected"]["count"]) == (2, 1, 1)
    assert Path(found["rejected"]["file"]).exists()


def test_help_tells_pace_faults_and_own_data_apart(project: Path) -> None:
    result = RUN.invoke(app, ["produce", "--help"])
    for part in ("Pace", "Faults", "Own data", "--idle-partitions", "tail -f rides.jsonl"):
        assert part in result.output
