"""From an event's values to a record in Confluent's wire format."""

import io
import struct
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from lakehead.errors import UserError

Check = Callable[[Any], None]
_REFUSED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, struct.error)


class AvroEncoder:
    """Writes events with one registered schema: a zero byte, its id, Avro's binary encoding."""

    def __init__(self, schema: dict[str, Any], schema_id: int) -> None:
        import fastavro

        self._schema = fastavro.parse_schema(schema)
        self._write = fastavro.schemaless_writer
        self._header = struct.pack(">bI", 0, schema_id)
        self._check = _checker(schema)

    def encode(self, event: dict[str, Any]) -> bytes:
        """The record of an event, given as str, bool, int, float, Decimal, date, datetime, bytes,
        list and dict.

        Raises:
            UserError: a value does not fit the schema, a field that has no default is missing, or
                one is unknown.
        """
        buffer = io.BytesIO(self._header)
        buffer.seek(0, io.SEEK_END)
        try:
            if self._check:
                self._check(event)
            self._write(buffer, self._schema, event, strict_allow_default=True)
        except _REFUSED as error:
            raise UserError(f"the event does not fit its Avro schema: {error}") from error
        return buffer.getvalue()


def _checker(schema: Any) -> Check | None:
    """What Avro's writer lets pass and changes: a moment without zone, which it takes for local
    time, a local time with one, a number of too many digits. None where there is nothing to check.
    """
    if isinstance(schema, list):
        others = [check for branch in schema if (check := _checker(branch))]
        return _unless_none(others[0]) if others else None
    if isinstance(schema, str):
        return _check_int if schema == "int" else None
    match schema.get("logicalType") or schema["type"]:
        case "timestamp-micros":
            return _check_zone
        case "local-timestamp-micros":
            return _check_no_zone
        case "decimal":
            return _decimal_checker(schema["precision"] - schema["scale"])
        case "array":
            return _all(_checker(schema["items"]), lambda items: items)
        case "map":
            return _all(_checker(schema["values"]), lambda items: items.values())
        case "record":
            return _record_checker(schema["fields"])
    return None


def _record_checker(fields: list[dict[str, Any]]) -> Check | None:
    checks = [(f["name"], check) for f in fields if (check := _checker(f["type"]))]
    if not checks:
        return None

    def check_record(event: dict[str, Any]) -> None:
        for name, check in checks:
            if name in event:
                try:
                    check(event[name])
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error

    return check_record


def _unless_none(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _all(check: Check | None, items: Callable[[Any], Iterable[Any]]) -> Check | None:
    if check is None:
        return None

    def check_all(values: Any) -> None:
        for value in items(values):
            check(value)

    return check_all


def _decimal_checker(whole_digits: int) -> Check:
    limit = 10**whole_digits

    def check_decimal(value: Any) -> None:
        if not isinstance(value, Decimal) or not value.is_finite():
            raise ValueError(f"{value!r} is no finite Decimal")
        # abs() would round to the 28 digits of the context.
        if value.copy_abs() >= limit:
            raise ValueError(f"{value} has more than {whole_digits} digits before the point")

    return check_decimal


def _check_int(value: Any) -> None:
    if isinstance(value, int) and not -(2**31) <= value < 2**31:
        raise ValueError(f"{value} has more than 32 bits")


def _check_zone(value: Any) -> None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"{value!r} is no datetime with a time zone")


def _check_no_zone(value: Any) -> None:
    if not isinstance(value, datetime) or value.tzinfo is not None:
        raise ValueError(f"{value!r} is no datetime without a time zone")
