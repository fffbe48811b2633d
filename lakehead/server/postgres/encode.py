"""Rows as PostgreSQL's DataRow messages, by column: a batch at a time, not a value at a time.

Each column becomes a column of bytes, with its length before each value; the rows are these joined,
which Arrow does, and the messages lie one behind the other in the joined column's own buffer.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from lakehead.query.text import json_text
from lakehead.server.postgres import types

_EPOCH_DAYS = 10_957  # From 1970 to 2000, where PostgreSQL's time begins.
_EPOCH_MICROS = _EPOCH_DAYS * 86_400 * 10**6
_DATA_ROW = b"D"
_NUMERIC_BASE = 10_000


def rows(batch: pa.RecordBatch, names: Sequence[str], formats: Sequence[int], copy: bool) -> bytes:
    """A batch as DataRow messages; ``copy``: as the CopyData messages of COPY's binary format.

    ``names`` are the columns' types as DuckDB writes them.
    """
    count = batch.num_rows
    fields = [
        _with_length(_values(column, name, code))
        for column, name, code in zip(batch.columns, names, formats, strict=True)
    ]
    parts = _repeated(len(fields).to_bytes(2, "big"), count)
    body = pc.binary_join_element_wise(parts, *fields, b"") if fields else parts
    sizes = pc.binary_length(body).to_numpy(zero_copy_only=False)
    lengths = _fixed((sizes + 4).astype(">i4"))
    kind = _repeated(b"d" if copy else _DATA_ROW, count)
    return _joined_bytes(pc.binary_join_element_wise(kind, lengths, body, b""))


def _values(column: pa.Array, name: str, code: int) -> pa.Array:
    """Each value's bytes; null where it is null."""
    number = types.oid(name)
    if number == types.BYTEA and code == 1:
        return column.cast(pa.binary())
    encoders = _BINARY if code == 1 else _TEXT
    return encoders.get(number, _text)(column)


def _with_length(values: pa.Array) -> pa.Array:
    sizes = pc.binary_length(values).fill_null(-1).to_numpy(zero_copy_only=False)
    return pc.binary_join_element_wise(_fixed(sizes.astype(">i4")), values.fill_null(b""), b"")


def _fixed(numbers: "np.ndarray[Any, Any]") -> pa.Array:
    """Numbers in network byte order, as a column of bytes."""
    width, count = numbers.dtype.itemsize, len(numbers)
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(
        pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(numbers.tobytes())]
    )


def _repeated(value: bytes, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.binary()), count)


def _joined_bytes(column: pa.Array) -> bytes:
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(column) + 1]
    if not len(column):
        return b""
    return bytes(column.buffers()[2][int(offsets[0]) : int(offsets[-1])])


def _masked(encoded: pa.Array, column: pa.Array) -> pa.Array:
    return pc.if_else(column.is_valid(), encoded, pa.scalar(None, pa.binary()))


def _each(column: pa.Array, encode: Callable[[Any], bytes]) -> pa.Array:
    """The slow way, for types that are rare."""
    return pa.array([None if v is None else encode(v) for v in column.to_pylist()], pa.binary())


def _text(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()).cast(pa.binary())


def _bool_text(column: pa.Array) -> pa.Array:
    return pc.if_else(column, pa.scalar(b"t", pa.binary()), pa.scalar(b"f", pa.binary()))


