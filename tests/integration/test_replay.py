"""A stream's history, published again from the lake by the real broker."""

import json
import time
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from lakehead.replay.publish import HEADER
from tests.conftest import Stack

pytestmark = pytest.mark.integration


def test_history_is_published_again_with_its_own_times(stack: Stack) -> None:
    stack.ok("produce", "orders", "--events", "3000", "--rate", "3000", "--poison", "0.01")
    landed = stack.audit("orders")["landed"]
    planned = stack.json("replay", "orders", "--to-topic", "orders-again", "--dry-run")
    assert planned["replayed"]["records"] == landed
    done = stack.json("replay", "orders", "--to-topic", "orders-again")["replayed"]
    assert (done["records"], done["topic_made"]) == (landed, True)

    read = consumed(stack, "orders-again", landed)
    rows = stack.json(
        "query",
        "SELECT kafka_partition AS p, kafka_offset AS o, epoch_ms(kafka_timestamp) AS at, invoice,"
        " epoch_us(event_time) AS us FROM landing.orders ORDER BY ALL",
    )
    assert len(rows) == landed
    for row in rows:
        message = read[f"{row['p']}:{row['o']}"]
        assert (message.partition(), message.timestamp()[1]) == (row["p"], row["at"])
        value = message.value()
        assert value
        assert json.loads(value)["invoice"] == row["invoice"]


def consumed(stack: Stack, topic: str, count: int) -> dict[str, Message]:
    """The records by where they lay before; there must be no others."""
    reader = Consumer({"bootstrap.servers": stack.settings.bootstrap, "group.id": "check"})
    found: dict[str, Message] = {}
    end = time.monotonic() + 60
    try:
        reader.assign([TopicPartition(topic, p, 0) for p in range(4)])
        while len(found) < count:
            assert time.monotonic() < end, f"{len(found)} of {count} records came"
            for message in reader.consume(1000, timeout=1):
                assert message.error() is None
                headers: Any = dict(message.headers() or [])
                found[headers[HEADER].decode()] = message
        assert reader.consume(1, timeout=1) == []
    finally:
        reader.close()
    return found
