"""An event is told valid or not before it is sent, twice over: by the full check, which says why,
and by the fast one. Both must agree, with each other and with the rules that Flink enforces."""

import base64
import enum
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehead.contracts.model import Contract, Field, RowRule
from lakehead.contracts.rules import row_rules
from lakehead.contracts.types import FieldType
from lakehead.contracts.validate import InvalidEvent, Validator, event_type
from lakehead.contracts.validate.values import shown
from tests.draws import draws

NOW = datetime(2025, 6, 15, 12, tzinfo=UTC)
CLOCK = Field("event_time", FieldType("timestamp"), required=True)
INT, STRING, DECIMAL = FieldType("int"), FieldType("string"), FieldType("decimal", 12, 3)


def contract_of(*fields: Field, rules: tuple[RowRule, ...] = ()) -> Contract:
    return Contract(
        stream="web_events",
        version="1",
        description="What is tested.",
        fields=(*fields, CLOCK),
        event_time="event_time",
        watermark_delay=timedelta(seconds=2),
        idle_timeout=timedelta(seconds=5),
        clock_skew=timedelta(seconds=60),
        key="event_time",
        partitions=1,
        retention=timedelta(days=1),
        rules=rules,
    )


def broken(field: Field, value: Any) -> list[str]:
    """The rules that ``value`` breaks, agreed on by both checks."""
    return broken_in(contract_of(field), {field.name: value})


def broken_in(contract: Contract, event: dict[str, Any], now: float | None = None) -> list[str]:
    validator = Validator(contract)
    event = {"event_time": NOW} | event
    problems = validator.problems(event, now)
    if problems:
        with pytest.raises(InvalidEvent) as raised:
            validator.checked(event, now)
        assert raised.value.problems == problems
    else:
        assert validator.checked(event, now)
    return [p.split(": is ")[0] for p in problems]


def written(field: Field, value: Any) -> Any:
    """``value`` as it stands in JSON."""
    read = json.loads(
        Validator(contract_of(field)).checked({field.name: value, "event_time": NOW}),
        parse_float=Decimal,
    )
    return read.get(field.name)


def of(kind: FieldType | str, **rules: Any) -> Field:
    return Field("x", FieldType(kind) if isinstance(kind, str) else kind, **rules)


# Types

