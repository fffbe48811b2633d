"""Records are read and judged as the job reads and judges them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import fastavro
import pytest

from lakehead.contracts.avro import avro_schema
from lakehead.contracts.convert import with_named_floats
from lakehead.contracts.load import contract_names, load_contract
from lakehead.contracts.model import Contract
from lakehead.contracts.samples import sample_events
from lakehead.deadletters.avro_codec import AvroCodec
from lakehead.deadletters.codec import Judge, Judged
from lakehead.deadletters.json_codec import JsonCodec
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.streams.encode import JsonEncoder
from lakehead.streams.encode_avro import AvroEncoder
from lakehead.streams.produce.poison import POISON_KINDS
from lakehead.streams.produce.spoil import Spoiler

NOW = 1_750_000_000
SCHEMAS = INSTALL_ROOT / "schemas"
VALID = {
    "refund_id": "R1",
    "amount": "12.50",
    "number": 7,
    "event_time": "2025-06-15T15:00:00Z",
}


@pytest.fixture
def judge(contract: Contract) -> Judge:
    return Judge(contract, JsonCodec(contract))


def problems(judge: Judge, **changes: Any) -> list[str]:
    return judged(judge, json.dumps(VALID | changes).encode()).problems


def plain(value: Any) -> Any:
    """Less what is null, and what equals nothing as text."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return with_named_floats(value)


def judged(judge: Judge, record: bytes | None) -> Judged:
    """Whichever way it is judged, the verdict is the same."""
    found = judge.judge(record, NOW)
    values, said = judge.read(record, NOW)
    assert said == found.problems
    if not said:
        assert found.decoded.event is not None
        event = judge.codec.values(found.decoded.event)
        assert plain(values) == plain(judge._validator.read(event)[0])
    return found


def rules(judge: Judge, **changes: Any) -> list[str]:
    return [problem.partition(": ")[0] for problem in problems(judge, **changes)]


@pytest.mark.parametrize("stream", contract_names(SCHEMAS))
def test_what_the_producer_sends_is_valid_and_what_it_spoils_is_not(stream: str) -> None:
    contract = load_contract(SCHEMAS, stream)
    encoder = JsonEncoder(contract)
    judge, spoiler = Judge(contract, JsonCodec(contract)), Spoiler(contract, encoder)
    for event in islice(sample_events(contract, 3), 10):
        fields = {n: v for n, v in event.items() if n != contract.event_time}
        sent = judged(judge, encoder.encode(fields, NOW * 1000))
        assert sent.problems == []
        assert sent.key is not None
        for kind in spoiler.kinds:
            record = spoiler.spoil(kind, fields, NOW * 1000, (NOW + 3600) * 1000)
            said = "; ".join(judged(judge, record).problems)
            assert spoiler.expected[kind] in said, (kind, record)
    assert set(spoiler.kinds) <= set(POISON_KINDS)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        ({"amount": 12.5, "ratio": "NaN", "note": None, "unknown": [1]}, []),
        ({"number": 1e2, "address": {"city": "Riga", "floor": 3}}, []),
        ({"tags": {"a": 1}, "photo": "AAEC"}, []),
        ({"event_time": "2025-06-15 15:00+02:00"}, []),
        ({"number": "7"}, ["number.type"]),
        ({"number": 7.5}, ["number.type"]),
        ({"number": 2**63}, ["number.type"]),
        ({"amount": "1e1"}, ["amount.type"]),
        ({"amount": "012"}, ["amount.type"]),
        ({"amount": 1.234}, ["amount.type"]),
        ({"ratio": "0.5"}, ["ratio.type"]),
        ({"photo": "***"}, ["photo.type"]),
        ({"tags": '{"a": 1}'}, ["tags.type"]),
        ({"event_time": "20250615T150000Z"}, ["event_time.type"]),
        ({"event_time": "2025-06-15T15:00:00"}, ["event_time.type"]),
        ({"event_time": "2025-06-15T15:00:00.1234567Z"}, ["event_time.type"]),
        ({"event_time": "2025-06-15T16:00:00Z"}, ["event_time.clock"]),
        ({"amount": -1, "note": "x"}, ["amount.minimum"]),
        ({"amount": 1}, ["small_is_noted"]),
        ({"address": {"zip": "1010"}}, ["address.city.required"]),
    ],
)
def test_values_are_taken_as_strict_json_takes_them(
    judge: Judge, changes: dict[str, Any], broken: list[str]
) -> None:
    assert rules(judge, **changes) == broken