def _float_text(column: pa.Array) -> pa.Array:
    text = column.cast(pa.string())
    for arrow, postgres in (("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
        text = pc.if_else(pc.equal(text, arrow), postgres, text)
    return text.cast(pa.binary())


def _micros(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column.cast(pa.time64("us"), safe=False)


def _timestamp_text(column: pa.Array) -> pa.Array:
    zoned = column.type.tz is not None
    text = _micros(column).cast(pa.timestamp("us")).cast(pa.string()).cast(pa.binary())
    return pc.binary_join_element_wise(text, b"+00", b"") if zoned else text


def _time_text(column: pa.Array) -> pa.Array:
    return _micros(column).cast(pa.string()).cast(pa.binary())


def _json(column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _text(column)
    return _each(column, lambda value: json_text(value).encode())


def _integers(width: str, shift: int = 0) -> Callable[[pa.Array], pa.Array]:
    def encode(column: pa.Array) -> pa.Array:
        whole = column
        if pa.types.is_date(whole.type):
            whole = whole.cast(pa.int32())
        elif pa.types.is_temporal(whole.type):
            whole = _micros(whole).cast(pa.int64())
        numbers = whole.fill_null(0).to_numpy(zero_copy_only=False).astype("i8") - shift
        return _masked(_fixed(numbers.astype(width)), column)

    return encode


def _floats(width: str) -> Callable[[pa.Array], pa.Array]:
    def encode(column: pa.Array) -> pa.Array:
        numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
        return _masked(_fixed(numbers.astype(width)), column)

    return encode


def _bool(column: pa.Array) -> pa.Array:
    return pc.if_else(column, pa.scalar(b"\x01", pa.binary()), pa.scalar(b"\x00", pa.binary()))


def numeric(value: Any) -> bytes:
    """PostgreSQL's binary numeric: digits in base 10,000, their weight, sign and scale."""
    sign, digits, exponent = Decimal(value).as_tuple()
    assert isinstance(exponent, int)
    scale = max(0, -exponent)
    whole = int("".join(map(str, digits)) or "0") * 10 ** max(0, exponent)
    pad = -scale % 4
    whole *= 10**pad
    groups: list[int] = []
    while whole:
        whole, group = divmod(whole, _NUMERIC_BASE)
        groups.append(group)
    groups.reverse()
    weight = len(groups) - (scale + pad) // 4 - 1
    while groups and not groups[-1]:
        groups.pop()
    head = (len(groups), weight if groups else 0, 0x4000 if sign else 0, scale)
    return b"".join(n.to_bytes(2, "big", signed=n < 0) for n in (*head, *groups))


def _interval_text(value: Any) -> bytes:
    months, days, nanos = value
    seconds = timedelta(microseconds=abs(nanos) // 1000)
    hours, rest = divmod(seconds.days * 86_400 + seconds.seconds, 3600)
    clock = f"{'-' if nanos < 0 else ''}{hours:02}:{rest // 60:02}:{rest % 60:02}"
    return f"{months} mons {days} days {clock}.{seconds.microseconds:06}".encode()


def _interval(value: Any) -> bytes:
    months, days, nanos = value
    return b"".join(
        (
            (nanos // 1000).to_bytes(8, "big", signed=True),
            days.to_bytes(4, "big", signed=True),
            months.to_bytes(4, "big", signed=True),
        )
    )


_TEXT: dict[int, Callable[[pa.Array], pa.Array]] = {
    types.BOOL: _bool_text,
    types.FLOAT4: _float_text,
    types.FLOAT8: _float_text,
    types.TIMESTAMP: _timestamp_text,
    types.TIMESTAMPTZ: _timestamp_text,
    types.TIME: _time_text,
    types.JSON: _json,
    types.BYTEA: lambda column: _each(column, lambda value: b"\\x" + value.hex().encode()),
    types.INTERVAL: lambda column: _each(column, _interval_text),
}
_BINARY: dict[int, Callable[[pa.Array], pa.Array]] = {
    types.BOOL: _bool,
    types.INT2: _integers(">i2"),
    types.INT4: _integers(">i4"),
    types.INT8: _integers(">i8"),
    types.FLOAT4: _floats(">f4"),
    types.FLOAT8: _floats(">f8"),
    types.DATE: _integers(">i4", _EPOCH_DAYS),
    types.TIME: _integers(">i8"),
    types.TIMESTAMP: _integers(">i8", _EPOCH_MICROS),
    types.TIMESTAMPTZ: _integers(">i8", _EPOCH_MICROS),
    types.NUMERIC: lambda column: _each(column, numeric),
    types.UUID: lambda column: _each(column, lambda value: UUID(str(value)).bytes),
    types.JSON: _json,
    types.INTERVAL: lambda column: _each(column, _interval),
}
