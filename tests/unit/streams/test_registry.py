"""The client of the schema registry, and the encoder of the records that name its ids."""

import io
import json
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import fastavro
import pytest

from lakehead.errors import LakeheadError, NotRunning, SystemFailure, UserError
from lakehead.settings import Settings, Tuning
from lakehead.streams import registry
from lakehead.streams.encode_avro import AvroEncoder


class FakeRegistry:
    """Answers every request with ``status`` and ``body``, and keeps what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body = '{"id": 7}'
        self.asked: list[tuple[str, str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                sent = json.loads(self.rfile.read(length) or b"null")
                outer.asked.append((self.command, self.path, sent))
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(outer.body.encode())

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    made = FakeRegistry()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def home(fake: FakeRegistry, tmp_path: Path) -> Settings:
    base = fake.server.server_port - 7
    return Settings(tmp_path, tmp_path, Tuning(port_base=base, extras=("registry",)))


def test_a_schema_is_registered(fake: FakeRegistry, home: Settings) -> None:
    assert registry.register(home, registry.subject("orders"), '{"type": "string"}') == 7
    path = "/apis/ccompat/v7/subjects/orders-value/versions"
    sent = {"schema": '{"type": "string"}', "schemaType": "AVRO"}
    assert fake.asked == [("POST", path, sent)]


def test_a_subject_of_any_name(fake: FakeRegistry, home: Settings) -> None:
    registry.register(home, "a/b c-value", "{}")
    assert fake.asked[0][1].endswith("/subjects/a%2Fb%20c-value/versions")


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (
            409,
            '{"message": "io.apicurio.rules.RuleViolationException: Incompatible: /fields/0"}',
            UserError,
            "refuses the schema of orders-value: Incompatible: /fields/0",
        ),
        (422, '{"message": "no schema"}', UserError, "takes this for no schema: no schema"),
        (500, '{"message": "store"}', SystemFailure, "answers 500: store"),
        (503, "<html>", SystemFailure, "answers 503: <html>"),
        (500, "[]", SystemFailure, r"answers 500: \[\]"),
    ],
)
def test_refusals(
    fake: FakeRegistry,
    home: Settings,
    status: int,
    body: str,
    kind: type[LakeheadError],
    says: str,
) -> None:
    fake.status, fake.body = status, body
    with pytest.raises(kind, match=says):
        registry.register(home, "orders-value", "{}")


def test_a_registry_that_is_not_wanted_is_not_asked(fake: FakeRegistry, home: Settings) -> None:
    plain = replace(home, tuning=replace(home.tuning, extras=()))
    assert registry.is_wanted(home)
    assert registry.url(home) == home.registry_url
    assert not registry.is_wanted(plain)
    assert registry.url(plain) is None
    for ask in (registry.probe, lambda s: registry.register(s, "orders-value", "{}")):
        with pytest.raises(NotRunning) as caught:
            ask(plain)
        assert caught.value.hint == "lakehead up --with registry"
    assert fake.asked == []


def test_a_registry_that_is_away_is_named(home: Settings, fake: FakeRegistry) -> None:
    registry.probe(home)
    away = replace(home, tuning=replace(home.tuning, port_base=1))
    with pytest.raises(NotRunning, match=r"does not answer at http://127.0.0.1:8/") as caught:
        registry.probe(away)
    assert caught.value.hint == "lakehead up --with registry"


def test_its_client_is_loaded_when_it_is_used() -> None:
    code = "import sys, lakehead.streams.registry, lakehead.streams.encode_avro\n"
    code += "sys.exit(bool({'httpx', 'fastavro'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def field(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": kind}


MOMENT = {"type": "long", "logicalType": "timestamp-micros"}
LOCAL = {"type": "long", "logicalType": "local-timestamp-micros"}
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
INNER = {"type": "record", "name": "inner", "fields": [field("at", MOMENT)]}
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "orders",
    "fields": [
        field("id", "string"),
        field("count", "int"),
        field("at", MOMENT),
        field("local", ["null", LOCAL]) | {"default": None},
        field("price", ["null", PRICE]) | {"default": None},
        field("rows", {"type": "array", "items": ["null", INNER]}) | {"default": []},
        field("map", {"type": "map", "values": ["null", MOMENT]}) | {"default": {}},
        field("day", ["null", {"type": "int", "logicalType": "date"}]) | {"default": None},
        field("blob", ["null", "bytes"]) | {"default": None},
    ],
}
AT = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
EVENT: dict[str, Any] = {"id": "grüße", "count": -5, "at": AT}


@pytest.fixture
def read() -> Callable[[bytes], Any]:
    return lambda record: fastavro.schemaless_reader(
        io.BytesIO(record[5:]), fastavro.parse_schema(SCHEMA), None
    )


def test_a_record_names_its_schema(read: Callable[[bytes], Any]) -> None:
    record = AvroEncoder(SCHEMA, 70_000).encode(EVENT)
    assert struct.unpack(">bI", record[:5]) == (0, 70_000)
    assert {k: v for k, v in read(record).items() if k in EVENT} == EVENT


def test_values_come_back(read: Callable[[bytes], Any]) -> None:
    event = {
        "id": "",
        "count": 2**31 - 1,
        "at": AT,
        "local": AT.replace(tzinfo=None),
        "price": Decimal("-9999.99"),
        "rows": [{"at": AT}, None],
        "map": {"k": AT, "none": None},
        "day": date(1969, 12, 31),
        "blob": b"\x00\xff",
    }
    encoder = AvroEncoder(SCHEMA, 1)
    assert read(encoder.encode(event)) == event
    assert encoder.encode(event) == encoder.encode(event)


def test_another_zone_is_the_same_moment(read: Callable[[bytes], Any]) -> None:
    there = AT.astimezone(timezone(timedelta(hours=-7)))
    assert read(AvroEncoder(SCHEMA, 1).encode(EVENT | {"at": there}))["at"] == AT


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"count": "5"}, ""),
        ({"count": 2**31}, "count: 2147483648 has more than 32 bits"),
        ({"id": None}, ""),
        ({"at": AT.replace(tzinfo=None)}, "at: .* is no datetime with a time zone"),
        ({"at": 5}, "at: 5 is no datetime with a time zone"),
        ({"local": AT}, "local: .* is no datetime without a time zone"),
        ({"rows": [{"at": AT.replace(tzinfo=None)}]}, "rows: at: .* is no datetime with"),
        ({"map": {"k": AT.replace(tzinfo=None)}}, "map: .* is no datetime with"),
        ({"rows": 5}, ""),
        ({"price": Decimal("1.234")}, "does not match the decimal"),
        ({"price": Decimal("10000")}, "price: 10000 has more than 4 digits before the point"),
        ({"price": Decimal("NaN")}, "is no finite Decimal"),
        ({"price": 1.5}, "price: 1.5 is no finite Decimal"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_values_that_do_not_fit(change: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=f"the event does not fit its Avro schema: .*{says}"):
        AvroEncoder(SCHEMA, 1).encode(EVENT | change)


def test_what_is_required_must_be_there() -> None:
    with pytest.raises(UserError, match="does not fit its Avro schema"):
        AvroEncoder(SCHEMA, 1).encode({"id": "a", "count": 1})
