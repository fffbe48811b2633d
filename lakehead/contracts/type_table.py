"""What each type of a contract is elsewhere, as one table.

JSON forms are those of the ``strict-json`` format.
"""

from dataclasses import dataclass, fields

from lakehead.contracts.types import FieldType

_TEXT = FieldType("string")
_EXAMPLES = (
    _TEXT,
    FieldType("boolean"),
    FieldType("int"),
    FieldType("long"),
    FieldType("float"),
    FieldType("double"),
    FieldType("decimal", 12, 2),
    FieldType("date"),
    FieldType("timestamp"),
    FieldType("timestamp_ntz"),
    FieldType("binary"),
    FieldType("array", items=_TEXT),
    FieldType("object", members=(("a", _TEXT), ("b", FieldType("long")))),
    FieldType("map", items=FieldType("long")),
)
_WRITTEN = {
    "string": "logicalType: string",
    "boolean": "logicalType: boolean",
    "int": "logicalType: integer, physicalType: int",
    "long": "logicalType: integer",
    "float": "logicalType: number, physicalType: float",
    "double": "logicalType: number",
    "decimal": "logicalType: number, physicalType: decimal(12,2)",
    "date": "logicalType: date",
    "timestamp": "logicalType: timestamp",
    "timestamp_ntz": "logicalType: timestamp, logicalTypeOptions: {timezone: false}",
    "binary": "logicalType: string, physicalType: binary",
    "array": "logicalType: array, items: {logicalType: string}",
    "object": "logicalType: object, properties: [{name: a, ...}, {name: b, ...}]",
    "map": "logicalType: map, map: {value: {logicalType: integer}}",
}
_NUMBER = 'a number, or "NaN", "Infinity", "-Infinity"'
_WHOLE = "a number in range, without fraction"
_JSON = {
    "string": "a string",
    "boolean": "true or false",
    "int": _WHOLE,
    "long": _WHOLE,
    "float": _NUMBER,
    "double": _NUMBER,
    "decimal": 'a number or a string, such as 1.50 or "1.50"',
    "date": 'a string "YYYY-MM-DD"',
    "timestamp": 'an ISO-8601 string with Z or an offset, such as "2026-01-31T10:00:00.5Z"',
    "timestamp_ntz": 'an ISO-8601 string without zone, such as "2026-01-31T10:00:00"',
    "binary": "a string in base64",
    "array": "an array",
    "object": "an object",
    "map": "an object",
}
_AVRO = {
    "decimal": "bytes, logicalType decimal",
    "date": "int, logicalType date",
    "timestamp": "long, logicalType timestamp-micros",
    "timestamp_ntz": "long, logicalType local-timestamp-micros",
    "binary": "bytes",
    "object": "record",
}
_NOTES = {
    "int": "32 bits: -2,147,483,648 to 2,147,483,647.",
    "long": "64 bits.",
    "float": "32 bits; not for money.",
    "double": "64 bits; not for money.",
    "decimal": "At most 38 digits, the scale among them. A value of more fraction digits than the "
    "scale is refused, not rounded.",
    "timestamp": "A moment, to the microsecond, shown in UTC. Event times are of this type.",
    "timestamp_ntz": "What a clock on a wall showed, to the microsecond.",
    "array": "Rules are on the array (minItems, maxItems), not on what is within.",
    "object": "Rules may be on its fields. A field that is required is so where there is an "
    "object.",
    "map": "Keys are strings. No rules on what is within.",
}


@dataclass(frozen=True)
class TypeRow:
    """One type and its names; ``contract`` is how a contract writes it."""

    type: str
    contract: str
    json: str
    avro: str
    flink: str
    iceberg: str
    spark: str
    duckdb: str
    arrow: str
    notes: str


def type_rows() -> list[TypeRow]:
    """Every type, plain ones first. Decimals and nested types stand for their like."""
    return [_row(kind) for kind in _EXAMPLES]


def _row(kind: FieldType) -> TypeRow:
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    from lakehead.contracts.iceberg import iceberg_type

    name = kind.kind
    iceberg = iceberg_type(kind)
    return TypeRow(
        type=str(kind),
        contract=_WRITTEN[name],
        json=_JSON[name],
        avro=_AVRO.get(name, name),
        flink=kind.flink(),
        iceberg=_without_ids(str(iceberg)),
        spark=kind.spark(),
        duckdb=kind.duckdb(),
        arrow=str(schema_to_pyarrow(iceberg, include_field_ids=False)),
        notes=_NOTES.get(name, ""),
    )


def _without_ids(iceberg: str) -> str:
    import re

    return re.sub(r"\d+: (\w+): (?:optional|required) ", r"\1: ", iceberg)


def types_page() -> str:
    """``docs/types.md``."""
    from lakehead.contracts.pages.markdown import code, table, text

    rows = type_rows()
    written = [[code(r.type), code(r.contract), text(r.json), text(r.notes)] for r in rows]
    names = [f.name for f in fields(TypeRow) if f.name in ("flink", "iceberg", "spark", "duckdb")]
    engines = [
        [code(r.type), text(r.avro), *(code(getattr(r, n)) for n in names), code(r.arrow)]
        for r in rows
    ]
    return (
        "# Types\n\n"
        "What a contract's types are called, and what they are on the way. Made by\n"
        "`lakehead contract types --markdown`; the [contract language](contracts.md) says how "
        "fields are written.\n\n"
        "## In a contract, and in JSON\n\n"
        "A value in another form is not converted: the record is dead, with its cause. `null`, or\n"
        "leaving a field out, is no value: only a field that is `required` must have one.\n\n"
        + table(["type", "in the contract", "in JSON", ""], written)
        + "\n## In the engines\n\n"
        "In Avro a field that is not required is a union with null.\n\n"
        + table(["type", "Avro", "Flink", "Iceberg", "Spark", "DuckDB", "Arrow"], engines)
    )
