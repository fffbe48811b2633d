"""query --live, --diff and --certificate, as a person runs them."""

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehead.cli.main import app
from lakehead.contracts.iceberg import dead_schema
from lakehead.errors import LakeheadError, UserError
from lakehead.lake.tags import make_tag
from lakehead.live import live as live_module
from lakehead.live.topic import Record
from lakehead.settings import Settings, Tuning
from tests.small_lake import Lake, at, event, make_lake, window

RUN = CliRunner()


class OneRecord:
    """A topic with one record behind what was landed."""

    def __init__(self, settings: Settings, name: str) -> None:
        value = json.dumps({"id": "b", "event_time": at(12).isoformat()}).encode()
        self.record = Record(0, 1, int(at(60).timestamp() * 1000), value)

    def bounds(self) -> dict[int, tuple[int, int]]:
        return {0: (0, 2)}

    def read(self, begin: Mapping[int, int], end: Mapping[int, int]) -> Iterator[list[Record]]:
        yield [self.record]

    def close(self) -> None: ...


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    made = make_lake(tmp_path)
    made.table("landing.orders_dead", dead_schema())
    made.model()
    made.land(event(0, 1), checkpoint=1)
    made.answer(window(0, 1), checkpoint=1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        # A port that nobody listens on.
        tuning = Tuning(port_base=taken.getsockname()[1])
    replace(made.settings, tuning=tuning).save()
    monkeypatch.setenv("LAKEHEAD_HOME", str(made.settings.home))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> None:
    init = live_module.Live.__init__
    monkeypatch.setattr(
        live_module.Live, "__init__", lambda self, settings: init(self, settings, topic=OneRecord)
    )


def ok(*args: str) -> tuple[str, str]:
    result = RUN.invoke(app, ["query", *args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def refused(*args: str) -> LakeheadError:
    result = RUN.invoke(app, ["query", *args])
    assert isinstance(result.exception, LakeheadError), result.output
    return result.exception


@pytest.mark.usefixtures("topic")
def test_live_says_how_fresh_it_is(lake: Lake) -> None:
    said, beside = ok("SELECT id, n FROM marts.m ORDER BY ALL", "--live")
    assert "(2 rows)" in said
    assert beside.startswith(f"marts.m: newest event {at(12).isoformat()}, ")
    assert "offsets 0:1; 1 rows from Kafka; " in beside
    assert f"closed until {at(10).isoformat()}, 1 rows open" in beside
    # Who reads another format reads it alone.
    said, beside = ok("SELECT id, n FROM marts.m ORDER BY ALL", "--live", "--format", "csv")
    assert (said, beside) == ("id,n\na,1\nb,1\n", "")


@pytest.mark.usefixtures("topic")
def test_a_certificate_beside_the_rows(lake: Lake, tmp_path: Path) -> None:
    sql = "SELECT id FROM landing.orders ORDER BY 1"
    both = json.loads(ok(sql, "--live", "--json", "--certificate")[0])
    assert both["rows"] == [{"id": "a"}, {"id": "b"}]
    assert both["certificate"]["tables"]["landing.orders"]["freshness"]["offsets"] == {"0": 1}

    said, beside = ok(sql, "--certificate", "--format", "csv")
    assert said == "id\na\n"
    assert json.loads(beside)["tables"]["landing.orders"]["live"] is False

    path = tmp_path / "orders.jsonl"
    assert ok(sql, "--certificate", "-o", str(path)) == ("", "")
    assert path.read_text() == '{"id": "a"}\n'
    kept = json.loads((tmp_path / "orders.jsonl.certificate.json").read_text())
    assert kept["sql"] == sql


def test_a_difference(lake: Lake) -> None:
    make_tag(lake.settings, "v1")
    lake.land(event(1, 2, id="b"))
    said, _ = ok("SELECT id FROM landing.orders", "--diff", "v1..now", "--json")
    assert json.loads(said) == [{"change": "+", "id": "b"}]


def test_one_moment_is_asked_for_at_a_time(lake: Lake) -> None:
    for more in (("--as-of", "v1"), ("--diff", "v1..now")):
        error = refused("FROM landing.orders", "--live", *more)
        assert "expected one of --live, --as-of and --diff" in error.message


def test_live_needs_kafka(lake: Lake) -> None:
    error = refused("FROM landing.orders", "--live")
    assert isinstance(error, UserError)
    assert "Kafka does not answer" in error.message
