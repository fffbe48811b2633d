"""A column of every Iceberg type that an engine of ours may write."""

from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

EVERY_TYPE: list[tuple[str, IcebergType]] = [
    ("bool", BooleanType()),
    ("int", IntegerType()),
    ("long", LongType()),
    ("float", FloatType()),
    ("double", DoubleType()),
    ("dec", DecimalType(38, 10)),
    ("date", DateType()),
    ("time", TimeType()),
    ("ts", TimestampType()),
    ("tstz", TimestamptzType()),
    ("string", StringType()),
    ("uuid", UUIDType()),
    ("fixed", FixedType(4)),
    ("binary", BinaryType()),
    ("tags", ListType(101, StringType(), element_required=False)),
    ("attrs", MapType(102, StringType(), 103, LongType(), value_required=False)),
    ("pos", StructType(NestedField(104, "x", LongType()), NestedField(105, "y y", StringType()))),
]


def every_type_schema() -> Schema:
    return Schema(*[NestedField(i, n, t) for i, (n, t) in enumerate(EVERY_TYPE, 1)])
