"""The batch's runs leave OpenLineage events in the home, whatever comes of them."""

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from spec import validate

from lakehead.lake.snapshots import table_state
from lakehead.lineage.run_events import events_path, recorded
from lakehead.proof.reconcile import reconcile
from lakehead.proof.settle import settle_late
from lakehead.settings import Settings
from tests.small_lake import TUMBLE, Lake, event, make_lake, window


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two windows, of which the mart has a wrong answer to the first."""
    made = make_lake(tmp_path)
    made.model(**TUMBLE, late="update")
    made.land(event(0, 1), event(1, 11), event(2, 21), checkpoint=1)
    made.answer(window(0, 7), window(10, 1), checkpoint=1)
    return made


def written(settings: Settings) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in events_path(settings).read_text().splitlines()]
    for each in events:
        validate(each)
    return events


def versions(dataset: dict[str, Any]) -> int:
    return int(dataset["facets"]["version"]["datasetVersion"])


def test_a_reconcile_says_what_it_read_and_made(lake: Lake) -> None:
    before = table_state(lake.settings, "landing.orders").snapshot_id
    reconcile(lake.settings, ["m"])
    start, end = written(lake.settings)
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == end["run"]["runId"]
    assert start["job"]["name"] == end["job"]["name"] == "reconcile.m"
    assert [d["name"] for d in end["inputs"]] == ["landing.orders"]
    assert versions(end["inputs"][0]) == before
    assert versions(end["outputs"][0]) == table_state(lake.settings, "marts.m").snapshot_id


def test_a_dry_run_writes_nothing(lake: Lake) -> None:
    reconcile(lake.settings, ["m"], dry_run=True)
    assert not events_path(lake.settings).exists()


def test_what_a_gate_refuses_has_failed(lake: Lake) -> None:
    reconcile(lake.settings, ["m"], gates={"m": lambda _: "n is too small"})
    end = written(lake.settings)[-1]
    assert end["eventType"] == "FAIL"
    assert end["run"]["facets"]["errorMessage"]["message"] == "n is too small"


def test_late_rows_that_are_settled_are_a_run_and_none_are_none(lake: Lake) -> None:
    settle_late(lake.settings, "m")
    assert not events_path(lake.settings).exists()
    lake.land(event(3, 2, 25), checkpoint=2)
    assert settle_late(lake.settings, "m").windows == 1
    events = written(lake.settings)
    assert [(e["job"]["name"], e["eventType"]) for e in events] == [
        ("settle.m", "START"),
        ("settle.m", "COMPLETE"),
    ]


def test_an_error_is_told_and_goes_on(lake: Lake) -> None:
    with (
        pytest.raises(ValueError, match="no disk"),
        recorded(lake.settings, "maintain.marts.m", {"marts.m": None}, ["marts.m"]),
    ):
        raise ValueError("no disk")
    assert written(lake.settings)[-1]["run"]["facets"]["errorMessage"]["message"] == "no disk"


def test_a_run_goes_on_where_nothing_can_be_written(
    lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    events_path(lake.settings).parent.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        [done] = reconcile(lake.settings, ["m"])
    assert done.changed == 1
    assert "the lineage of reconcile.m is not written" in caplog.text


def test_a_table_that_is_gone_is_told_without_a_snapshot(lake: Lake) -> None:
    with recorded(lake.settings, "maintain.marts.gone", {}, ["marts.gone"]):
        pass
    end = written(lake.settings)[-1]
    assert end["eventType"] == "COMPLETE"
    assert "facets" not in end["outputs"][0]


def test_lines_of_runs_at_once_do_not_mix(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, project=tmp_path)

    def run(number: int) -> None:
        for _ in range(20):
            with recorded(settings, f"reconcile.{number}" + "x" * 5000, {}, []):
                pass

    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = written(settings)
    assert len(events) == 6 * 20 * 2
    assert len({e["run"]["runId"] for e in events}) == 6 * 20
