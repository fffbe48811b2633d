"""query's parameters, tables, describe, sample, export, attach and shell, run as a person does."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lakehead.cli.main import app
from lakehead.errors import LakeheadError, UserError
from lakehead.lake.catalog import open_catalog
from tests.small_lake import Lake, event, make_lake, window

RUN = CliRunner()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = make_lake(tmp_path_factory.mktemp("shop"))
    lake.model()
    lake.land(event(0, 1), event(1, 2))
    lake.land(event(2, 12))
    lake.answer(window(0, 2))
    return lake


@pytest.fixture(autouse=True)
def at_home(shop: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.settings.project)
    monkeypatch.setenv("LAKEHEAD_HOME", str(shop.settings.home))
    monkeypatch.setenv("COLUMNS", "200")


def run(*args: str, text: str | None = None) -> Result:
    done = RUN.invoke(app, list(args), input=text)
    if isinstance(done.exception, LakeheadError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def refused(*args: str) -> str:
    with pytest.raises(UserError) as error:
        run(*args)
    assert error.value.exit_code == 2
    return f"{error.value.message}\n{error.value.hint}"


def test_query_with_parameters() -> None:
    sql = "SELECT count(*) AS n FROM landing.orders WHERE kafka_offset >= $least AND id = $id"
    out = run("query", sql, "--param", "least=1", "-p", "id=a", "--json").stdout
    assert json.loads(out) == [{"n": 2}]
    assert json.loads(run("query", "SELECT ? AS n", "-p", "null", "--json").stdout) == [{"n": None}]
    assert "has no name" in refused("query", sql, "-p", "least=1", "-p", "a")


def test_query_from_a_file_as_markdown(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("SELECT $n AS n")
    out = run("query", "-f", str(tmp_path / "q.sql"), "-p", "n=7", "--format", "markdown").stdout
    assert out == "| n |\n| ---: |\n| 7 |\n"


def test_tables() -> None:
    lines = run("tables").stdout.splitlines()
    assert any(line.split()[:3] == ["landing.orders", "3", "2"] for line in lines)
    [listed] = json.loads(run("tables", "ORD", "--json").stdout)["tables"]
    assert (listed["table"], listed["rows"], listed["files"]) == ("landing.orders", 3, 2)
    assert listed["bytes"] > 0 and listed["age_seconds"] > 0
    everything = json.loads(run("tables", "*.*", "--json").stdout)["tables"]
    assert [t["table"] for t in everything] == ["landing.orders", "marts.m", "ops.left_out"]
    assert everything[-1]["rows"] == 0 and everything[-1]["committed_at"] is None
    assert "did you mean landing.orders?" in refused("tables", "landing.oders")


def test_describe_a_landing_table() -> None:
    found = json.loads(run("describe", "LANDING.orders", "--json").stdout)
    assert found["table"]["rows"] == 3 and found["snapshots"] == 2
    assert (found["origin"]["kind"], found["origin"]["file"]) == ("contract", "schemas/orders.yaml")
    columns = {c["name"]: c for c in found["columns"]}
    assert columns["event_time"]["type"] == "TIMESTAMPTZ"
    assert columns["event_time"]["iceberg"] == "timestamptz"
    assert columns["id"]["comment"] == "What identifies the event."
    text = run("describe", "landing.orders").stdout
    assert "contract schemas/orders.yaml" in text and "What identifies the event." in text


def test_describe_a_mart_and_a_table_of_lakehead() -> None:
    mart = json.loads(run("describe", "marts.m", "--json").stdout)
    assert (mart["origin"]["kind"], mart["origin"]["file"]) == ("model", "pipelines/m.sql")
    empty = json.loads(run("describe", "ops.left_out", "--json").stdout)
    assert empty["origin"]["kind"] == "lakehead" and empty["snapshots"] == 0
    assert "nothing was committed yet" in run("describe", "ops.left_out").stdout
    assert "did you mean marts.m?" in refused("describe", "marts.n")


def test_describe_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make_lake(tmp_path)
    table = open_catalog(lake.settings).load_table("landing.orders")
    with table.update_spec() as spec:
        spec.add_field("event_time", "day", "event_time_day")
        spec.add_identity("id")
    with table.update_sort_order() as order:
        order.desc("kafka_offset", "identity")
    monkeypatch.setenv("LAKEHEAD_HOME", str(lake.settings.home))
    found = json.loads(run("describe", "landing.orders", "--json").stdout)
    assert found["partitioned_by"] == ["day(event_time)", "id"]
    assert found["sorted_by"] == ["kafka_offset desc"]
    assert "partitioned by day(event_time), id" in run("describe", "landing.orders").stdout


def test_sample() -> None:
    assert len(json.loads(run("sample", "landing.orders", "-n", "2", "--json").stdout)) == 2
    assert "(3 rows)" in run("sample", "Landing.Orders").stdout
    assert "did you mean landing.orders?" in refused("sample", "landing.order")


def test_export(tmp_path: Path) -> None:
    path = tmp_path / "lake.duckdb"
    done = json.loads(run("export", "*", "--to", str(path), "--json").stdout)
    assert done["rows"] == 4 and done["files"] == [str(path)]
    assert "--force" in refused("export", "*", "--to", str(path))
    out = run("export", "marts.*", "--to", str(path), "--as", "views", "--force").stdout
    assert "marts.m: snapshot" in out and "a tag keeps them" in out
    assert "data or views" in refused("export", "*", "--to", str(path), "--as", "links")
    answer = tmp_path / "a.csv"
    run("export", "--sql", "SELECT $n AS n", "-p", "n=7", "--to", str(answer))
    assert answer.read_bytes() == b"n\r\n7\r\n"


def test_attach() -> None:
    tools = run("attach").stdout.splitlines()
    assert len(tools) == 5
    for line in tools:
        tool = line.split()[-1]
        assert json.loads(run("attach", tool, "--json").stdout)["text"]
    assert "read_parquet" in run("attach", "duckdb").stdout
    assert "expected one of duckdb" in refused("attach", "excel")


def test_shell_on_a_pipe() -> None:
    text = "\\f csv\nSELECT count(*) AS n\nFROM landing.orders;\n"
    assert run("shell", text=text).stdout.split() == ["n", "3"]
    assert "of the plain shell" in refused("shell", "--tui", "--as-of", "1 second ago")


def test_help_imports_nothing_heavy() -> None:
    import subprocess

    heavy = ("duckdb", "pyarrow", "pyiceberg", "prompt_toolkit", "harlequin", "sqlglot")
    code = f"import sys, lakehead.cli.main; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("typed", ["landing.", "landing.o", ""])
def test_tables_are_completed(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As bash asks for it."""
    monkeypatch.setenv("_LAKEHEAD_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"lakehead describe {typed}")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert "landing.orders" in RUN.invoke(app, [], prog_name="lakehead").stdout.split()