ARRAY = FieldType("array", items=INT)
MAP = FieldType("map", items=FieldType("double"))
INNER = (Field("city", STRING, required=True), Field("zip", INT, minimum=Decimal(1)))
OBJECT = FieldType("object", members=tuple((f.name, f.type) for f in INNER))
PEOPLE = FieldType("array", items=OBJECT)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "", ""),
        ("string", "\x00\U0001f600\u2028", "\x00\U0001f600\u2028"),
        ("string", Colour.RED, "red"),
        ("boolean", True, True),
        ("int", 2**31 - 1, 2**31 - 1),
        ("int", -(2**31), -(2**31)),
        ("int", Level.LOW, 1),
        ("long", 2**63 - 1, 2**63 - 1),
        ("long", -(2**63), -(2**63)),
        ("double", 5e-324, Decimal("5e-324")),
        ("double", 1.7976931348623157e308, Decimal("1.7976931348623157e308")),
        ("double", 1, Decimal("1.0")),
        ("double", math.nan, "NaN"),
        ("double", math.inf, "Infinity"),
        ("float", -math.inf, "-Infinity"),
        ("float", 3.4028234663852886e38, Decimal("3.4028234663852886e38")),
        (DECIMAL, Decimal("999999999.999"), Decimal("999999999.999")),
        (DECIMAL, Decimal("-999999999.999"), Decimal("-999999999.999")),
        (DECIMAL, Decimal("2.5500000"), Decimal("2.55")),
        (DECIMAL, Decimal("1." + "0" * 2000), Decimal(1)),
        (DECIMAL, Decimal("1E+8"), 10**8),
        (DECIMAL, Decimal("0E-1000"), 0),
        (DECIMAL, 5, 5),
        (FieldType("decimal", 38, 38), Decimal(1).scaleb(-38), Decimal("1e-38")),
        ("date", date.min, "0001-01-01"),
        ("date", date.max, "9999-12-31"),
        ("timestamp", datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00Z"),
        ("timestamp", datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
        ("timestamp_ntz", datetime.min, "0001-01-01T00:00:00"),
        ("timestamp_ntz", datetime.max, "9999-12-31T23:59:59.999999"),
        ("binary", b"", ""),
        ("binary", bytes(range(256)), base64.b64encode(bytes(range(256))).decode()),
        ("binary", bytearray(b"\xff"), "/w=="),
        (ARRAY, [], []),
        (ARRAY, (1, None), [1, None]),
        (MAP, {}, {}),
        (MAP, {"a": math.nan, "": None}, {"a": "NaN", "": None}),
        (MAP, MappingProxyType({"a": 1.5}), {"a": Decimal("1.5")}),
        (OBJECT, {"city": "Oslo", "zip": None}, {"city": "Oslo"}),
        (PEOPLE, [{"city": "Oslo"}, {}, None], [{"city": "Oslo"}, {}, None]),
    ],
    ids=shown,
)
def test_a_value_of_its_type_is_written_exactly(
    kind: FieldType | str, value: Any, expected: Any
) -> None:
    assert broken(of(kind), value) == []
    assert written(of(kind), value) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", b"bytes"),
        ("string", 1),
        ("string", "half \ud800"),
        ("string", "\udc00\ud800"),
        ("boolean", 1),
        ("boolean", "true"),
        ("int", True),
        ("int", 1.0),
        ("int", "1"),
        ("int", 2**31),
        ("int", -(2**31) - 1),
        ("long", 2**63),
        ("long", -(2**63) - 1),
        ("long", Decimal(1)),
        ("double", True),
        ("double", "NaN"),
        ("double", Decimal("1.5")),
        ("double", 10**400),
        ("float", 3.5e38),
        (DECIMAL, 1.5),
        (DECIMAL, "1.5"),
        (DECIMAL, True),
        (DECIMAL, Decimal("0.0001")),
        (DECIMAL, Decimal("1000000000")),
        (DECIMAL, Decimal("NaN")),
        (DECIMAL, Decimal("sNaN")),
        (DECIMAL, Decimal("-Infinity")),
        (DECIMAL, Decimal("1E+999999")),
        (DECIMAL, 10**5000),
        ("date", NOW),
        ("date", "2025-06-15"),
        ("timestamp", NOW.replace(tzinfo=None)),
        ("timestamp", NOW.isoformat()),
        ("timestamp", date(2025, 6, 15)),
        ("timestamp", 1_750_000_000),
        ("timestamp", datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))),
        ("timestamp", datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))),
        ("timestamp_ntz", NOW),
        ("binary", "YQ=="),
        ("binary", [1]),
        (ARRAY, "12"),
        (ARRAY, {"a": 1}),
        pytest.param(ARRAY, iter([1]), id="array-iterator"),
        (MAP, [("a", 1.0)]),
        (OBJECT, "Oslo"),
        (OBJECT, []),
    ],
    ids=shown,
)
def test_a_value_of_another_type_is_refused(kind: FieldType | str, value: Any) -> None:
    assert broken(of(kind), value) == ["x.type"]


def test_what_is_wrong_deep_inside_is_named_by_its_path() -> None:
    assert broken(of(ARRAY), [1, "2"]) == ["x[1].type"]
    assert broken(of(MAP), {"a": "b", 1: 1.0}) == ["x['a'].type", "x[1].type"]
    assert broken(of(PEOPLE), [{"zip": "7", "town": 1}]) == ["x[0].zip.type", "x[0].town.unknown"]
    assert broken(of(MAP), {"k" * 50_001: 1.0}) != []
    assert broken(of(MAP), {"k" * 50_000: 1.0}) == []


@pytest.mark.parametrize("zone", ["Europe/London", "Asia/Kolkata", "Pacific/Kiritimati"])
def test_a_time_in_another_zone_is_the_same_time(zone: str) -> None:
    moment = NOW.astimezone(ZoneInfo(zone))
    assert datetime.fromisoformat(written(of("timestamp"), moment)) == NOW


