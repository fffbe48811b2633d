"""The Avro schema of a contract: types, nulls, names, renames."""

import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import fastavro
import pytest

from lakehead.contracts.avro import avro_schema
from lakehead.contracts.encoding import format_options
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError

TEXT, LONG = FieldType("string"), FieldType("long")


def objects(*members: tuple[str, FieldType]) -> FieldType:
    return FieldType("object", members=members)


def array(items: FieldType) -> FieldType:
    return FieldType("array", items=items)


def of(orders: Contract, *fields: Field) -> dict[str, Any]:
    """The schema of a stream of these fields."""
    return avro_schema(replace(orders, fields=fields))


def type_of(orders: Contract, kind: FieldType) -> Any:
    return of(orders, Field("f", kind, required=True))["fields"][0]["type"]


def test_the_schema_of_orders(orders: Contract) -> None:
    schema = avro_schema(orders)
    assert (schema["type"], schema["name"], schema["namespace"]) == ("record", "orders", "lakehead")
    assert [f["name"] for f in schema["fields"]] == [f.name for f in orders.fields]
    fastavro.parse_schema(json.loads(json.dumps(schema)))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FieldType("string"), "string"),
        (FieldType("boolean"), "boolean"),
        (FieldType("int"), "int"),
        (FieldType("long"), "long"),
        (FieldType("float"), "float"),
        (FieldType("double"), "double"),
        (FieldType("binary"), "bytes"),
        (FieldType("date"), {"type": "int", "logicalType": "date"}),
        (FieldType("timestamp"), {"type": "long", "logicalType": "timestamp-micros"}),
        (FieldType("timestamp_ntz"), {"type": "long", "logicalType": "local-timestamp-micros"}),
        (
            FieldType("decimal", 12, 3),
            {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3},
        ),
        (array(TEXT), {"type": "array", "items": ["null", "string"]}),
        (FieldType("map", items=LONG), {"type": "map", "values": ["null", "long"]}),
    ],
)
def test_types(orders: Contract, kind: FieldType, expected: Any) -> None:
    assert type_of(orders, kind) == expected


def test_what_is_not_required_is_null_unless_given(orders: Contract) -> None:
    one, two = of(orders, Field("a", TEXT), Field("b", TEXT, required=True))["fields"]
    assert one == {"name": "a", "type": ["null", "string"], "default": None}
    assert two == {"name": "b", "type": "string"}


def test_what_is_said_of_a_field_does_not_change_the_schema(orders: Contract) -> None:
    said = replace(orders, description="other", version="9.9.9", owner="me")
    assert avro_schema(said) == avro_schema(orders)


def test_each_object_has_a_name_of_its_own(orders: Contract) -> None:
    inner = objects(("inner", objects(("a", LONG))))
    schema = of(orders, Field("one", inner), Field("two", inner), Field("rows", array(inner)))
    names: list[str] = []

    def collect(node: Any) -> None:
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                collect(child)
        if isinstance(node, dict) and node.get("type") == "record":
            names.append(f"{node['namespace']}.{node['name']}")

    collect(schema)
    assert sorted(names) == [
        "lakehead.orders",
        "lakehead.orders.one",
        "lakehead.orders.one.inner",
        "lakehead.orders.rows",
        "lakehead.orders.rows.inner",
        "lakehead.orders.two",
        "lakehead.orders.two.inner",
    ]


def test_fields_of_an_object_may_be_required(orders: Contract) -> None:
    fields = (Field("a", LONG, required=True), Field("b", LONG))
    kind = objects(("a", LONG), ("b", LONG))
    record = of(orders, Field("o", kind, required=True, fields=fields))["fields"][0]["type"]
    assert [f["type"] for f in record["fields"]] == ["long", ["null", "long"]]


def test_a_renamed_object_reads_what_was_written_before(orders: Contract) -> None:
    kind = objects(("a", LONG))
    old = of(orders, Field("place", kind))
    new = of(orders, Field("address", kind, aliases=("place",)))
    assert new["fields"][0]["type"][1]["aliases"] == ["lakehead.orders.place"]
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(old), {"place": {"a": 1}})
    buffer.seek(0)
    read = fastavro.schemaless_reader(
        buffer, fastavro.parse_schema(old), fastavro.parse_schema(new)
    )
    assert read == {"address": {"a": 1}}


def test_values_come_back(orders: Contract) -> None:
    event: dict[str, Any] = {
        "n": Decimal("-12.345"),
        "day": date(1969, 12, 31),
        "at": datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC),
        "local": datetime(2026, 1, 2, 3, 4, 5, 678_901),
        "rows": [{"a": 1}, None],
        "map": {"k": None},
    }
    schema = of(
        orders,
        Field("n", FieldType("decimal", 12, 3)),
        Field("day", FieldType("date")),
        Field("at", FieldType("timestamp"), required=True),
        Field("local", FieldType("timestamp_ntz")),
        Field("rows", array(objects(("a", LONG)))),
        Field("map", FieldType("map", items=LONG)),
    )
    parsed = fastavro.parse_schema(schema)
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, parsed, event)
    buffer.seek(0)
    assert fastavro.schemaless_reader(buffer, parsed, None) == event


def test_options_of_json(orders: Contract) -> None:
    plain = {"value.format": "safe", "value.safe.format": "strict-json"}
    assert format_options(replace(orders, fields=(Field("a", TEXT),))) == plain
    renamed = replace(orders, fields=(Field("a", TEXT, aliases=("x", "y")), Field("b", TEXT)))
    assert format_options(renamed) == plain | {"value.safe.strict-json.aliases": "x:a,y:a"}


def test_options_of_avro(orders: Contract) -> None:
    avro = replace(orders, encoding="avro")
    options = format_options(avro, "http://registry")
    schema = options.pop("value.safe.strict-avro.schema")
    assert json.loads(schema) == avro_schema(avro)
    assert options == {
        "value.format": "safe",
        "value.safe.format": "strict-avro",
        "value.safe.strict-avro.url": "http://registry",
    }
    with pytest.raises(UserError, match="Avro, which needs the schema registry") as caught:
        format_options(avro, None)
    assert caught.value.hint == "lakehead up --with registry"
