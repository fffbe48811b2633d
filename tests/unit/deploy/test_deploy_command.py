"""deploy render and deploy size, by the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lakehead.cli.main import app
from lakehead.deploy.render import FOLDERS
from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT

EXAMPLE = str(INSTALL_ROOT / "deploy" / "cluster.example.yaml")


def run(*args: str) -> str:
    done = CliRunner().invoke(app, ["deploy", *args], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def rendered(folder: Path, *more: str) -> dict[str, Any]:
    return dict(json.loads(run("render", str(folder), "--profile", EXAMPLE, "--json", *more)))


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(INSTALL_ROOT)
    monkeypatch.setenv("COLUMNS", "200")


def test_a_dry_run_writes_nothing_and_says_what_a_run_writes(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    dry = rendered(folder, "--dry-run")
    assert not folder.exists()
    wet = rendered(folder)
    assert dry | {"dry_run": False} == wet
    written = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert written == {f["path"] for f in wet["files"]}
    assert {name.split("/")[0] for name in written} == set(FOLDERS)


def test_twice_is_once_and_a_change_is_told(tmp_path: Path) -> None:
    rendered(tmp_path)
    assert {f["change"] for f in rendered(tmp_path)["files"]} == {"same"}
    topic = tmp_path / "kafka" / "stream-orders.yaml"
    as_written = topic.read_text()
    topic.write_text(as_written.replace("partitions: 4", "partitions: 5"))
    changes = {f["path"]: f["change"] for f in rendered(tmp_path)["files"]}
    assert [name for name, change in changes.items() if change != "same"] == [
        "kafka/stream-orders.yaml"
    ]
    assert topic.read_text() == as_written


def test_what_is_rendered_no_more_is_told_and_left(tmp_path: Path) -> None:
    rendered(tmp_path)
    old = tmp_path / "flink" / "stream-gone.yaml"
    old.write_text((tmp_path / "flink" / "stream-orders.yaml").read_text())
    (tmp_path / "flink" / "mine.yaml").write_text("kind: Mine\n")
    changes = {f["path"]: f["change"] for f in rendered(tmp_path)["files"]}
    assert changes["flink/stream-gone.yaml"] == "stale"
    assert "flink/mine.yaml" not in changes
    assert old.exists()
    assert str(old) in run("render", str(tmp_path), "--profile", EXAMPLE)


def test_secrets_are_listed_for_a_person(tmp_path: Path) -> None:
    said = run("render", str(tmp_path), "--profile", EXAMPLE, "--dry-run")
    assert "Would be written" in said
    assert "page-views-job" in said and "Strimzi" in said


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        run("render", str(tmp_path / "out"), "--profile", EXAMPLE)


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_a_file_of_somebody_else_is_not_written_over(tmp_path: Path, dry_run: list[str]) -> None:
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow" / "values.yaml").write_text("executor: Mine\n")
    with pytest.raises(UserError, match=r"airflow/values\.yaml was not written by lakehead"):
        run("render", str(tmp_path), "--profile", EXAMPLE, *dry_run)
    assert (tmp_path / "airflow" / "values.yaml").read_text() == "executor: Mine\n"
    assert not (tmp_path / "kafka").exists()


def test_without_a_profile_the_example_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "pipelines").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        run("render", str(tmp_path / "out"))
    assert str(tmp_path / "deploy" / "cluster.yaml") in error.value.message
    assert "cluster.example.yaml" in error.value.hint


def test_a_size_is_told_in_words_and_as_json() -> None:
    load = ["--events-per-second", "1000000", "--bytes", "220", "--retention", "365 days"]
    said = run("size", *load, "--streams", "10")
    assert "one reader a stream" not in said
    assert "SQLite catalog" in said
    size = json.loads(run("size", *load, "--json"))["size"]
    assert "one reader a stream" in {b["what"] for b in size["breaks"]}


@pytest.mark.parametrize("retention", ["a year", "365", "0 days"])
def test_a_retention_that_is_none_is_refused(retention: str) -> None:
    with pytest.raises(UserError, match="--retention"):
        run("size", "--events-per-second", "1", "--bytes", "1", "--retention", retention)
