"""Parameters of a statement, from PostgreSQL's forms to values for DuckDB.

What has no simpler form goes as text, which DuckDB casts to what it is compared with.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from lakehead.server.postgres import types
from lakehead.server.postgres.messages import ProtocolError

_EPOCH = datetime(2000, 1, 1)
_INTEGERS = {types.INT2: ">h", types.INT4: ">i", types.INT8: ">q", types.OID: ">I"}
_FLOATS = {types.FLOAT4: ">f", types.FLOAT8: ">d"}
_TEXTS = (0, types.TEXT, types.VARCHAR, types.UNKNOWN, types.NAME, types.CHAR, types.JSON)
Value = int | float | bool | str | bytes | None


def decoded(
    values: Sequence[bytes | None], formats: Sequence[int], oids: Sequence[int]
) -> list[Value]:
    """Values by the declared types; an undeclared one is text.

    Raises:
        ProtocolError: a value is none of its type.
    """
    codes = types.spread(formats, len(values))
    if len(codes) != len(values):
        raise ProtocolError(f"{len(codes)} formats for {len(values)} parameters")
    whole = [*oids, *[0] * len(values)]
    found = []
    for number, (value, code, oid) in enumerate(zip(values, codes, whole, strict=False), 1):
        try:
            found.append(None if value is None else (_binary if code else _text)(value, oid))
        except (ValueError, struct.error, OverflowError, ArithmeticError) as error:
            raise ProtocolError(f"parameter {number} is no value of its type: {error}") from None
    return found


def _text(value: bytes, oid: int) -> Value:
    text = value.decode()
    if oid in _INTEGERS:
        return int(text)
    if oid in _FLOATS:
        return float(text)
    if oid == types.BOOL:
        return text.strip().lower() in ("t", "true", "1", "on", "yes", "y")
    if oid == types.BYTEA and text.startswith("\\x"):
        return bytes.fromhex(text[2:])
    return text


def _binary(value: bytes, oid: int) -> Value:
    if oid in _INTEGERS:
        return int(struct.unpack(_INTEGERS[oid], value)[0])
    if oid in _FLOATS:
        return float(struct.unpack(_FLOATS[oid], value)[0])
    if oid in _TEXTS:
        return value.decode()
    match oid:
        case types.BOOL:
            return value != b"\0"
        case types.BYTEA:
            return value
        case types.UUID:
            return str(UUID(bytes=value))
        case types.DATE:
            days = struct.unpack(">i", value)[0]
            return (date(2000, 1, 1) + timedelta(days=days)).isoformat()
        case types.TIMESTAMP | types.TIMESTAMPTZ:
            at = _EPOCH + timedelta(microseconds=struct.unpack(">q", value)[0])
            return (at.replace(tzinfo=UTC) if oid == types.TIMESTAMPTZ else at).isoformat(" ")
        case types.TIME:
            micros = struct.unpack(">q", value)[0]
            return (_EPOCH + timedelta(microseconds=micros)).time().isoformat()
        case types.NUMERIC:
            return _numeric(value)
    raise ValueError(f"type {oid} cannot be read in binary; send it as text")


def _numeric(value: bytes) -> str:
    count, weight, sign, _ = struct.unpack(">HhHH", value[:8])
    if sign not in (0, 0x4000):
        return "NaN"
    groups = struct.unpack(f">{count}H", value[8:])
    whole = sum(group * 10_000 ** (count - 1 - i) for i, group in enumerate(groups))
    digits = tuple(map(int, str(whole)))
    return format(Decimal((int(sign != 0), digits, 4 * (weight + 1 - count))), "f")
