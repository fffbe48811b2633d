"""Transactions leave offsets without a record: they are no loss, and an abort leaves no rows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer

from lakehead.streams.empty import all_empty, count_empty
from tests.conftest import Stack

pytestmark = pytest.mark.integration
STREAM = "transfers"
EACH = 20


@pytest.fixture(scope="module")
def bank(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    project = tmp_path_factory.mktemp("bank")
    for folder in ("schemas", "pipelines"):
        (project / folder).mkdir()
    asked = stack.of(project)
    asked.ok("contract", "new", STREAM)
    asked.ok("submit", STREAM)
    yield asked
    asked.ok("stop", STREAM)


def send(producer: Producer, name: str) -> None:
    for i in range(EACH):
        event = {"id": f"{name}{i}", "event_time": datetime.now(UTC).isoformat()}
        producer.produce(STREAM, json.dumps(event).encode(), partition=0)


def test_what_was_taken_back_is_neither_landed_nor_lost(bank: Stack) -> None:
    producer = Producer(
        {"bootstrap.servers": bank.settings.bootstrap, "transactional.id": "transfers"}
    )
    producer.init_transactions(30)
    for name, kept in (("a", True), ("b", False), ("c", True), ("d", False)):
        producer.begin_transaction()
        send(producer, name)
        producer.flush(30)
        if kept:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
    # Two aborted, with their marks, and the marks of those that were committed.
    empty, end = 2 * EACH + 4, 4 * (EACH + 1)
    assert count_empty(bank.settings, STREAM, 0, 0, end) == empty
    assert all_empty(bank.settings, STREAM, 0, 3 * (EACH + 1), end)
    assert not all_empty(bank.settings, STREAM, 0, 2 * (EACH + 1), end)

    audited = bank.audit(STREAM)
    names = ("produced", "landed", "dead", "empty", "in_flight", "lost", "duplicated")
    assert {n: audited[n] for n in names} == {
        "produced": end,
        "landed": 2 * EACH,
        "dead": 0,
        "empty": empty,
        "in_flight": 0,
        "lost": 0,
        "duplicated": 0,
    }
    found = bank.json("query", f"SELECT DISTINCT id[1] AS name FROM landing.{STREAM} ORDER BY 1")
    assert [row["name"] for row in found] == ["a", "c"]


def test_the_ledger_says_the_same(bank: Stack) -> None:
    # The job has committed all that it had, and the mark of the last transaction is behind it.
    bank.ok("stop", STREAM)
    [row] = bank.json("ledger", STREAM)["streams"]
    counted = {n: row[n] for n in ("landed", "dead", "empty", "lost")}
    assert counted == {"landed": 2 * EACH, "dead": 0, "empty": EACH + 2, "lost": 0}
    assert row["produced"] == 3 * (EACH + 1) - 1
