import copy
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lakehead.contracts.load import contract_names, load_contract, parse_duration
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT

Load = Callable[[Any], Contract]
LoadText = Callable[[str], Contract]
SOURCE = (INSTALL_ROOT / "schemas" / "orders.yaml").read_text()


def field_of(document: Any, name: str) -> Any:
    return next(p for p in document["schema"][0]["properties"] if p["name"] == name)


def set_custom(document: Any, name: str, value: object) -> None:
    properties = document["customProperties"]
    properties[:] = [p for p in properties if p["property"] != name]
    properties.append({"property": name, "value": value})


def fails(load: Callable[[Any], Contract], source: Any, *expected: str) -> UserError:
    """The error, which must name the file and each of ``expected``."""
    with pytest.raises(UserError) as caught:
        load(source)
    for part in ("orders.yaml", *expected):
        assert part in caught.value.message
    return caught.value


# What a contract says


def test_orders_has_the_fields_of_its_file_in_their_order(orders: Contract) -> None:
    assert [(f.name, str(f.type), f.required) for f in orders.fields] == [
        ("invoice", "string", True),
        ("stock_code", "string", True),
        ("description", "string", False),
        ("quantity", "int", True),
        ("price", "decimal(12,3)", True),
        ("customer_id", "long", False),
        ("country", "string", True),
        ("status", "string", True),
        ("event_time", "timestamp", True),
    ]


def test_orders_has_the_clock_and_the_topic_of_its_file(orders: Contract) -> None:
    assert orders.stream == orders.topic == "orders"
    assert orders.version == "1.0.0"
    assert orders.event_time == "event_time"
    assert orders.key == "invoice"
    assert orders.partitions == 4
    assert orders.watermark_delay == timedelta(seconds=2)
    assert orders.idle_timeout == timedelta(seconds=5)
    assert orders.clock_skew == timedelta(seconds=60)
    assert orders.retention == timedelta(days=7)
    assert orders.encoding == "json"
    assert (orders.landing_table, orders.dead_table) == ("landing.orders", "landing.orders_dead")


def test_orders_has_the_rules_of_its_file(orders: Contract) -> None:
    by_name = {f.name: f for f in orders.fields}
    assert by_name["invoice"].pattern == "^[A-Z]?[0-9]{6}$"
    assert (by_name["country"].min_length, by_name["country"].max_length) == (1, 60)
    assert (by_name["price"].minimum, by_name["price"].maximum) == (-100000, 100000)
    assert by_name["status"].enum == ("placed", "cancelled")
    assert by_name["description"] == Field(
        "description", FieldType("string"), description="Product name; some lines have none."
    )


def test_the_description_is_the_purpose(orders: Contract) -> None:
    assert orders.description.startswith("Every line of every invoice")


def test_settings_that_are_not_given_have_defaults(load: Load, document: Any) -> None:
    document["customProperties"] = [
        {"property": "eventTime", "value": "event_time"},
        {"property": "key", "value": "country"},
    ]
    contract = load(document)
    assert contract.key == "country"
    assert contract.watermark_delay == timedelta(seconds=2)
    assert contract.retention == timedelta(days=7)
    assert contract.partitions == 4


def test_a_logical_type_alone_names_the_widest_type(load: Load, document: Any) -> None:
    del field_of(document, "quantity")["physicalType"]
    del field_of(document, "price")["physicalType"]
    types = {f.name: str(f.type) for f in load(document).fields}
    assert (types["quantity"], types["price"]) == ("long", "double")


