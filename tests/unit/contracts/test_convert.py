from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.contracts.convert import converter, parse_json
from lakehead.contracts.types import FieldType, parse_type

VIENNA = ZoneInfo("Europe/Vienna")


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [
        ("int", "42", 42),
        ("long", "-7", -7),
        ("long", 3.0, 3),
        ("long", Decimal("3.00"), 3),
        ("double", "1e3", 1000.0),
        ("double", "NaN", "nan"),
        ("double", 2, 2.0),
        ("decimal(10,2)", "1.50", Decimal("1.50")),
        ("decimal(10,2)", 0.1, Decimal("0.1")),
        ("decimal(10,2)", 3, Decimal(3)),
        ("boolean", "true", True),
        ("boolean", "false", False),
        ("date", "2026-01-31", date(2026, 1, 31)),
        ("date", datetime(2026, 1, 31), date(2026, 1, 31)),
        ("timestamp", "2026-01-31T10:00:00Z", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("timestamp", "2026-01-31 10:00:00", datetime(2026, 1, 31, 10, tzinfo=VIENNA)),
        ("timestamp", datetime(2026, 1, 31), datetime(2026, 1, 31, tzinfo=VIENNA)),
        ("timestamp_ntz", "2026-01-31T10:00:00", datetime(2026, 1, 31, 10)),
        ("binary", "AP8=", b"\x00\xff"),
        ("string", "x", "x"),
    ],
)
def test_a_value_becomes_its_type(kind: str, given: object, found: object) -> None:
    converted = converter(parse_type(kind), VIENNA)(given)
    if found == "nan":
        assert converted != converted
    else:
        assert (converted, type(converted)) == (found, type(found))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("int", "4.0"),
        ("int", " 4"),
        ("int", "0x4"),
        ("int", 4.5),
        ("int", "1" * 30),
        ("int", True),
        ("double", "nan"),
        ("double", "1_000"),
        ("decimal(10,2)", "1,5"),
        ("decimal(10,2)", "NaN"),
        ("boolean", "yes"),
        ("boolean", 1),
        ("date", "31.1.2026"),
        ("date", "2026-02-30"),
        ("date", datetime(2026, 1, 31, 10)),
        ("timestamp", "2026-01-31"),
        ("timestamp", "noon, more or less"),
        ("timestamp", 1750000000),
        ("binary", "?!"),
        ("string", 5),
    ],
)
def test_what_does_not_fit_is_left_as_it_is(kind: str, given: object) -> None:
    converted = converter(parse_type(kind), VIENNA)(given)
    assert (converted, type(converted)) == (given, type(given))


def test_without_a_zone_a_time_has_none() -> None:
    assert converter(FieldType("timestamp"))("2026-01-31T10:00:00") == datetime(2026, 1, 31, 10)


def test_nested_values_may_be_text() -> None:
    day = FieldType("date")
    address = FieldType("object", members=(("since", day), ("zip", FieldType("string"))))
    kind = FieldType("array", items=address)
    text = '[{"since": "2026-01-31", "zip": null, "more": 1}, 7]'
    expected = [{"since": date(2026, 1, 31), "zip": None, "more": 1}, 7]
    assert converter(kind)(text) == converter(kind)(parse_json(text)) == expected
    assert converter(FieldType("map", items=day))('{"a": "2026-01-31"}') == {"a": date(2026, 1, 31)}
    assert converter(address)("{") == "{"
    assert converter(kind)("{}") == {}


@given(
    st.sampled_from(["int", "double", "decimal(9,2)", "date", "timestamp", "binary", "boolean"]),
    st.none() | st.text() | st.integers() | st.floats() | st.binary() | st.lists(st.integers()),
)
def test_no_value_is_too_odd(kind: str, value: object) -> None:
    converter(parse_type(kind), UTC)(value)


@pytest.mark.parametrize("text", ["NaN", '{"a": Infinity}', "", "{", "[" * 100_000])
def test_what_is_not_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_numbers_are_exact() -> None:
    assert parse_json("[0.1, 12345678901234567890.123]") == [
        Decimal("0.1"),
        Decimal("12345678901234567890.123"),
    ]
