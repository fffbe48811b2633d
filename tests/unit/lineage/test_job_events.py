"""The project's lineage as OpenLineage events, held against its spec."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cattrs import ClassValidationError
from spec import validate

from lakehead.lineage.graph import Graph
from lakehead.lineage.job_events import job_events
from lakehead.settings import Settings

AT = datetime(2026, 1, 31, tzinfo=UTC)
Event = dict[str, Any]


@pytest.fixture(scope="module")
def events(gallery: Settings, gallery_graph: Graph) -> dict[str, Event]:
    return {e["job"]["name"]: e for e in job_events(gallery, gallery_graph, AT)}


def test_each_event_keeps_the_spec(
    events: dict[str, Event], layered: Settings, layered_graph: Graph
) -> None:
    for event in (*events.values(), *job_events(layered, layered_graph, AT)):
        validate(json.loads(json.dumps(event)))


def test_one_event_for_each_landing_and_each_model(
    events: dict[str, Event], gallery_graph: Graph
) -> None:
    assert sorted(events) == sorted(
        f"{'model' if step.sql else 'land'}.{step.name}" for step in gallery_graph.steps
    )


def test_a_model_says_what_it_reads_and_writes(events: dict[str, Event], gallery: Settings) -> None:
    event = events["model.revenue_by_country"]
    lake = f"file://{gallery.warehouse}"
    assert [(d["namespace"], d["name"]) for d in event["inputs"]] == [(lake, "landing.orders")]
    assert [(d["namespace"], d["name"]) for d in event["outputs"]] == [
        (lake, "marts.revenue_by_country")
    ]
    assert event["eventTime"] == "2026-01-31T00:00:00+00:00"
    assert "SUM(quantity * price) AS revenue" in event["job"]["facets"]["sql"]["query"]
    said = event["job"]["facets"]["documentation"]["description"]
    assert said.startswith("What does each country spend?")
    lineage = event["outputs"][0]["facets"]["columnLineage"]
    done = {
        "type": "DIRECT",
        "subtype": "AGGREGATION",
        "description": "SUM(quantity * price)",
        "masking": False,
    }
    assert lineage["fields"]["revenue"] == {
        "inputFields": [
            {"namespace": lake, "name": "landing.orders", "field": f, "transformations": [done]}
            for f in ("quantity", "price")
        ]
    }
    # COUNT(*) reads no column.
    assert "lines" not in lineage["fields"]
    uses = [(u["field"], u["transformations"][0]["subtype"]) for u in lineage["dataset"]]
    assert uses == [("country", "GROUP_BY"), ("event_time", "WINDOW")]


def test_rows_are_no_field(layered: Settings, layered_graph: Graph) -> None:
    """HAVING and ORDER BY are of COUNT(*)."""
    events = {e["job"]["name"]: e for e in job_events(layered, layered_graph, AT)}
    lineage = events["model.sales_by_country"]["outputs"][0]["facets"]["columnLineage"]
    used = [(u["field"], u["transformations"][0]["subtype"]) for u in lineage["dataset"]]
    # Of equal rows the key decides.
    assert used == [("country", "GROUP_BY"), ("event_time", "WINDOW"), ("country", "SORT")]


def test_topics_are_named_by_their_broker(events: dict[str, Event], gallery: Settings) -> None:
    kafka = f"kafka://127.0.0.1:{gallery.ports.kafka}"
    landing, alert = events["land.orders"], events["model.failed_payments"]["outputs"][1]
    assert [(d["namespace"], d["name"]) for d in landing["inputs"]] == [(kafka, "orders")]
    assert [d["name"] for d in landing["outputs"]] == ["landing.orders", "landing.orders_dead"]
    assert (alert["namespace"], alert["name"]) == (kafka, "alerts.failed_payments")
    price = landing["inputs"][0]["facets"]["schema"]["fields"][4]
    assert (price["name"], price["type"]) == ("price", "decimal(12,3)")


def _without_namespace(event: Event) -> None:
    del event["inputs"][0]["namespace"]


def _as_a_run(event: Event) -> None:
    event["run"] = {"runId": "1"}


def _without_query(event: Event) -> None:
    del event["job"]["facets"]["sql"]["query"]


def _without_field(event: Event) -> None:
    del event["outputs"][0]["facets"]["columnLineage"]["dataset"][0]["field"]


@pytest.mark.parametrize("spoil", [_without_namespace, _as_a_run, _without_query, _without_field])
def test_the_check_finds_what_is_wrong(
    events: dict[str, Event], spoil: Callable[[Event], None]
) -> None:
    event = copy.deepcopy(events["model.revenue_by_country"])
    spoil(event)
    with pytest.raises(ClassValidationError):
        validate(event)
