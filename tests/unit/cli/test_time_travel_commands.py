"""tag, tags, query --as-of and rollback --to, run as a person runs them."""

import json
import re

from small_home import land
from typer.testing import CliRunner

from lakehead.cli.main import app
from lakehead.errors import LakeheadError
from lakehead.lake.snapshots import table_state
from lakehead.settings import Settings

RUN = CliRunner()


def ok(*args: str) -> tuple[str, str]:
    """What it says, and what it says beside."""
    result = RUN.invoke(app, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def refused(*args: str) -> LakeheadError:
    result = RUN.invoke(app, args)
    assert isinstance(result.exception, LakeheadError), result.output
    return result.exception


def test_a_tag_is_made_listed_read_and_deleted(home: Settings) -> None:
    snapshot = table_state(home, "landing.orders").snapshot_id
    assert "Tag v1 would be of 1 tables:" in ok("tag", "v1", "--dry-run")[0]
    assert "There is no tag yet" in ok("tags")[0]
    said, _ = ok("tag", "v1")
    assert f"landing.orders: snapshot {snapshot}" in said
    assert "marts.empty: left out, it has no snapshot yet" in said
    land(home, 2)
    assert re.search(r"v1 +20\d\d-\S+ \S+ +landing\.orders +yes", ok("tags")[0])
    [tag] = json.loads(ok("tags", "--json")[0])["tags"]
    assert (tag["name"], tag["whole"]) == ("v1", True)
    assert [t["snapshot_id"] for t in tag["tables"]] == [snapshot]
    assert "would be deleted from 1 tables" in ok("tag", "v1", "--delete", "--dry-run")[0]
    assert json.loads(ok("tag", "v1", "--delete", "--json")[0])["deleted"]
    assert "There is no tag yet" in ok("tags")[0]


def test_what_was_read_is_said_beside_the_answer(home: Settings) -> None:
    first = table_state(home, "landing.orders").snapshot
    assert first
    ok("tag", "v1")
    land(home, 2)
    count = "SELECT count(*) AS n FROM landing.orders"
    assert json.loads(ok("query", count, "--json")[0]) == [{"n": 2}]
    assert ok("query", count, "--json")[1] == ""
    for as_of in (
        "v1",
        str(first.id),
        f"landing.orders={first.id}",
        first.committed_at.isoformat(),
    ):
        answer, beside = ok("query", count, "--json", "--as-of", as_of)
        assert json.loads(answer) == [{"n": 1}]
        assert f"landing.orders: snapshot {first.id}, committed" in beside
    zoneless = first.committed_at.replace(tzinfo=None).isoformat()
    assert "taken as UTC" in ok("query", count, "--as-of", zoneless)[1]
    assert "landing.orders" in ok("query", "SHOW TABLES", "--as-of", "v1")[0]
    assert "marts.empty" not in ok("query", "SHOW TABLES", "--as-of", "v1")[0]


def test_a_mistake_says_what_was_expected(home: Settings) -> None:
    assert "has no tag 'v9'" in refused("query", "FROM landing.orders", "--as-of", "v9").message
    early = refused("query", "FROM landing.orders", "--as-of", "2020-01-01")
    assert "the earliest moment that can be asked is 20" in early.message
    assert "is no name for a tag" in refused("tag", "a b").message
    assert "a tag is deleted whole" in refused("tag", "v1", "landing.orders", "--delete").message
    assert "--reconcile needs --to" in refused("rollback", "m", "--reconcile").message
    assert "--dry-run needs --to" in refused("rollback", "m", "--dry-run").message
    assert "no job has a model 'm'" in refused("rollback", "m", "--to", "v1", "--dry-run").message
    assert refused("rollback", "m", "--to", "v1").hint == "lakehead up"
