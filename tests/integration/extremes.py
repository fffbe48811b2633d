"""A stream that has every type, and its extreme values."""

import json
import math
import struct
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from lakehead.query.engine import run
from lakehead.query.types import quoted
from tests.conftest import Stack

STREAM = "extremes"
_INNER = {"name": "inner", "logicalType": "object", "properties": [
    {"name": "text", "logicalType": "string"},
    {"name": "number", "logicalType": "integer"},
]}  # fmt: skip
_FIELDS: dict[str, dict[str, Any]] = {
    "text": {"logicalType": "string"},
    "flag": {"logicalType": "boolean"},
    "small": {"logicalType": "integer", "physicalType": "int"},
    "whole": {"logicalType": "integer"},
    "single": {"logicalType": "number", "physicalType": "float"},
    "real": {"logicalType": "number"},
    "money": {"logicalType": "number", "physicalType": "decimal(12,3)"},
    "digits": {"logicalType": "number", "physicalType": "decimal(38,0)"},
    "fraction": {"logicalType": "number", "physicalType": "decimal(38,38)"},
    "day": {"logicalType": "date"},
    "moment": {"logicalType": "timestamp"},
    "wall": {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}},
    "bytes": {"logicalType": "string", "physicalType": "binary"},
    "words": {"logicalType": "array", "items": {"logicalType": "string"}},
    "grid": {
        "logicalType": "array",
        "items": {
            "logicalType": "array",
            "items": {"logicalType": "integer", "physicalType": "int"},
        },
    },
    "counts": {"logicalType": "map", "map": {"value": {"logicalType": "integer"}}},
    "amounts": {
        "logicalType": "map",
        "map": {"value": {"logicalType": "number", "physicalType": "decimal(38,10)"}},
    },
    "place": {
        "logicalType": "object",
        "properties": [
            {"name": "city", "logicalType": "string"},
            {"name": "since", "logicalType": "timestamp"},
            _INNER,
        ],
    },
    "parts": {"logicalType": "array", "items": {**_INNER, "name": "part"}},
}


def _single(value: float) -> float:
    """The nearest 32-bit float."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


VALUES: dict[str, list[Any]] = {
    "text": ["", "it's", "é\u20ac\U0001f600", '"\\\n\t\u0001', "x" * 70_000, "null", " "],
    "flag": [True, False],
    "small": [-(2**31), 2**31 - 1, 0],
    "whole": [-(2**63), 2**63 - 1, 2**53 + 1],
    "single": [math.nan, math.inf, -math.inf, _single(3.4e38), _single(1e-45), -0.0, _single(0.1)],
    "real": [math.nan, math.inf, -math.inf, 1.7976931348623157e308, 5e-324, -0.0, 0.1],
    "money": [Decimal("-999999999.999"), Decimal("999999999.999"), Decimal("0.001")],
    "digits": [Decimal("9" * 38), Decimal("-" + "9" * 38), Decimal(0)],
    "fraction": [Decimal("0." + "9" * 38), Decimal("-1").scaleb(-38)],
    "day": [date.min, date.max, date(1970, 1, 1), date(2024, 2, 29)],
    "moment": [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    ],
    "wall": [
        datetime(1, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999999),
        datetime(2026, 3, 29, 2, 30),
    ],
    "bytes": [b"", b"\x00", bytes(range(256)), b"\xff" * 1000],
    "words": [[], [None], ["", None, "é"], ["x"] * 1000],
    "grid": [[], [[]], [[1, None], None, [2**31 - 1]]],
    "counts": [{}, {"": 0}, {"it's": None, "é": 2**63 - 1}],
    "amounts": [{}, {"a": Decimal("9" * 28 + "." + "9" * 10), "b": None}],
    "place": [
        {"city": None, "since": None, "inner": None},
        {
            "city": "Riga",
            "since": datetime(1, 1, 1, tzinfo=UTC),
            "inner": {"text": None, "number": None},
        },
        {"city": "", "since": None, "inner": {"text": "x", "number": -1}},
    ],
    "parts": [[], [None], [{"text": "a", "number": 1}, {"text": None, "number": None}]],
}


def contract_text(encoding: str) -> str:
    """The contract's file."""
    properties = [
        {"name": "id", "logicalType": "integer", "required": True},
        *({"name": name, **kind} for name, kind in _FIELDS.items()),
        {"name": "at", "logicalType": "timestamp", "required": True},
    ]
    document = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": STREAM,
        "name": STREAM,
        "version": "1.0.0",
        "status": "active",
        "schema": [{"name": STREAM, "physicalType": "topic", "properties": properties}],
        "customProperties": [
            {"property": "eventTime", "value": "at"},
            {"property": "key", "value": "id"},
            {"property": "encoding", "value": encoding},
        ],
    }
    # JSON is YAML as well.
    return json.dumps(document, indent=2)


def events() -> list[dict[str, Any]]:
    """Each value of each type at least once, each type null once, and all of them null at once."""
    most = max(len(values) for values in VALUES.values())
    at = datetime(2026, 1, 31, 10, 0, 0, 123456, tzinfo=UTC)
    found = []
    for i in range(most):
        row = {name: values[i % len(values)] for name, values in VALUES.items()}
        found.append({"id": i, **row, "at": at})
    for name in VALUES:
        found.append({**found[len(found) % most], "id": len(found), name: None})
    found.append({"id": len(found), **dict.fromkeys(VALUES), "at": at})
    return found


def check_landed(stack: Stack) -> None:
    """All events are landed, and every value is the one that was sent."""
    audited = stack.audit(STREAM)
    published = events()
    with run(stack.settings, f"SELECT cause FROM landing.{STREAM}_dead") as dead:
        assert dead.fetchall() == []
    assert (audited["lost"], audited["landed"]) == (0, len(published))
    names = ["id", *VALUES, "at"]
    sql = f"SELECT {', '.join(map(quoted, names))} FROM landing.{STREAM} ORDER BY id"
    with run(stack.settings, sql) as result:
        rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    assert len(rows) == len(published)
    for row, event in zip(rows, published, strict=True):
        for name in names:
            assert _same(row[name], event[name]), f"{name}: {row[name]!r}, sent {event[name]!r}"


def _same(left: Any, right: Any) -> bool:
    """Equal, where NaN is NaN and the sign of zero counts."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        both = math.isnan(left) and math.isnan(right)
        return both or (left == right and math.copysign(1, left) == math.copysign(1, right))
    return type(left) is type(right) and bool(left == right)