@pytest.mark.parametrize(
    ("record", "begins"),
    [
        (None, "tombstone"),
        (b"", "empty"),
        (b'{"a": "\xf6"}', "not UTF-8: byte 7 of the record is 0xf6"),
        (b'{"a": NaN}', "malformed JSON"),
        (b'{"a": 1} {}', "malformed JSON"),
        (b'{"a": ', "malformed JSON"),
        (b"[" * 100_000, "malformed JSON: it is nested too deeply"),
        (b"[1]", "not a JSON object"),
        (b'{"refund_id": "R1", "refund_id": "R2"}', "refund_id.repeated"),
    ],
)
def test_what_is_no_event_says_why(judge: Judge, record: bytes | None, begins: str) -> None:
    assert judge.judge(record, NOW).problems[0].startswith(begins)


def test_an_alias_stands_for_the_field_and_keys_have_its_text(judge: Judge) -> None:
    event = {k: v for k, v in VALID.items() if k != "refund_id"} | {"refund": "R9"}
    judged = judge.judge(b"\xef\xbb\xbf" + json.dumps(event).encode(), NOW)
    assert (judged.problems, judged.key) == ([], b"R9")
    both = judge.judge(json.dumps(event | VALID).encode(), NOW)
    assert both.key == b"R1"


def test_a_record_larger_than_the_job_takes_is_not_valid(judge: Judge) -> None:
    assert "too large: the record has" in problems(judge, note="x" * 1024 * 1024)[0]


class Registered(AvroCodec):
    """Knows the schemas it is given, without a registry."""

    def __init__(self, contract: Contract, schemas: dict[int, Any]) -> None:
        super().__init__(Settings(Path("/nowhere"), Path("/nowhere")), contract)
        self._schemas = schemas

    def _ask(self, number: int) -> dict[str, Any] | str:
        return self._schemas.get(number, f"no schema {number}")

    def encode(self, event: dict[str, Any]) -> bytes:
        return AvroEncoder(avro_schema(self._contract), 7).encode(self.values(event))


@pytest.fixture
def avro(contract: Contract) -> Iterator[tuple[Judge, AvroEncoder]]:
    contract = replace(contract, encoding="avro")
    schema = avro_schema(contract)
    codec = Registered(contract, {7: fastavro.parse_schema(json.loads(json.dumps(schema)))})
    yield Judge(contract, codec), AvroEncoder(schema, 7)


EVENT = {
    "refund_id": "R1",
    "amount": Decimal("-1.00"),
    "number": 7,
    "note": "x",
    "event_time": datetime(2025, 6, 15, 15, tzinfo=UTC),
}


def test_avro_is_read_judged_and_mended_with_values_as_json_has_them(
    avro: tuple[Judge, AvroEncoder],
) -> None:
    judge, encoder = avro
    dead = judge.judge(encoder.encode(EVENT), NOW)
    assert dead.problems == ["amount.minimum: is -1.00, expected at least 0"]
    assert dead.decoded.event and dead.decoded.event["refund_id"] == "R1"
    mended = judge.codec.encode(dead.decoded.event | {"amount": "12.50"})
    judged = judge.judge(mended, NOW)
    assert (judged.problems, judged.key) == ([], b"R1")
    assert judged.decoded.event and judged.decoded.event["amount"] == Decimal("12.50")


def test_avro_that_breaks_off_is_read_as_far_as_it_goes(avro: tuple[Judge, AvroEncoder]) -> None:
    judge, encoder = avro
    record = encoder.encode(EVENT)
    found = judge.decode(record[:10])
    assert (found.partial, found.event) == (True, {"refund_id": "R1", "amount": Decimal("-1.00")})
    assert found.problems[0].startswith("not decoded")
    assert judge.decode(record + b"x").problems == [
        "trailing content: 1 bytes follow the Avro data"
    ]
    assert judge.decode(b"[1]").problems[0].startswith("no schema id")
    assert judge.decode(b"\0\0\0\0\x08abc").problems == ["no schema 8"]
