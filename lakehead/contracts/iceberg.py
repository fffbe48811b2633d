"""The Iceberg tables of a contract: landing and dead."""

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
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
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
    "binary": BinaryType(),
}


def iceberg_type(kind: FieldType) -> IcebergType:
    if kind.kind == "decimal":
        return DecimalType(kind.precision, kind.scale)
    return _SIMPLE[kind.kind]


def landing_schema(contract: Contract) -> Schema:
    """The event's fields, where it lay in Kafka, and how it stood to the watermark.

    ``watermark`` is the stream's watermark as the row was landed, null before there was one.
    ``late`` is ``event time <= watermark``.
    """
    own = [(f.name, iceberg_type(f.type)) for f in contract.fields]
    lateness = [("watermark", TimestamptzType()), ("late", BooleanType())]
    return numbered([*own, *_kafka(), *lateness])


def dead_schema() -> Schema:
    """The record's bytes (null for a tombstone), why it died, where it lay in Kafka."""
    return numbered([("record", BinaryType()), ("cause", StringType()), *_kafka()])


def by_day(schema: Schema, column: str) -> PartitionSpec:
    """Hidden partitioning by the day of ``column``."""
    source = schema.find_field(column).field_id
    return PartitionSpec(PartitionField(source, 1000, DayTransform(), f"{column}_day"))


def numbered(columns: list[tuple[str, IcebergType]]) -> Schema:
    """A schema with field ids in order. Optional throughout: what is required is a row rule."""
    return Schema(*[NestedField(i, n, t, required=False) for i, (n, t) in enumerate(columns, 1)])


def _kafka() -> list[tuple[str, IcebergType]]:
    return [
        ("kafka_partition", IntegerType()),
        ("kafka_offset", LongType()),
        ("kafka_timestamp", TimestamptzType()),
    ]
