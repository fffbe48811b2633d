"""Avro with the schema registry: valid and poison records, and a registry that is killed."""

import json
import os
import signal
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psutil
import pytest
import yaml
from confluent_kafka import Producer

from lakehead.contracts.avro import avro_schema
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.types import FieldType
from lakehead.errors import NotRunning, UserError
from lakehead.streams import registry
from lakehead.streams.encode_avro import AvroEncoder
from tests.conftest import Stack, wait_until
from tests.integration import extremes

pytestmark = pytest.mark.integration

TRADES: dict[str, Any] = {
    "apiVersion": "v3.2.0",
    "kind": "DataContract",
    "id": "trades",
    "name": "trades",
    "version": "1.0.0",
    "status": "active",
    "schema": [
        {
            "name": "trades",
            "physicalType": "topic",
            "properties": [
                {
                    "name": "trade_id",
                    "logicalType": "string",
                    "required": True,
                    "logicalTypeOptions": {"pattern": "^T[0-9]+$"},
                },
                {"name": "price", "logicalType": "number", "physicalType": "decimal(12,3)"},
                {
                    "name": "legs",
                    "logicalType": "array",
                    "items": {
                        "logicalType": "object",
                        "properties": [
                            {"name": "venue", "logicalType": "string"},
                            {"name": "at", "logicalType": "timestamp"},
                        ],
                    },
                },
                {"name": "event_time", "logicalType": "timestamp", "required": True},
            ],
        }
    ],
    "customProperties": [
        {"property": "eventTime", "value": "event_time"},
        {"property": "watermarkDelay", "value": "2 seconds"},
        {"property": "key", "value": "trade_id"},
        {"property": "partitions", "value": 2},
        {"property": "encoding", "value": "avro"},
    ],
}
TOPIC = "trades"