def test_an_offset_of_seconds_is_kept() -> None:
    odd = timezone(timedelta(hours=5, minutes=30, seconds=15))
    assert written(of("timestamp"), NOW.astimezone(odd)) == "2025-06-15T12:00:00Z"


def test_the_message_names_the_field_the_rule_the_value_and_what_was_expected() -> None:
    validator = Validator(contract_of(of("int", maximum=Decimal(5)), Field("y", STRING, True)))
    with pytest.raises(InvalidEvent) as raised:
        validator.checked({"x": 7, "yy": "a", "event_time": "now"})
    assert raised.value.problems == [
        "yy.unknown: is 'a', expected a field, one of x, y, event_time",
        "event_time.type: is 'now' (str), expected timestamp",
        "x.maximum: is 7, expected at most 5",
        "y.required: is missing, and required",
    ]
    assert "web_events" in raised.value.message
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("event", [None, [], "{}", 1, object()])
def test_what_is_no_event_at_all_is_refused(event: Any) -> None:
    with pytest.raises(InvalidEvent, match=r"event\.type"):
        Validator(contract_of()).checked(event)


# Rules


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        (of("int", required=True), None, "x.required"),
        (of(DECIMAL, required=True), None, "x.required"),
        (of("timestamp", required=True), None, "x.required"),
        (of("string", enum=("a", "b")), "A", "x.enum"),
        (of("string", enum=("a", "bb"), max_length=1), "bb", "x.max_length"),
        (of("int", minimum=Decimal("1.5")), 1, "x.minimum"),
        (of("long", minimum=Decimal(2**63)), 2**63 - 1, "x.minimum"),
        (of("long", maximum=Decimal(-(2**64))), 1, "x.maximum"),
        (of("double", minimum=Decimal(0)), math.nan, "x.minimum"),
        (of("double", maximum=Decimal("0.1")), 0.10000000000000002, "x.maximum"),
        (of("float", maximum=Decimal("0.1")), 0.1, "x.maximum"),
        (of(DECIMAL, minimum=Decimal("0.5")), Decimal("0.499"), "x.minimum"),
        (of("date", maximum=date(2025, 1, 1)), date(2025, 1, 2), "x.maximum"),
        (of("timestamp", maximum=NOW), NOW + timedelta(microseconds=1), "x.maximum"),
        (of("timestamp_ntz", minimum=datetime(2025, 1, 1)), datetime(2024, 12, 31), "x.minimum"),
        (of("string", min_length=2), "\U0001f600", "x.min_length"),
        (of("string", max_length=1), "e\u0301", "x.max_length"),
        (of(ARRAY, min_length=1), [], "x.min_length"),
        (of(ARRAY, max_length=1), [None, None], "x.max_length"),
        (of("string", pattern="^[0-9]+$"), "\u0663", "x.pattern"),
        (of("string", pattern=r"\d"), "", "x.pattern"),
        (Field("x", OBJECT, fields=INNER), {}, "x.city.required"),
        (Field("x", OBJECT, fields=INNER), {"city": "Oslo", "zip": 0}, "x.zip.minimum"),
    ],
    ids=shown,
)
def test_a_value_outside_breaks_the_rule_by_its_name(field: Field, value: Any, rule: str) -> None:
    assert broken(field, value) == [rule]
    assert rule in [r.name for r in row_rules(contract_of(field))]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (of("double", minimum=Decimal("0.1"), maximum=Decimal("0.1")), 0.1),
        (of("long", maximum=Decimal(2**70)), 2**63 - 1),
        (of("string", max_length=1), "\U0001f600"),
        (of("string", pattern="b"), "abc"),
        (of("timestamp", minimum=NOW + timedelta(microseconds=300)), NOW),
        (Field("x", OBJECT, fields=INNER), None),
        (of("string", enum=("a",)), None),
    ],
    ids=shown,
)
def test_a_value_within_is_valid(field: Field, value: Any) -> None:
    assert broken(field, value) == []


