"""A contract as an Avro schema: what producers register and write, and Flink reads with.

Descriptions are left out, so that the same fields are the same schema whatever is said of them.
Source: https://avro.apache.org/docs/1.11.4/specification/
"""

from itertools import product
from typing import Any

from lakehead.contracts.model import Contract, Field
from lakehead.contracts.types import FieldType

NAMESPACE = "lakehead"
Schema = dict[str, Any]
# A step on the way to a record: the name of a field, then the names that it had before.
_Path = tuple[tuple[str, ...], ...]
_TYPES: dict[str, str | Schema] = {
    "string": "string",
    "boolean": "boolean",
    "int": "int",
    "long": "long",
    "float": "float",
    "double": "double",
    "binary": "bytes",
    "date": {"type": "int", "logicalType": "date"},
    "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
    "timestamp_ntz": {"type": "long", "logicalType": "local-timestamp-micros"},
}


def avro_schema(contract: Contract) -> Schema:
    """The record schema of a stream's events, ready for JSON.

    A field that is not required is a union with null, which is its default; so are an array's
    items and a map's values. An enum is a string: what values it may have is a rule, whose failure
    has a cause. The record of an object is named after the path to it.
    """
    return _record(((contract.stream,),), contract.fields)


def _record(path: _Path, fields: tuple[Field, ...]) -> Schema:
    names = [".".join((NAMESPACE, *steps)) for steps in product(*path)]
    namespace, _, name = names[0].rpartition(".")
    schema: Schema = {"type": "record", "name": name, "namespace": namespace}
    # Avro knows a record by its name: one in a field that was renamed has another.
    if names[1:]:
        schema["aliases"] = names[1:]
    return schema | {"fields": [_field(path, f) for f in fields]}


def _field(path: _Path, field: Field) -> Schema:
    kind = _type((*path, (field.name, *field.aliases)), field.type, field.fields)
    schema: Schema = {"name": field.name, "type": kind}
    if not field.required:
        schema |= {"type": ["null", kind], "default": None}
    if field.aliases:
        schema["aliases"] = list(field.aliases)
    return schema


def _type(path: _Path, kind: FieldType, fields: tuple[Field, ...]) -> str | Schema:
    match kind.kind:
        case "decimal":
            decimal = {"logicalType": "decimal", "precision": kind.precision, "scale": kind.scale}
            return {"type": "bytes", **decimal}
        case "array" | "map":
            assert kind.items
            inner = ["null", _type(path, kind.items, fields)]
            return {"type": kind.kind, "items" if kind.kind == "array" else "values": inner}
        case "object":
            return _record(path, fields or tuple(Field(n, t) for n, t in kind.members))
    return _TYPES[kind.kind]