def test_contract_names_are_the_files_sorted(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml", "notes.txt"):
        (tmp_path / name).touch()
    assert contract_names(tmp_path) == ["a", "b"]


# What is wrong with a file


def test_an_unknown_stream_names_those_that_exist(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(SOURCE)
    with pytest.raises(UserError, match=r"no stream 'order'; .* has orders"):
        load_contract(tmp_path, "order")


def test_a_folder_without_contracts_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no contracts"):
        load_contract(tmp_path / "nowhere", "orders")


@pytest.mark.parametrize("stream", ["../orders", "", "orders.yaml", "*"])
def test_a_stream_is_never_a_path(tmp_path: Path, stream: str) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "orders.yaml").write_text(SOURCE)
    with pytest.raises(UserError, match="no stream"):
        load_contract(tmp_path / "schemas", stream)


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\t- x", "a: \x01"])
def test_what_is_not_yaml_says_where(load_text: LoadText, text: str) -> None:
    fails(load_text, text, "is not YAML")


@pytest.mark.parametrize("text", ["status: 2020-13-45", "status: !!int abc", "status: !!float abc"])
def test_a_scalar_that_yaml_cannot_build_is_not_yaml(load_text: LoadText, text: str) -> None:
    fails(load_text, text, "is not YAML")


@pytest.mark.parametrize("text", ["", "null", "[]", "orders", "7", "---\n"])
def test_the_top_is_a_mapping(load_text: LoadText, text: str) -> None:
    fails(load_text, text, "expected a mapping")


def test_a_file_that_is_not_utf8_says_so(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(UserError, match=r"orders\.yaml is not UTF-8"):
        load_contract(tmp_path, "orders")


def test_a_folder_in_place_of_the_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").mkdir()
    with pytest.raises(UserError, match=r"orders\.yaml cannot be read"):
        load_contract(tmp_path, "orders")


def test_a_key_that_the_standard_lacks_is_named(load: Load, document: Any) -> None:
    document["nmae"] = "orders"
    fails(load, document, "nmae")


def test_an_ill_typed_node_is_named_by_its_path(load: Load, document: Any) -> None:
    field_of(document, "invoice")["required"] = "perhaps"
    fails(load, document, "properties.0.required")


def test_the_name_is_that_of_the_file(load: Load, document: Any) -> None:
    document["name"] = "sales"
    fails(load, document, "'sales'", "'orders'")


def test_a_file_name_that_is_no_identifier_is_refused(tmp_path: Path, document: Any) -> None:
    document["name"] = "Or-ders"
    (tmp_path / "Or-ders.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(UserError, match=r"'Or-ders': expected lower case letters"):
        load_contract(tmp_path, "Or-ders")


@pytest.mark.parametrize("count", [0, 2])
def test_there_is_one_schema(load: Load, document: Any, count: int) -> None:
    document["schema"] = [copy.deepcopy(document["schema"][0]) for _ in range(count)]
    fails(load, document, "exactly one")


def test_a_field_twice_is_named(load: Load, document: Any) -> None:
    document["schema"][0]["properties"].append(copy.deepcopy(field_of(document, "country")))
    fails(load, document, "country", "twice")


@pytest.mark.parametrize("name", ["Country", "1st", "a b", "x`; DROP", "", "é", "a" * 64, "a\n"])
def test_a_field_name_is_an_identifier(load: Load, document: Any, name: str) -> None:
    field_of(document, "description")["name"] = name
    fails(load, document, repr(name), "expected lower case letters")


@pytest.mark.parametrize(
    "name", ["kafka_offset", "late", "rowtime", "decode_error", "record", "window_start"]
)
def test_a_column_that_lakehead_adds_cannot_be_a_field(
    load: Load, document: Any, name: str
) -> None:
    field_of(document, "description")["name"] = name
    fails(load, document, repr(name), "another name")


def test_a_logical_type_is_one_of_the_known(load: Load, document: Any) -> None:
    field_of(document, "country")["logicalType"] = "String"
    fails(load, document, "country", "'String'", "string, boolean, integer")


@pytest.mark.parametrize(
    ("logical", "expected"),
    [
        (None, "string, boolean, integer"),
        ("object", "properties"),
        ("array", "items"),
        ("map", "map with a value"),
    ],
)
def test_a_type_is_whole(load: Load, document: Any, logical: str | None, expected: str) -> None:
    field_of(document, "country")["logicalType"] = logical
    fails(load, document, "country", "expected", expected)


def test_a_physical_type_is_one_of_the_known(load: Load, document: Any) -> None:
    field_of(document, "quantity")["physicalType"] = "uint8"
    fails(load, document, "quantity", "'uint8'", "decimal(p,s)")


def test_an_unsupported_option_is_named(load: Load, document: Any) -> None:
    field_of(document, "quantity")["logicalTypeOptions"] = {"multipleOf": 2}
    fails(load, document, "quantity", "multipleOf", "minimum")


@pytest.mark.parametrize("option", ["minimum", "maximum"])
@pytest.mark.parametrize("value", ["five", "1e99", True, [1], float("nan"), float("inf"), 10**38])
def test_a_bound_is_a_number(load: Load, document: Any, option: str, value: object) -> None:
    field_of(document, "quantity")["logicalTypeOptions"] = {option: value}
    fails(load, document, "quantity", option, repr(value), "expected a number")


@pytest.mark.parametrize("option", ["minLength", "maxLength"])
@pytest.mark.parametrize("value", ["5", True, 1.5, -1])
def test_a_length_is_a_whole_number(load: Load, document: Any, option: str, value: object) -> None:
    field_of(document, "country")["logicalTypeOptions"] = {option: value}
    fails(load, document, "country", option, repr(value), "expected a whole number")


@pytest.mark.parametrize("pattern", ["[", "(?P<x", "a{2,1}", "a{99999999999}", 7, ["a"], b"a"])
def test_a_pattern_is_a_regular_expression(load: Load, document: Any, pattern: object) -> None:
    field_of(document, "invoice")["logicalTypeOptions"] = {"pattern": pattern}
    fails(load, document, "invoice", "pattern", repr(pattern))


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("country", {"minimum": 1}),
        ("country", {"maximum": 1}),
        ("event_time", {"minimum": 1}),
        ("event_time", {"minimum": "2026-01-31T10:00:00.0005Z"}),
        ("quantity", {"minLength": 1}),
        ("price", {"maxLength": 1}),
        ("customer_id", {"pattern": "1"}),
    ],
)
def test_an_option_fits_the_type(
    load: Load, document: Any, name: str, option: dict[str, object]
) -> None:
    field_of(document, name)["logicalTypeOptions"] = option
    fails(load, document, name, next(iter(option)), "expected")


def test_an_enum_fits_the_type(load: Load, document: Any) -> None:
    field_of(document, "quantity")["enum"] = [{"value": "1"}]
    fails(load, document, "quantity", "enum", "expected a string")


@pytest.mark.parametrize("value", [False, None, 1, 1.5, ["a"]])
def test_an_enum_value_that_yaml_does_not_read_as_text_is_refused(
    load: Load, document: Any, value: object
) -> None:
    """Else ``value: no`` would mean 'False'."""
    field_of(document, "status")["enum"] = [{"value": value}]
    fails(load, document, "status", "enum", repr(value), "expected text")


@pytest.mark.parametrize("setting", ["eventTime", "key"])
@pytest.mark.parametrize("value", ["nothing", None, ["invoice"], 3])
def test_clock_and_key_are_fields(load: Load, document: Any, setting: str, value: object) -> None:
    set_custom(document, setting, value)
    fails(load, document, setting, repr(value), "invoice, stock_code")


@pytest.mark.parametrize("name", ["country", "description"])
def test_the_clock_is_a_timestamp(load: Load, document: Any, name: str) -> None:
    set_custom(document, "eventTime", name)
    fails(load, document, name, "required timestamp")


def test_the_clock_is_required(load: Load, document: Any) -> None:
    del field_of(document, "event_time")["required"]
    fails(load, document, "event_time", "required timestamp")


@pytest.mark.parametrize("value", [0, -1, 1001, "4", 4.0, None, True, [4]])
def test_partitions_are_a_number_in_range(load: Load, document: Any, value: object) -> None:
    set_custom(document, "partitions", value)
    fails(load, document, "partitions", repr(value), "1 to 1000")


@pytest.mark.parametrize("setting", ["encoding", "cleanup"])
@pytest.mark.parametrize("value", ["JSON", "", None, ["json"], 1])
def test_a_setting_of_a_few_values_is_one_of_them(
    load: Load, document: Any, setting: str, value: object
) -> None:
    document["customProperties"] = [
        p for p in document["customProperties"] if p["property"] != setting
    ]
    document["customProperties"].append({"property": setting, "value": value})
    expected = {"encoding": "json or avro", "cleanup": "delete or compact"}
    fails(load, document, f"customProperties.{setting}", repr(value), expected[setting])


def test_an_unknown_setting_is_named_with_the_known(load: Load, document: Any) -> None:
    document["customProperties"].append({"property": "watermark", "value": "2 seconds"})
    fails(load, document, "watermark is unknown", "watermarkDelay")


@pytest.mark.parametrize(
    "setting", ["watermarkDelay", "idleTimeout", "clockSkew", "retention", "snapshotRetention"]
)
@pytest.mark.parametrize("value", ["2", "2 weeks", 2, None, "-1 seconds", "99999999999 days"])
def test_a_duration_is_a_number_and_a_unit(
    load: Load, document: Any, setting: str, value: object
) -> None:
    set_custom(document, setting, value)
    fails(load, document, f"customProperties.{setting}", repr(value), "10 seconds")


@pytest.mark.parametrize("setting", ["watermarkDelay", "clockSkew"])
def test_a_duration_that_sql_cannot_hold_is_refused(
    load: Load, document: Any, setting: str
) -> None:
    set_custom(document, setting, "1000 days")
    fails(load, document, f"customProperties.{setting}", "999 days")


# Durations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 millisecond", timedelta(milliseconds=1)),
        ("250 milliseconds", timedelta(milliseconds=250)),
        ("0 seconds", timedelta(0)),
        ("1 second", timedelta(seconds=1)),
        ("90 minutes", timedelta(minutes=90)),
        ("2 hours", timedelta(hours=2)),
        ("  7   days ", timedelta(days=7)),
    ],
)
def test_a_duration_is_read(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@given(st.integers(0, 10**9))
def test_milliseconds_are_exact(count: int) -> None:
    assert parse_duration(f"{count} milliseconds") == timedelta(milliseconds=count)


@pytest.mark.parametrize("text", ["", "7", "days", "1.5 days", "-1 day", "1day", "1 week", None])
def test_what_is_no_duration_says_what_was_expected(text: object) -> None:
    with pytest.raises(ValueError, match="expected such as '10 seconds'"):
        parse_duration(text)


def test_a_duration_beyond_all_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="expected such as"):
        parse_duration("999999999999 days")
