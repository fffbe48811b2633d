"""Every kind of fault that `produce` knows, on streams that belong together: injected is found."""

from collections.abc import Iterator
from typing import Any

import pytest

from lakehead.streams.produce.poison import POISON_KINDS
from tests.conftest import Stack

pytestmark = pytest.mark.integration
STREAMS = ("orders", "payments", "shipments")
FAULTS = (
    *("--poison", "0.02", "--late", "0.01", "--out-of-order", "0.01", "--duplicates", "0.01"),
    *("--hot-keys", "0.1", "--null-keys", "0.05", "--burst", "5", "--seed", "11"),
)


@pytest.fixture(scope="module")
def produced(stack: Stack) -> Iterator[dict[str, Any]]:
    """The manifests of one run over three streams, by stream; all of it landed."""
    stack.ok("submit", *STREAMS[1:])
    made = stack.json("produce", *STREAMS, "--events", "40000", "--rate", "8000", *FAULTS)
    yield made["streams"]
    for stream in STREAMS[1:]:
        stack.ok("stop", stream)


@pytest.fixture(scope="module")
def audited(stack: Stack, produced: dict[str, Any]) -> dict[str, Any]:
    streams: dict[str, Any] = stack.json("audit", *STREAMS, "--wait", "200")["streams"]
    return streams


@pytest.mark.parametrize("stream", STREAMS)
def test_what_was_injected_is_found_by_its_cause(
    produced: dict[str, Any], audited: dict[str, Any], stream: str
) -> None:
    found = audited[stream]
    assert (found["in_flight"], found["lost"], found["duplicated"]) == (0, 0, 0)
    assert found["produced"] == found["landed"] + found["dead"]
    poison = produced[stream]["poison"]
    assert set(poison["by_kind"]) | set(poison["left_out"]) == set(POISON_KINDS)
    by_kind = {fault["kind"]: fault for fault in found["faults"]}
    for kind in (*poison["by_kind"], "late", "out_of_order", "duplicate"):
        fault = by_kind[kind]
        assert fault["found"] == fault["injected"] > 0, fault
    assert by_kind["duplicate"]["injected"] >= produced[stream]["duplicates"]["count"] > 0


def test_every_kind_is_injected_into_some_stream(produced: dict[str, Any]) -> None:
    injected = {kind for m in produced.values() for kind in m["poison"]["by_kind"]}
    assert injected == set(POISON_KINDS)


def test_the_streams_join(stack: Stack, audited: dict[str, Any]) -> None:
    """A payment's invoice is in orders, but for the few whose every line was poisoned."""
    [row] = stack.json(
        "query",
        "SELECT count(*) AS payments, count(*) FILTER (o.invoice IS NULL) AS strangers"
        " FROM landing.payments p LEFT JOIN (SELECT DISTINCT invoice FROM landing.orders) o"
        " USING (invoice)",
    )
    assert row["strangers"] * 10 < row["payments"]