@pytest.mark.parametrize(
    ("moment", "rules"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), []),
        (datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), ["event_time.epoch"]),
        (NOW + timedelta(seconds=60, milliseconds=500), []),
        (NOW + timedelta(seconds=60, milliseconds=501), ["event_time.clock"]),
        (datetime.max.replace(tzinfo=UTC), ["event_time.clock"]),
    ],
)
def test_the_event_time_is_held_against_the_clock(moment: datetime, rules: list[str]) -> None:
    now = NOW.timestamp() + 0.5
    assert broken_in(contract_of(), {"event_time": moment}, now) == rules
    if rules == ["event_time.clock"]:
        assert broken_in(contract_of(), {"event_time": moment}) == []


def test_one_validator_follows_a_clock_that_goes_on_and_back() -> None:
    validator = Validator(contract_of())
    later = {"event_time": NOW + timedelta(seconds=90)}
    for now, valid in ((0, False), (40, True), (0, False), (31, True), (29.9, False)):
        assert (validator.problems(later, NOW.timestamp() + now) == []) is valid
        if valid:
            assert validator.checked(later, NOW.timestamp() + now)
        else:
            with pytest.raises(InvalidEvent):
                validator.checked(later, NOW.timestamp() + now)


def test_the_contracts_own_rule_states_the_values_that_it_reads() -> None:
    rules = (RowRule("total", "a * b <= c"),)
    contract = contract_of(Field("a", INT), Field("b", DECIMAL), Field("c", INT), rules=rules)
    event = {"a": 3, "b": Decimal("2.5"), "c": 7, "event_time": NOW}
    assert Validator(contract).problems(event) == [
        "total: is c 7, b 2.500, a 3, expected a * b <= c"
    ]
    assert broken_in(contract, event) == ["total"]
    assert broken_in(contract, event | {"c": 8}) == []
    assert broken_in(contract, event | {"c": None}) == []


# The class of a stream's events


def test_events_may_be_objects_of_the_streams_class() -> None:
    contract = contract_of(
        Field("class", STRING, True), Field("place", OBJECT, fields=INNER), Field("n", INT)
    )
    validator = Validator(contract)
    event = validator.type(class_="a", place={"city": "Oslo"}, event_time=NOW)
    assert type(event).__name__ == "WebEvents"
    assert type(event).__doc__ == "What is tested."
    assert json.loads(validator.checked(event)) == {
        "class": "a",
        "place": {"city": "Oslo"},
        "event_time": "2025-06-15T12:00:00Z",
    }
    event.n = "7"  # type: ignore[attr-defined]
    with pytest.raises(InvalidEvent, match=r"n\.type"):
        validator.checked(event)
    with pytest.raises(TypeError):
        validator.type(clas="a")


def test_the_class_of_orders_has_typed_attributes(orders: Contract) -> None:
    made = event_type(orders)
    assert made.__name__ == "Orders"
    assert made.__annotations__["price"] is Decimal
    assert made.__annotations__["customer_id"] == int | None


def test_a_nested_object_may_be_of_its_class_too() -> None:
    validator = Validator(contract_of(Field("place", OBJECT, fields=INNER)))
    place = validator.type.__annotations__["place"].__args__[0]
    event = {"place": place(city="Oslo", zip=0), "event_time": NOW}
    assert validator.problems(event) == ["place.zip.minimum: is 0, expected at least 1"]


# Both checks agree

KINDS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters()) | st.sampled_from(["a", "\ud800"]),
    "boolean": st.booleans(),
    "int": st.integers(-(2**32), 2**32),
    "long": st.integers(-(2**64), 2**64),
    "float": st.floats(),
    "double": st.floats(),
    "decimal": st.decimals() | st.decimals(places=3, allow_nan=False, allow_infinity=False),
    "date": st.dates(),
    "timestamp": st.datetimes(timezones=st.timezones() | st.just(UTC) | st.none()),
    "timestamp_ntz": st.datetimes(timezones=st.none() | st.just(UTC)),
    "binary": st.binary(),
}
ANYTHING = st.one_of(st.none(), *KINDS.values(), st.lists(st.integers()), st.just(object()))
RULES: dict[str, dict[str, Any]] = {
    "string": {"min_length": 1, "max_length": 3, "pattern": "^[^b]"},
    "int": {"minimum": Decimal("-1.5"), "maximum": Decimal(2**31)},
    "long": {"minimum": Decimal(-(2**63)), "maximum": Decimal(10)},
    "float": {"minimum": Decimal("-0.1"), "maximum": Decimal("0.1")},
    "double": {"minimum": Decimal("-0.1"), "maximum": Decimal("1e300")},
    "decimal": {"minimum": Decimal(-5), "maximum": Decimal("1e20")},
    "date": {"minimum": date(1900, 1, 1)},
    "timestamp": {"minimum": datetime(1950, 1, 1, tzinfo=UTC)},
    "timestamp_ntz": {"maximum": datetime(2100, 1, 1)},
}


