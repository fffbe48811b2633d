"""A stream that was never seen before: one YAML file and one CSV, and no Python."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.conftest import ROOT, Stack

pytestmark = pytest.mark.integration
ROWS = 300_000
# Rides of the last days, 40 s apart; every seventh has no tip, some notes need quotes.
RIDES = f"""
SELECT printf('T%08d', i) AS trip_id,
  'V-' || (i % 997) AS vehicle,
  CASE WHEN i % 11 > 0 THEN 1 + i % 8 END AS passengers,
  (i % 4000) / 100.0 AS distance_km,
  printf('%d.%02d', i % 90, i % 100) AS fare,
  CASE WHEN i % 7 > 0 THEN printf('%d.%02d', i % 9, i % 100) END AS tip,
  CASE WHEN i % 2 = 0 THEN 'EUR' ELSE 'GBP' END AS currency,
  i % 3 > 0 AS paid,
  CASE WHEN i % 5 = 0 THEN 'Köln, Dom' ELSE 'Riga' END AS "pickup.city",
  i % 40 AS "pickup.zone",
  CASE WHEN i % 13 = 0 THEN 'said "wait", then left' END AS note,
  strftime(TIMESTAMP '2026-01-01' + to_seconds(i * 40), '%Y-%m-%dT%H:%M:%SZ') AS started_at,
  strftime(TIMESTAMP '2026-01-01' + to_seconds(i * 40 + 600), '%Y-%m-%dT%H:%M:%S.%gZ') AS ended_at
FROM range({ROWS}) AS rides(i) ORDER BY i
"""


@pytest.fixture(scope="module")
def dispatch(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The shared stack, asked from the project of a taxi firm with its CSV."""
    project = tmp_path_factory.mktemp("dispatch")
    shutil.copytree(ROOT / "tests/integration/projects/trips", project, dirs_exist_ok=True)
    with duckdb.connect() as con:
        con.execute(f"COPY ({RIDES}) TO '{project / 'trips.csv'}' (HEADER)")
    yield stack.of(project)
    stack.ok("stop", "trips")


def test_a_yaml_file_and_a_csv_are_all_that_it_takes(dispatch: Stack) -> None:
    assert "no problem" in dispatch.ok("contract", "check")
    dispatch.ok("contract", "apply", "trips")
    produced = dispatch.json("produce", "trips", "--from", "trips.csv")
    assert (produced["rows"], produced["rejected"]["count"]) == (ROWS, 0)
    audited = dispatch.audit("trips")
    counted = {k: audited[k] for k in ("produced", "landed", "dead", "lost", "duplicated")}
    assert counted == {"produced": ROWS, "landed": ROWS, "dead": 0, "lost": 0, "duplicated": 0}
    sql = (
        "SELECT count(DISTINCT trip_id) AS rides, count(tip) AS tips, sum(fare)::VARCHAR AS fares,"
        " count(*) FILTER (pickup.city = 'Köln, Dom') AS cologne, count(note) AS notes,"
        " min(ended_at - started_at)::VARCHAR AS shortest FROM landing.trips"
    )
    [found] = json.loads(dispatch.ok("query", sql, "--format", "json"))
    with duckdb.connect() as con:
        [expected] = con.execute(
            "SELECT count(DISTINCT trip_id), count(tip), sum(fare::DECIMAL(10,2))::VARCHAR,"
            " count(*) FILTER (\"pickup.city\" = 'Köln, Dom'), count(note), '00:10:00'"
            f" FROM read_csv('{dispatch.project / 'trips.csv'}', all_varchar = true)"
        ).fetchall()
    assert tuple(found.values()) == expected


def test_it_has_pages_samples_and_rules_between_events(dispatch: Stack, tmp_path: Path) -> None:
    dispatch.ok("contract", "docs", "--out", str(tmp_path))
    page = (tmp_path / "trips.html").read_text()
    assert "Dispatch" in page
    assert "ends_after_it_starts" in page
    assert "Dispatch" in (tmp_path / "trips.md").read_text()
    [rule] = dispatch.json("contract", "verify", "trips")["rules"]
    assert (rule["checked"], rule["violations"]) == (ROWS, 0)
    produced = dispatch.json("produce", "trips", "--events", "500", "--rate", "1000")
    assert produced["streams"]["trips"]["events"] == 500
    audited = dispatch.audit("trips")
    assert (audited["dead"], audited["lost"]) == (0, 0)
