"""Poison is refused, for the reason that is foretold, whatever the contract."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import fastavro
import pytest

from lakehead.contracts.avro import avro_schema
from lakehead.contracts.model import Contract
from lakehead.contracts.samples import sample_events
from lakehead.streams.encode import AvroEvents, JsonEncoder, moment_of
from lakehead.streams.encode_avro import AvroEncoder
from lakehead.streams.events import Source
from lakehead.streams.produce import poison
from lakehead.streams.produce.poison import POISON_KINDS
from lakehead.streams.produce.spoil import Spoiler

NOW = 1_750_000_000
FUTURE = (NOW + 3600) * 1000
Judge = Callable[[Contract, bytes | None, float], str | None]


def spoilt(contract: Contract, kind: str, events: list[dict[str, Any]]) -> list[bytes | None]:
    spoiler = Spoiler(contract, JsonEncoder(contract))
    clean = [{n: v for n, v in e.items() if n != contract.event_time} for e in events]
    return [spoiler.spoil(kind, fields, NOW * 1000, FUTURE) for fields in clean]


@pytest.mark.parametrize("kind", POISON_KINDS)
def test_every_poison_of_orders_is_dead_for_its_reason(
    kind: str, source: Source, contract: Contract, judge: Judge
) -> None:
    events = [event.fields for event in source.events(200)]
    expected = Spoiler(contract, JsonEncoder(contract)).expected[kind]
    for fields, value in zip(events, spoilt(contract, kind, events), strict=True):
        assert judge(contract, JsonEncoder(contract).encode(fields, NOW * 1000), NOW) is None
        assert expected in (judge(contract, value, NOW) or "")
        assert (value is None) == (kind == poison.TOMBSTONE)


@pytest.mark.parametrize("kind", POISON_KINDS)
def test_every_poison_of_a_contract_with_everything_is_dead_for_its_reason(
    kind: str, everything: Contract, judge: Judge
) -> None:
    events = list(islice(sample_events(everything), 100))
    expected = Spoiler(everything, JsonEncoder(everything)).expected[kind]
    for value in spoilt(everything, kind, events):
        assert expected in (judge(everything, value, NOW) or "")


def test_orders_has_every_kind_and_says_what_each_must_give(contract: Contract) -> None:
    spoiler = Spoiler(contract, JsonEncoder(contract))
    assert spoiler.kinds == POISON_KINDS
    assert spoiler.left_out == {}
    assert spoiler.expected == {
        "truncated": "malformed JSON",
        "wrong_type": "quantity.type",
        "missing_field": "country.required",
        "bad_enum": "status.enum",
        "not_utf8": "not UTF-8",
        "empty": "empty",
        "not_an_object": "not a JSON object",
        "future_clock": "event_time.clock",
        "tombstone": "tombstone",
        "past_clock": "event_time.epoch",
        "out_of_range": "quantity.maximum",
        "bad_pattern": "invoice.pattern",
        "huge": "too large",
    }


def test_kinds_that_a_contract_cannot_have_are_left_out_with_the_reason(
    contract: Contract,
) -> None:
    bare = replace(contract, fields=(contract.field("description"), contract.field("event_time")))
    spoiler = Spoiler(bare, JsonEncoder(bare))
    assert spoiler.left_out == {
        "bad_enum": "no field has an enum",
        "out_of_range": "no field has a bound that a value of its type can pass",
        "bad_pattern": "no field has a pattern that some text breaks",
    }
    assert spoiler.expected["wrong_type"] == "event_time.type"
    assert spoiler.expected["missing_field"] == "event_time.required"
    with pytest.raises(ValueError, match="'bad_enum' is no kind of poison of orders"):
        spoiler.spoil("bad_enum", {}, 0, 0)


def test_only_the_kinds_that_were_asked_for_are_there(contract: Contract) -> None:
    assert Spoiler(contract, JsonEncoder(contract), ("huge", "empty")).kinds == ("huge", "empty")


def test_rules_of_optional_objects_are_left_alone(everything: Contract) -> None:
    address = replace(everything.field("address"), required=False)
    fields = tuple(address if f.name == "address" else f for f in everything.fields)
    only = tuple(f for f in fields if f.name in ("id", "address", "event_time"))
    loose = replace(everything, fields=only, rules=())
    assert Spoiler(loose, JsonEncoder(loose)).expected["wrong_type"] == "address.type"
    assert Spoiler(loose, JsonEncoder(loose)).expected["missing_field"] == "id.required"


def test_avro_has_the_kinds_that_its_schema_can_hold(everything: Contract) -> None:
    avro = replace(everything, encoding="avro")
    schema = avro_schema(avro)
    encoder = AvroEvents(avro, AvroEncoder(schema, 7))
    spoiler = Spoiler(avro, encoder)
    assert set(spoiler.left_out) == {"wrong_type", "missing_field"}
    event = next(sample_events(everything))
    moment = moment_of(event.pop("event_time"))
    whole = encoder.encode(event, moment)
    made = {kind: spoiler.spoil(kind, event, moment, FUTURE) for kind in spoiler.kinds}
    assert made["truncated"] == whole[:5]
    assert made["not_an_object"] == b"[" + whole + b"]"
    assert len(made["huge"] or b"") > 1024 * 1024
    latin = made["not_utf8"] or b""
    assert b"C\xf4 te" in latin
    for kind, field, value in (
        ("future_clock", "event_time", datetime.fromtimestamp(FUTURE / 1000, UTC)),
        ("past_clock", "event_time", datetime.fromtimestamp(-1, UTC)),
        ("bad_enum", "kind", "teleported"),
        ("out_of_range", "seats", 10),
        ("bad_pattern", "zip", "?!"),
    ):
        read = fastavro.schemaless_reader(_body(made[kind]), schema, None)
        assert isinstance(read, dict) and read[field] == value
        assert made[kind] != whole


def _body(value: bytes | None) -> Any:
    import io

    assert value is not None and value[:5] == b"\x00\x00\x00\x00\x07"
    return io.BytesIO(value[5:])


def test_a_truncated_event_is_cut_between_characters(contract: Contract) -> None:
    fields = {"invoice": "\u00e9" * 50, "country": "\U0001f600" * 20}
    for more in range(4):
        spoiler = Spoiler(contract, JsonEncoder(contract))
        value = spoiler.spoil("truncated", fields | {"x": "y" * more}, NOW * 1000, FUTURE)
        (value or b"\xff").decode()
        with pytest.raises(ValueError):
            json.loads(value or b"")
