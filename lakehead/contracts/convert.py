"""From text and JSON values to a contract's types, strictly: what does not fit is left as it is.

So whoever validates the result says what is wrong with the value that a person wrote.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from lakehead.contracts.types import FieldType

Convert = Callable[[Any], Any]
_WHOLE = re.compile(r"[+-]?\d{1,19}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")
_BOOLEANS = {"true": True, "false": False}


def converter(kind: FieldType, zone: tzinfo | None = None) -> Convert:
    """A function from a value of a file to the type's Python value, or to what it was given.

    Takes text as CSV has it, values as JSON has them, and Python's own. Objects, arrays and maps
    may be JSON text. ``zone`` is where times are that have none, which become UTC; without it they
    stay as they are, which is not a ``timestamp``. None stays None.
    """
    match kind.kind:
        case "int" | "long":
            return _to_whole
        case "float" | "double":
            return _to_float
        case "decimal":
            return _to_decimal
        case "boolean":
            return lambda value: _BOOLEANS.get(value, value) if type(value) is str else value
        case "date":
            return _to_date
        case "timestamp":
            return lambda value: _to_moment(value, zone)
        case "timestamp_ntz":
            return lambda value: _to_moment(value, None)
        case "binary":
            return _to_bytes
        case "object":
            return _to_object({name: converter(inner, zone) for name, inner in kind.members})
        case "array" | "map":
            assert kind.items is not None
            return _to_many(kind.kind, converter(kind.items, zone))
    return lambda value: value


def parse_json(text: str | bytes) -> Any:
    """JSON with its decimals exact.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("is nested too deep") from error


def with_named_floats(value: Any) -> Any:
    """``value`` with what JSON has no number for as text: "NaN", "Infinity", "-Infinity"."""
    if isinstance(value, dict):
        return {key: with_named_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_named_floats(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _to_whole(value: Any) -> Any:
    if type(value) is str:
        return int(value) if _WHOLE.fullmatch(value) else value
    # Where a column has nulls, some tools write its whole numbers as 3.0.
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is Decimal and value.is_finite() and value == value.to_integral_value():
        return int(value) if value.adjusted() < 20 else value
    return value


def _to_float(value: Any) -> Any:
    if type(value) is str:
        named = value in _NOT_FINITE or _NUMBER.fullmatch(value)
        return float(value) if named else value
    return float(value) if type(value) in (int, Decimal) else value


def _to_decimal(value: Any) -> Any:
    if type(value) is str:
        return Decimal(value) if _NUMBER.fullmatch(value) else value
    if type(value) is int:
        return Decimal(value)
    # The shortest text that gives the double back is what was meant by it.
    return Decimal(repr(value)) if type(value) is float else value


def _to_date(value: Any) -> Any:
    if type(value) is str and _DATE.fullmatch(value):
        return _parsed(date.fromisoformat, value)
    midnight = type(value) is datetime and value.tzinfo is None and value.time() == _MIDNIGHT
    return value.date() if midnight else value


_MIDNIGHT = datetime.min.time()


def _to_moment(value: Any, zone: tzinfo | None) -> Any:
    if type(value) is str and len(value) > len("2026-01-31"):
        value = _parsed(datetime.fromisoformat, value)
    if zone is not None and type(value) is datetime and value.tzinfo is None:
        return value.replace(tzinfo=zone).astimezone(UTC)
    return value


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        return text


def _to_bytes(value: Any) -> Any:
    if type(value) is not str:
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return value


def _from_text(value: Any) -> Any:
    if type(value) is not str:
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value


def _to_object(members: dict[str, Convert]) -> Convert:
    def convert(value: Any) -> Any:
        value = _from_text(value)
        if type(value) is not dict:
            return value
        return {
            name: members[name](inner) if name in members else inner
            for name, inner in value.items()
        }

    return convert


def _to_many(kind: str, item: Convert) -> Convert:
    def convert(value: Any) -> Any:
        value = _from_text(value)
        if kind == "array" and type(value) is list:
            return [item(inner) for inner in value]
        if kind == "map" and type(value) is dict:
            return {key: item(inner) for key, inner in value.items()}
        return value

    return convert
