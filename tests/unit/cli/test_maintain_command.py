"""maintain, as a person runs it, as far as nothing has to be done."""

import json

import pytest
from small_home import land
from typer.testing import CliRunner

from lakehead.cli.main import app
from lakehead.errors import LakeheadError
from lakehead.settings import Settings

RUN = CliRunner()


@pytest.fixture
def home(home: Settings) -> Settings:
    """Of ``landing.orders`` six files, of a row each."""
    for number in range(2, 7):
        land(home, number)
    return home


def ok(*args: str) -> str:
    result = RUN.invoke(app, ("maintain", *args), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*args: str) -> LakeheadError:
    result = RUN.invoke(app, ("maintain", *args))
    assert isinstance(result.exception, LakeheadError), result.output
    return result.exception


def test_a_dry_run_says_what_is_due_and_why(home: Settings) -> None:
    said = ok("--dry-run")
    assert "6 files are smaller than 96 MiB, 0.0 MiB each" in said
    assert "nothing is due" in said
    document = json.loads(ok("--dry-run", "--json", "landing.orders"))
    [work] = document["tables"]
    assert work["compaction"] == {"files": 6, "bytes": work["bytes"], "partitions": 1, "after": 1}
    assert (document["dry_run"], document["done"], work["expire"]) == (True, [], [])


def test_where_nothing_is_due_nothing_is_started(home: Settings) -> None:
    assert ok("marts.empty") == "Nothing is due in 1 tables.\n"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["landing.order"], "did you mean landing.orders"),
        (["--orphans", "1 hour"], "--orphans is '1 hour', expected at least 1 day"),
        (["--orphans", "old"], "--orphans: 'old' is not a duration"),
        (["--every", "now and then"], "--every: 'now and then' is not a duration"),
    ],
)
def test_what_cannot_be_is_refused(home: Settings, args: list[str], says: str) -> None:
    assert says in refused(*args).message
