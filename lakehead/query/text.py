"""One value of an answer as text, without loss.

JSON: a decimal is a number of exactly its digits (``1.50``), never through a float; a timestamp
is ISO 8601, with ``+00:00`` when it has a time zone; bytes are base64; an interval is an ISO 8601
duration; NaN and the infinities, which JSON does not have, are the strings ``"NaN"``,
``"Infinity"`` and ``"-Infinity"``. CSV: the same without JSON's quotes; null is an empty field
and the empty string is ``""``.
"""

import json
import math
from base64 import b64encode
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal

_ZONED = "TIMESTAMP WITH TIME ZONE"
# What could break a terminal or a table's lines, shown as an escape instead.
_CONTROL = {c: repr(chr(c))[1:-1] for c in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def json_text(value: object, type_name: str = "") -> str:
    """``value`` as JSON; ``type_name`` is the column's type as DuckDB writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value) if math.isfinite(value) else f'"{_not_finite(value)}"'
        case Decimal():
            return format(value, "f")
        case dict():
            pairs = (f"{_string(_key(k))}: {json_text(v)}" for k, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple():
            return "[" + ", ".join(json_text(v) for v in value) + "]"
        case _:
            return _string(_plain(value, type_name))


def csv_text(value: object, type_name: str = "") -> str:
    """``value`` as one CSV field (RFC 4180), quoted where it must be."""
    if value is None:
        return ""
    text = cell_text(value, type_name)
    if text and text == text.strip() and not any(c in text for c in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'


def cell_text(value: object, type_name: str = "") -> str:
    """``value`` without quotes; null is ``NULL``."""
    match value:
        case None:
            return "NULL"
        case float() if not math.isfinite(value):
            return _not_finite(value)
        case bool() | int() | float() | Decimal() | dict() | list() | tuple():
            return json_text(value, type_name)
        case _:
            return _plain(value, type_name)


def shown_text(value: object, type_name: str = "") -> str:
    """``value`` for a person: bytes as the text they likely are, and no control characters."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").translate(_CONTROL)
    return cell_text(value, type_name).translate(_CONTROL)


def csv_line(cells: Iterable[str]) -> str:
    return ",".join(cells) + "\r\n"


def _plain(value: object, type_name: str) -> str:
    match value:
        case datetime() if type_name == _ZONED and value.tzinfo is None:
            # DuckDB's infinity, which it gives as the last or first moment without a zone.
            return "infinity" if value.year > 1 else "-infinity"
        case date() | time():
            return value.isoformat()
        case bytes():
            return b64encode(value).decode()
        case timedelta():
            return _duration(value)
        case _:
            return str(value)


def _duration(value: timedelta) -> str:
    sign = "-" if value < timedelta(0) else ""
    value = abs(value)
    seconds = f"{value.seconds}.{value.microseconds:06}" if value.microseconds else value.seconds
    return f"{sign}P{value.days}DT{seconds}S"


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _key(value: object) -> str:
    return value if isinstance(value, str) else cell_text(value)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
