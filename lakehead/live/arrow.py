"""A contract's types in Arrow, and its values as Arrow takes them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lakehead.contracts.types import FieldType

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

Convert = Callable[[Any], Any]


def arrow_type(kind: FieldType) -> "pa.DataType":
    """The type that DuckDB takes for that of a landing table's column."""
    import pyarrow as pa

    match kind.kind:
        case "decimal":
            return pa.decimal128(kind.precision, kind.scale)
        case "timestamp":
            return pa.timestamp("us", "UTC")
        case "timestamp_ntz":
            return pa.timestamp("us")
        case "array":
            assert kind.items
            return pa.list_(arrow_type(kind.items))
        case "map":
            assert kind.items
            return pa.map_(pa.string(), arrow_type(kind.items))
        case "object":
            return pa.struct([pa.field(name, arrow_type(t)) for name, t in kind.members])
    plain: dict[str, pa.DataType] = {
        "string": pa.string(),
        "boolean": pa.bool_(),
        "int": pa.int32(),
        "long": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "binary": pa.binary(),
    }
    return plain[kind.kind]


def to_arrow(values: list[Any], kind: FieldType) -> "pa.Array":
    """Valid values, or None, of a type as a column."""
    import pyarrow as pa

    taken = list(map(_taken(kind), values)) if _has_map(kind) else values
    return pa.array(taken, arrow_type(kind))


def _taken(kind: FieldType) -> Convert:
    """A function from a value to what Arrow takes: maps are lists of pairs."""
    if not _has_map(kind):
        return lambda value: value
    match kind.kind:
        case "map":
            assert kind.items
            item = _taken(kind.items)
            return _unless_none(lambda value: [(key, item(inner)) for key, inner in value.items()])
        case "array":
            assert kind.items
            item = _taken(kind.items)
            return _unless_none(lambda value: [item(inner) for inner in value])
    members = {name: _taken(inner) for name, inner in kind.members}
    return _unless_none(lambda value: {n: c(value.get(n)) for n, c in members.items()})


def _has_map(kind: FieldType) -> bool:
    inner = [*(t for _, t in kind.members), *([kind.items] if kind.items else [])]
    return kind.kind == "map" or any(map(_has_map, inner))


def _unless_none(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)