@pytest.fixture(scope="module")
def avro(
    new_stack: Callable[[], Stack], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack with a registry, and a project of one Avro stream whose job runs."""
    project = tmp_path_factory.mktemp("project")
    (project / "schemas").mkdir()
    (project / "pipelines").mkdir()
    (project / "schemas" / "trades.yaml").write_text(yaml.safe_dump(TRADES, sort_keys=False))
    stack = new_stack().of(project)
    started = stack.json("up", "--port-base", str(stack.port_base), "--with", "registry")
    assert started["registry"] == stack.settings.registry_url
    stack.ok("submit", TOPIC)
    yield stack
    # The tests that follow need the memory.
    stack.ok("down")


@pytest.fixture(scope="module")
def contract(avro: Stack) -> Contract:
    return load_contract(avro.project / "schemas", TOPIC)


@pytest.fixture(scope="module")
def encoder(avro: Stack, contract: Contract) -> AvroEncoder:
    return registered(avro, contract)


def registered(stack: Stack, contract: Contract) -> AvroEncoder:
    """An encoder of the contract's schema, under the id that the registry gives it."""
    schema = avro_schema(contract)
    subject = registry.subject(TOPIC)
    return AvroEncoder(schema, registry.register(stack.settings, subject, json.dumps(schema)))


def trade(number: int, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    legs = [{"venue": "XLON", "at": now}, {"venue": None, "at": None}]
    event = {"trade_id": f"T{number}", "price": Decimal("1.250"), "legs": legs, "event_time": now}
    return event | more


def publish(stack: Stack, records: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": stack.settings.bootstrap})
    for i, record in enumerate(records):
        producer.produce(TOPIC, record, partition=i % 2)
    assert producer.flush(30) == 0


def rows(stack: Stack, sql: str) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = json.loads(stack.ok("query", sql, "--format", "json"))
    return result


def audited(stack: Stack) -> dict[str, Any]:
    audit = stack.audit(TOPIC)
    assert (audit["in_flight"], audit["lost"], audit["duplicated"]) == (0, 0, 0)
    return audit


class _Closing(socketserver.TCPServer):
    """Takes connections and closes them without a word."""

    allow_reuse_address = True


@contextmanager
def killed(stack: Stack) -> Iterator[None]:
    """The registry is killed, and its port kept from the one that is started in its place."""
    pid = stack.pid("registry")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid), "the registry to be gone")
    address = ("127.0.0.1", stack.settings.ports.registry)
    with _Closing(address, socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def answers(stack: Stack) -> bool:
    try:
        registry.probe(stack.settings)
    except NotRunning:
        return False
    return True


def job(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = next(j for j in stack.json("jobs")["jobs"] if j["name"] == TOPIC)
    return found


def waits_for(cause: str, stack: Stack) -> bool:
    found = job(stack)
    return found["state"] == "restarting" and found["cause"].startswith(cause)


def test_the_home_remembers_that_it_wants_a_registry(avro: Stack) -> None:
    assert json.loads((avro.home / "settings.json").read_text())["extras"] == ["registry"]
    assert avro.json("up")["registry"] == avro.settings.registry_url
    assert f"Schema registry {avro.settings.registry_url}" in avro.ok("up")
    part = next(p for p in avro.json("status")["parts"] if p["name"] == "registry")
    assert part["healthy"]
    assert part["address"] == avro.settings.registry_url
    assert "Schema registry" in avro.run("doctor").stdout
    assert (avro.home / "logs" / "registry.log").exists()


def test_valid_records_land_and_poison_is_dead_with_its_cause(
    avro: Stack, encoder: AvroEncoder
) -> None:
    before = audited(avro)
    good = encoder.encode(trade(1))
    poison = {
        b'{"trade_id": "T1"}': "no schema id: byte 0 of the record is 0x7b, expected 0x00",
        good[:4]: "no schema id: the record has 4 bytes, the header alone has 5",
        good[:9]: "unexpected end of the record",
        good + b"\x00": "trailing content: ",
        b"\x00\x00\x01\x86\x9f" + good[5:]: "the schema registry knows no schema with the id 99999",
        encoder.encode(trade(1, trade_id="oops")): "trade_id.pattern: is oops",
    }
    publish(avro, [encoder.encode(trade(n)) for n in range(500)] + list(poison))
    after = audited(avro)
    assert after["landed"] - before["landed"] == 500
    assert after["dead"] - before["dead"] == len(poison)
    dead = rows(avro, "SELECT hex(record) AS record, cause FROM landing.trades_dead")
    causes = {bytes.fromhex(row["record"]): row["cause"] for row in dead}
    for record, cause in poison.items():
        assert causes[record].startswith(cause), (record, causes[record])


def test_values_are_those_that_were_written(avro: Stack, encoder: AvroEncoder) -> None:
    at = datetime.now(UTC).replace(microsecond=123_457)
    event = trade(7001, legs=[{"venue": "grüße", "at": at}, None], event_time=at, price=None)
    publish(avro, [encoder.encode(event)])
    audited(avro)
    [row] = rows(
        avro,
        "SELECT price, epoch_us(event_time) AS us, len(legs) AS legs, legs[1].venue AS venue, "
        "epoch_us(legs[1].at) AS leg_us FROM landing.trades WHERE trade_id = 'T7001'",
    )
    us = int(at.timestamp()) * 1_000_000 + at.microsecond
    assert row == {"price": None, "us": us, "legs": 2, "venue": "grüße", "leg_us": us}


def test_a_killed_registry_loses_nothing_and_kills_no_record(
    avro: Stack, contract: Contract, encoder: AvroEncoder
) -> None:
    before = audited(avro)
    note = Field("note", FieldType("string"))
    newer = registered(avro, replace(contract, fields=(*contract.fields, note)))
    with killed(avro):
        publish(avro, [newer.encode(trade(n, note="new")) for n in range(8000, 8100)])
        publish(avro, [encoder.encode(trade(n)) for n in range(8100, 8200)])
        cause = f"The schema registry at {avro.settings.registry_url} gives no schema"
        wait_until(lambda: waits_for(cause, avro), "the job to be restarting, with its cause")
        wait_until(
            lambda: f"{TOPIC} (restarting): {cause}" in avro.ok("status"), "status to say so"
        )
        parts = {p["name"]: p["healthy"] for p in avro.json("status")["parts"]}
        assert not parts.pop("registry")
        assert all(parts.values())
        [dead] = rows(avro, "SELECT count(*) AS n FROM landing.trades_dead")
        assert dead["n"] == before["dead"]
    wait_until(lambda: answers(avro), "the registry to be back")
    after = audited(avro)
    assert after["landed"] - before["landed"] == 200
    assert after["dead"] == before["dead"]
    wait_until(lambda: not job(avro)["cause"], "the failure to be past")
    assert job(avro)["state"] == "running"


def test_a_schema_that_cannot_read_the_old_ones_is_refused(avro: Stack, contract: Contract) -> None:
    other = FieldType("long")
    changed = [replace(f, type=other) if f.name == "price" else f for f in contract.fields]
    with pytest.raises(UserError, match="refuses the schema of trades-value: Incompatible"):
        registered(avro, replace(contract, fields=tuple(changed)))


def test_without_takes_it_off_and_with_brings_its_schemas_back(
    avro: Stack, contract: Contract, encoder: AvroEncoder
) -> None:
    stopped = avro.json("up", "--without", "registry")
    assert stopped["registry"] is None
    assert "registry" not in {p["name"] for p in avro.json("status")["parts"]}
    assert (avro.settings.registry / "schemas.mv.db").exists()
    assert avro.json("up")["registry"] is None
    assert avro.json("up", "--with", "registry")["registry"] == avro.settings.registry_url
    known = encoder.encode(trade(1))[:5]
    assert registered(avro, contract).encode(trade(1))[:5] == known


def test_the_producer_makes_samples_and_poison_in_avro(avro: Stack) -> None:
    before = avro.audit(TOPIC)
    faults = ("--poison", "0.1", "--duplicates", "0.05", "--seed", "5")
    made = avro.json("produce", TOPIC, "--events", "1000", "--rate", "2000", *faults)
    manifest = made["streams"][TOPIC]
    assert manifest["poison"]["count"] > 50
    after = avro.audit(TOPIC)
    assert (after["lost"], after["duplicated"], after["in_flight"]) == (0, 0, 0)
    assert after["dead"] - before["dead"] == manifest["poison"]["count"]
    assert all(fault["found"] == fault["injected"] > 0 for fault in after["faults"])


def test_extreme_values_of_every_type_come_back_from_avro(
    avro: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = tmp_path_factory.mktemp("extremes")
    for folder in ("schemas", "pipelines"):
        (project / folder).mkdir()
    (project / "schemas" / f"{extremes.STREAM}.yaml").write_text(extremes.contract_text("avro"))
    stack = avro.of(project)
    stack.ok("contract", "apply", extremes.STREAM)
    schema = avro_schema(load_contract(stack.settings.schemas, extremes.STREAM))
    subject = registry.subject(extremes.STREAM)
    encoder = AvroEncoder(schema, registry.register(stack.settings, subject, json.dumps(schema)))
    producer = Producer({"bootstrap.servers": stack.settings.bootstrap})
    for event in extremes.events():
        producer.produce(extremes.STREAM, encoder.encode(event), str(event["id"]))
    assert producer.flush(30) == 0
    extremes.check_landed(stack)