def plain(name: str) -> FieldType:
    return FieldType(name, 12, 3) if name == "decimal" else FieldType(name)


def every_kind() -> tuple[Field, ...]:
    fields: list[Field] = []
    for name in KINDS:
        fields.append(Field(f"{name}_any", plain(name)))
        fields.append(Field(f"{name}_ruled", plain(name), required=True, **RULES.get(name, {})))
        fields.append(Field(f"{name}_list", FieldType("array", items=plain(name)), max_length=2))
        fields.append(Field(f"{name}_map", FieldType("map", items=plain(name))))
        inner = (Field("v", plain(name), required=True, **RULES.get(name, {})),)
        fields.append(
            Field(f"{name}_obj", FieldType("object", members=(("v", plain(name)),)), fields=inner)
        )
    return tuple(fields)


EVERY = {f.name: Validator(contract_of(f)) for f in every_kind()}


def values_of(name: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    match name.rsplit("_", 1)[1]:
        case "list":
            return st.lists(value, max_size=3) | value
        case "map":
            return st.dictionaries(st.text(st.characters(), max_size=2), value, max_size=3) | value
        case "obj":
            return st.fixed_dictionaries({}, optional={"v": value, "w": value}) | value
    return value


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=draws(60), deadline=None)
@given(data=st.data())
def test_the_fast_check_takes_what_the_full_one_finds_valid_and_no_more(
    name: str, data: st.DataObject
) -> None:
    own = KINDS[name.rsplit("_", 1)[0]]
    value = data.draw(values_of(name, st.none() | own) | values_of(name, ANYTHING))
    validator = EVERY[name]
    event = {name: value, "event_time": NOW}
    problems = validator.problems(event)
    try:
        encoded = validator.checked(event)
    except InvalidEvent as refused:
        assert refused.problems == problems != []
        return
    assert problems == []
    # Nothing is in JSON that was not in the event, whichever way it went.
    assert read_back(json.loads(encoded, parse_float=Decimal), validator) == read_back(
        json.loads(validator.encode(event), parse_float=Decimal), validator
    )


READ: dict[str, Callable[[Any], Any]] = {
    "float": lambda v: repr(float(v)),
    "double": lambda v: repr(float(v)),
    "decimal": Decimal,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamp_ntz": datetime.fromisoformat,
    "binary": base64.b64decode,
}


def read_back(event: Any, validator: Validator) -> Any:
    def read(kind: FieldType, value: Any) -> Any:
        if value is None:
            return None
        if kind.kind == "array":
            assert kind.items
            return [read(kind.items, v) for v in value]
        if kind.kind == "map":
            assert kind.items
            return {k: read(kind.items, v) for k, v in value.items()}
        if kind.kind == "object":
            return {k: read(dict(kind.members)[k], v) for k, v in value.items()}
        return READ.get(kind.kind, lambda v: v)(value)

    return {k: read(validator.contract.field(k).type, v) for k, v in event.items()}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=draws(100), deadline=None)
@given(data=st.data())
def test_what_is_read_back_is_what_was_given(kind: str, data: st.DataObject) -> None:
    validator = EVERY[f"{kind}_any"]
    value = data.draw(KINDS[kind])
    event = {f"{kind}_any": value, "event_time": NOW}
    if validator.problems(event):
        return
    # A time that its zone skips or has twice equals none in another zone, not even itself.
    given_as = {"float": repr, "double": repr, "timestamp": lambda v: v.astimezone(UTC)}
    for encoded in (validator.checked(event), validator.encode(event)):
        found = read_back(json.loads(encoded, parse_float=Decimal), validator)[f"{kind}_any"]
        assert found == given_as.get(kind, lambda v: v)(value)
