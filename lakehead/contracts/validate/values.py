"""An event's values as the contract's types: what is taken for each, and what is refused.

Nothing is rounded or guessed: what the Flink decoder ``strict-json`` would refuse is refused here.
"""

import reprlib
import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import Any

import msgspec

from lakehead.contracts.model import Field
from lakehead.contracts.types import FieldType

BROKEN: Any = object()
RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
# What the decoder's JSON parser takes as a key.
LONGEST_KEY_BYTES = 50_000
_SHOWN = 200
_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 100


def plain_event(event: Any) -> Any:
    """``event`` with every Struct in it as a dict."""
    if isinstance(event, msgspec.Struct):
        return {
            key: plain_event(getattr(event, name))
            for name, key in zip(
                event.__struct_fields__, event.__struct_encode_fields__, strict=True
            )
        }
    if isinstance(event, Mapping):
        return {key: plain_event(value) for key, value in event.items()}
    if isinstance(event, list | tuple | set | frozenset):
        return [plain_event(item) for item in event]
    return event


def members(kind: FieldType, fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """An object's fields; those within an array or a map have types but no rules."""
    return fields or tuple(Field(name, inner) for name, inner in kind.members)


def read_object(
    fields: tuple[Field, ...], event: Mapping[Any, Any], path: str, problems: list[str]
) -> dict[str, Any]:
    """The values of ``fields`` that are not null, each of its contract type.

    A value that is not of its type is BROKEN in the result, and told in ``problems``; told as well
    is a key that is no field.
    """
    values: dict[str, Any] = {}
    known = {f.name: f for f in fields}
    for key, value in event.items():
        field = known.get(key) if isinstance(key, str) else None
        if field is None:
            name = key if isinstance(key, str) and key.isidentifier() else shown(key)
            problems.append(
                f"{path}{name}.unknown: is {shown(value)}, expected a field, one of "
                + ", ".join(known)
            )
        elif value is not None:
            values[field.name] = read_value(
                field.type, value, f"{path}{field.name}", problems, field.fields
            )
    return values


def read_value(
    kind: FieldType, value: Any, path: str, problems: list[str], fields: tuple[Field, ...] = ()
) -> Any:
    """``value``, which is not None, as the one Python type that stands for ``kind``, or BROKEN.

    string str, boolean bool, int and long int, float and double float, decimal Decimal, date date,
    timestamp datetime in UTC, timestamp_ntz datetime without a zone, binary bytes, array list,
    object and map dict.
    """
    match kind.kind:
        case "array" if isinstance(value, list | tuple | set | frozenset):
            assert kind.items is not None
            return [
                item if item is None else read_value(kind.items, item, f"{path}[{i}]", problems)
                for i, item in enumerate(value)
            ]
        case "map" if isinstance(value, Mapping):
            return _read_map(kind, value, path, problems)
        case "object" if isinstance(value, Mapping):
            return read_object(members(kind, fields), value, f"{path}.", problems)
        case "array" | "map" | "object":
            read = BROKEN
        case _:
            read = _read_plain(kind, value)
    if read is BROKEN:
        problems.append(f"{path}.type: is {shown(value)} ({_named(value)}), expected {kind}")
    return read


def _read_map(kind: FieldType, value: Mapping[Any, Any], path: str, problems: list[str]) -> Any:
    assert kind.items is not None
    read: dict[Any, Any] = {}
    for key, item in value.items():
        at = f"{path}[{shown(key)}]"
        name = _text(key) if isinstance(key, str) else BROKEN
        if name is BROKEN or len(name.encode()) > LONGEST_KEY_BYTES:
            problems.append(
                f"{at}.type: is {shown(key)} ({_named(key)}), expected a string of at most "
                f"{LONGEST_KEY_BYTES} bytes as key"
            )
        read[name] = item if item is None else read_value(kind.items, item, at, problems)
    return read


def _read_plain(kind: FieldType, value: Any) -> Any:
    match kind.kind:
        case "string" if isinstance(value, str):
            return _text(value)
        case "boolean" if isinstance(value, bool):
            return value
        case "int" | "long" if _is_int(value):
            low, high = RANGES[kind.kind]
            return int(value) if low <= value <= high else BROKEN
        case "float" | "double" if isinstance(value, float) or _is_int(value):
            return _floating(kind, value)
        case "decimal" if isinstance(value, Decimal) or _is_int(value):
            return _decimal(kind, value)
        case "date" if isinstance(value, date) and not isinstance(value, datetime):
            return date(value.year, value.month, value.day)
        case "timestamp" | "timestamp_ntz" if isinstance(value, datetime):
            return _moment(kind, value)
        case "binary" if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
    return BROKEN


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: str) -> Any:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return BROKEN
    return text


def _floating(kind: FieldType, value: Any) -> Any:
    try:
        number = float(value)
        if kind.kind == "float":
            single(number)
    except OverflowError:
        return BROKEN
    return number


def single(number: float) -> float:
    """``number`` as 32 bits hold it. OverflowError where it is too large for that."""
    rounded: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return rounded


def _decimal(kind: FieldType, value: Any) -> Any:
    number = Decimal(value)
    if not number.is_finite():
        return BROKEN
    if not number:
        return Decimal(0)
    try:
        exact = number.quantize(step(kind), ROUND_HALF_EVEN, _digits(kind))
    except (InvalidOperation, Inexact):
        return BROKEN
    return exact


def step(kind: FieldType) -> Decimal:
    """The smallest difference of two decimals of this type."""
    return Decimal((0, (1,), -kind.scale))


def _digits(kind: FieldType) -> Context:
    return Context(prec=kind.precision, traps=[InvalidOperation, Inexact])


def _moment(kind: FieldType, value: datetime) -> Any:
    zoned = value.utcoffset() is not None
    if zoned is not (kind.kind == "timestamp"):
        return BROKEN
    try:
        moment = value.astimezone(UTC) if zoned else value.replace(tzinfo=None)
    except OverflowError:
        return BROKEN
    # Of a subclass, only what the class itself holds.
    return datetime.combine(moment.date(), moment.timetz())


def shown(value: Any) -> str:
    """``value`` as a message states it, cut where it is long, always of whole characters."""
    if value is None:
        return "NULL"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)[:_SHOWN]
    try:
        return _short.repr(value)
    except ValueError:
        # Python does not write out numbers of thousands of digits.
        return f"a number of {value.bit_length()} bits"


def _named(value: Any) -> str:
    if isinstance(value, datetime):
        return "datetime with a zone" if value.tzinfo else "datetime without a zone"
    return type(value).__name__
