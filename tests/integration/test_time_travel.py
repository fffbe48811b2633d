"""The lake as of a tag, and a mart that is set back to it while its job runs."""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import ROOT, Stack, wait_until

pytestmark = pytest.mark.integration
MODEL = "revenue_by_country"
REVENUE = f"SELECT * EXCLUDE (settled_offsets) FROM marts.{MODEL} ORDER BY ALL"
DOUBLED = "SELECT count(*) - count(DISTINCT ({key})) AS n FROM marts.{model}"
# Each row is an answer, so that every checkpoint of the job, a savepoint too, brings files.
VIEWS = """/*
model: phone_views
stream: page_views
kind: rows
output:
  table: marts.phone_views
  columns: {view_id: string, page: string}
*/
SELECT view_id, page FROM page_views
"""


def rows(stack: Stack, sql: str, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(stack.ok("query", sql, "--json", *more))
    return found


def produce(stack: Stack) -> None:
    """Events over more than a window and the watermark's delay; all is landed and answered."""
    stack.ok("produce", "orders", "--events", "15000", "--rate", "1000")
    assert stack.audit("orders")["in_flight"] == 0
    checkpoints(stack, "orders", 2)


def job(stack: Stack, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = stack.json("jobs")["jobs"]
    return next(j for j in found if j["name"] == name)


def checkpoints(stack: Stack, name: str, more: int) -> None:
    before = job(stack, name)["checkpoints"] or 0
    wait_until(
        lambda: (job(stack, name)["checkpoints"] or 0) >= before + more, f"checkpoints of {name}"
    )


def runs_on_well(stack: Stack, name: str) -> None:
    """The job goes on from a savepoint, and completes checkpoints without another restart."""
    begun = job(stack, name)
    assert "savepoint-" in begun["restored_from"]
    checkpoints(stack, name, 3)
    now = job(stack, name)
    assert (now["job_id"], now["state"]) == (begun["job_id"], "running"), now["cause"]


def failed_parity(stack: Stack) -> Any:
    done = stack.run("parity", MODEL, "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    return json.loads(done.stdout)["models"][MODEL]


def clean(stack: Stack) -> None:
    report = stack.json("parity", MODEL)["models"][MODEL]
    assert (report["unexplained"], report["given_up"]) == (0, 0), report
    audit = stack.audit("orders")
    assert (audit["lost"], audit["duplicated"]) == (0, 0)
    doubled = DOUBLED.format(key="window_start, country", model=MODEL)
    assert rows(stack, doubled) == [{"n": 0}]


@pytest.fixture
def tag(stack: Stack) -> Iterator[str]:
    """A tag of a mart that has answers and is clean."""
    produce(stack)
    stack.ok("reconcile", MODEL)
    stack.ok("tag", "then")
    yield "then"
    stack.ok("tag", "then", "--delete")


def test_a_mart_goes_back_to_a_tag_while_its_job_runs(stack: Stack, tag: str) -> None:
    landed = "SELECT count(*) AS n FROM landing.orders"
    before = rows(stack, REVENUE, "--as-of", tag)
    assert before == rows(stack, REVENUE)
    tagged = rows(stack, landed, "--as-of", tag)

    produce(stack)
    given_up = rows(stack, REVENUE)
    assert len(given_up) > len(before)
    assert rows(stack, REVENUE, "--as-of", tag) == before
    assert rows(stack, landed, "--as-of", tag) == tagged != rows(stack, landed)

    planned = stack.json("rollback", MODEL, "--to", tag, "--dry-run")["rollback"]
    assert planned["commits"] > 0 and planned["restarts"] and planned["kept"] is None
    assert rows(stack, REVENUE) == given_up
    done = stack.json("rollback", MODEL, "--to", tag)["rollback"]
    assert done["rows_now"] - done["rows_then"] == len(given_up) - len(before)
    runs_on_well(stack, "orders")
    assert rows(stack, REVENUE) == before
    assert rows(stack, REVENUE, "--as-of", done["kept"]) == given_up
    report = failed_parity(stack)
    assert report["given_up"] == report["unexplained"] > 0

    stack.ok("reconcile", MODEL)
    assert rows(stack, REVENUE) == given_up
    clean(stack)
    produce(stack)
    assert len(rows(stack, REVENUE)) > len(given_up)
    clean(stack)


def test_what_is_given_up_can_be_settled_at_once(stack: Stack, tag: str) -> None:
    produce(stack)
    given_up = rows(stack, REVENUE)
    done = stack.json("rollback", MODEL, "--to", tag, "--reconcile")
    assert done["reconciled"]["added"] > 0
    assert rows(stack, REVENUE) == given_up
    kept = next(t for t in stack.json("tags")["tags"] if t["name"] == done["rollback"]["kept"])
    assert kept["whole"] and [t["table"] for t in kept["tables"]] == [f"marts.{MODEL}"]
    runs_on_well(stack, "orders")
    clean(stack)


@pytest.fixture
def views(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The shared stack with a job whose savepoint holds files that are committed."""
    project = tmp_path_factory.mktemp("views")
    (project / "schemas").mkdir()
    (project / "pipelines").mkdir()
    shutil.copy(ROOT / "schemas" / "page_views.yaml", project / "schemas")
    (project / "pipelines" / "phone_views.sql").write_text(VIEWS)
    here = stack.of(project)
    here.ok("submit", "page_views")
    yield here
    here.ok("stop", "page_views")


def test_what_a_savepoint_holds_is_not_committed_twice(views: Stack) -> None:
    views.ok("produce", "page_views", "--events", "3000", "--rate", "1000")
    views.json("audit", "page_views", "--wait", "60")
    views.ok("tag", "views", "marts.phone_views", "landing.page_views")
    producing = views.start("produce", "page_views", "--events", "15000", "--rate", "500")
    count = "SELECT count(*) AS n FROM marts.phone_views"
    [tagged] = rows(views, count)
    wait_until(lambda: rows(views, count)[0]["n"] > tagged["n"] + 3000, "rows after the tag")

    done = views.json("rollback", "phone_views", "--to", "views", "--reconcile")

    assert done["reconciled"]["added"] > 0
    runs_on_well(views, "page_views")
    _, said = producing.communicate(timeout=240)
    assert producing.returncode == 0, said
    audit = views.audit("page_views")
    assert (audit["in_flight"], audit["lost"], audit["duplicated"]) == (0, 0, 0)
    checkpoints(views, "page_views", 2)
    report = views.json("parity", "phone_views")["models"]["phone_views"]
    assert (report["different"], report["unexplained"]) == (0, 0)
    doubled = DOUBLED.format(key="kafka_partition, kafka_offset", model="phone_views")
    assert rows(views, doubled) == [{"n": 0}]
    assert rows(views, count)[0]["n"] == audit["landed"]
