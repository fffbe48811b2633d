"""The Iceberg tables of a contract: landing and dead."""

from collections.abc import Iterator
from itertools import count

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
)

from lakehead.contracts.model import Contract
from lakehead.contracts.types import FieldType

_SIMPLE: dict[str, PrimitiveType] = {
    "string": StringType(),
    "boolean": BooleanType(),
    "int": IntegerType(),
    "long": LongType(),
    "float": FloatType(),
    "double": DoubleType(),
    "date": DateType(),
    "timestamp": TimestamptzType(),
    "timestamp_ntz": TimestampType(),
    "binary": BinaryType(),
}

_KAFKA = [
    ("kafka_partition", FieldType("int")),
    ("kafka_offset", FieldType("long")),
    ("kafka_timestamp", FieldType("timestamp")),
]


def iceberg_type(kind: FieldType, ids: Iterator[int] | None = None) -> IcebergType:
    """The type; what is within a nested one gets its field ids from ``ids``."""
    if kind.kind == "decimal":
        return DecimalType(kind.precision, kind.scale)
    if not kind.nested:
        return _SIMPLE[kind.kind]
    ids = ids or count(1)
    if kind.kind == "object":
        own = [(next(ids), name, inner) for name, inner in kind.members]
        return StructType(
            *(NestedField(i, n, iceberg_type(t, ids), required=False) for i, n, t in own)
        )
    assert kind.items
    if kind.kind == "array":
        return ListType(next(ids), iceberg_type(kind.items, ids), element_required=False)
    key, value = next(ids), next(ids)
    return MapType(key, StringType(), value, iceberg_type(kind.items, ids), value_required=False)


def landing_schema(contract: Contract) -> Schema:
    """The event's fields, where it lay in Kafka, and how it stood to the watermark.

    ``watermark`` is the stream's watermark as the row was landed, null before there was one.
    ``late`` is ``event time <= watermark``.
    """
    own = [(f.name, f.type) for f in contract.fields]
    lateness = [("watermark", FieldType("timestamp")), ("late", FieldType("boolean"))]
    return numbered([*own, *_KAFKA, *lateness])


def dead_schema() -> Schema:
    """The record's bytes (null for a tombstone), why it died, where it lay in Kafka."""
    return numbered([("record", FieldType("binary")), ("cause", FieldType("string")), *_KAFKA])


def by_day(schema: Schema, column: str) -> PartitionSpec:
    """Hidden partitioning by the day of ``column``."""
    source = schema.find_field(column).field_id
    return PartitionSpec(PartitionField(source, 1000, DayTransform(), f"{column}_day"))


def numbered(columns: list[tuple[str, FieldType]]) -> Schema:
    """A schema with field ids in order. Optional throughout: what is required is a row rule."""
    inner = count(len(columns) + 1)
    return Schema(
        *[
            NestedField(i, name, iceberg_type(kind, inner), required=False)
            for i, (name, kind) in enumerate(columns, 1)
        ]
    )
