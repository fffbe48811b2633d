import json
import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.contracts.avro import avro_schema
from lakehead.contracts.convert import parse_json
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.samples import sample_events
from lakehead.contracts.types import FieldType
from lakehead.contracts.validate import Validator
from lakehead.streams.encode import AvroEvents, JsonEncoder, key_text, moment_of, mover
from lakehead.streams.encode_avro import AvroEncoder
from lakehead.streams.own_data.columns import Columns

NOW = 1_750_000_000_123


@given(seed=st.integers(0, 10_000))
def test_what_is_written_is_read_as_the_same_valid_event(seed: int, everything: Contract) -> None:
    encoder, validator = JsonEncoder(everything), Validator(everything)
    for event in islice(sample_events(everything, seed), 3):
        read = parse_json(encoder.encode_event(event))
        back = Columns(everything, list(read), None).event(list(read.values()))
        assert validator.problems(back) == []
        assert back == event
        fields = {n: v for n, v in event.items() if n != "event_time"}
        moment = moment_of(event["event_time"])
        assert parse_json(encoder.encode(fields, moment)) == read | {
            "event_time": event["event_time"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
        }


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("123.45"), b"123.45"),
        (Decimal("-0.10"), b"-0.10"),
        (Decimal("1E+3"), b"1000"),
        (Decimal("123456789012345.678"), b'"123456789012345.678"'),
        (b"\x00\xff", b'"AP8="'),
        (date(2026, 1, 2), b'"2026-01-02"'),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), b'"2026-01-02T03:04:05Z"'),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), b'"2026-01-02T03:04:05.000006Z"'),
        (
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
            b'"2026-01-02T03:04:05+02:00"',
        ),
        (datetime(2026, 1, 2, 3, 4, 5), b'"2026-01-02T03:04:05"'),
        (math.nan, b'"NaN"'),
        ({"a": [math.inf, -math.inf, 1.5]}, b'{"a":["Infinity","-Infinity",1.5]}'),
        (None, b"null"),
    ],
)
def test_values_are_written_as_the_decoder_reads_them(
    value: object, written: bytes, contract: Contract
) -> None:
    field = Field("v", FieldType("map", items=FieldType("double")))
    encoder = JsonEncoder(replace(contract, fields=(field, contract.field("event_time"))))
    assert encoder.encode_event({"v": value}) == b'{"v":%b}' % written
    stamped = encoder.encode({"v": value}, NOW)
    assert stamped == b'{"v":%b,"event_time":"2025-06-15T15:06:40.123Z"}' % written


def test_an_event_may_have_nothing_but_its_time(contract: Contract) -> None:
    assert json.loads(JsonEncoder(contract).encode({}, NOW)) == {
        "event_time": "2025-06-15T15:06:40.123Z"
    }


def test_a_value_of_no_type_is_a_mistake(contract: Contract) -> None:
    with pytest.raises(TypeError):
        JsonEncoder(contract).encode({"v": object()}, NOW)


def test_avro_takes_the_doubles_of_a_source_for_decimals(contract: Contract) -> None:
    schema = avro_schema(contract)
    encoder = AvroEvents(contract, AvroEncoder(schema, 1))
    fields: dict[str, Any] = {
        "invoice": "489434",
        "stock_code": "1",
        "description": None,
        "quantity": 1,
        "customer_id": None,
        "country": "X",
        "status": "placed",
    }
    double = encoder.encode(fields | {"price": 6.95}, NOW)
    assert double == encoder.encode(fields | {"price": Decimal("6.95")}, NOW)


def test_other_times_keep_their_distance_to_the_event_time(everything: Contract) -> None:
    move = mover(everything)
    assert move is not None
    event = next(sample_events(everything)) | {
        "started_at": datetime(2024, 1, 1, tzinfo=UTC),
        "local_time": None,
        "address": {"street": "x", "floor": 1, "since": datetime(2023, 1, 1, tzinfo=UTC)},
    }
    moved = move(event, 86_400_000)
    assert moved["started_at"] == datetime(2024, 1, 2, tzinfo=UTC)
    assert moved["local_time"] is None
    assert moved["address"] == {
        "street": "x",
        "floor": 1,
        "since": datetime(2023, 1, 2, tzinfo=UTC),
    }
    # The contract bounds it: it stays where it is valid.
    assert moved["opened_at"] == event["opened_at"]
    assert event["started_at"] == datetime(2024, 1, 1, tzinfo=UTC)


def test_a_contract_without_other_times_moves_nothing(contract: Contract) -> None:
    assert mover(contract) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("a", "a"),
        (12, "12"),
        (True, "true"),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.50"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        (b"\x00", "AA=="),
    ],
)
def test_a_key_is_its_fields_text(value: object, text: str | None) -> None:
    assert key_text(value) == text
