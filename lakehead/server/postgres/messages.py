"""Messages of PostgreSQL's protocol, to bytes and from bytes.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import struct
from collections.abc import Sequence

from lakehead.errors import UserError
from lakehead.server import wire

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
PROTOCOL_3 = 3


class ProtocolError(UserError):
    """A client sent what is no message."""


def message(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def text(value: str) -> bytes:
    return value.encode("utf-8", "replace").replace(b"\0", b"") + b"\0"


def int16(value: int) -> bytes:
    return value.to_bytes(2, "big", signed=True)


def int32(value: int) -> bytes:
    return value.to_bytes(4, "big", signed=True)


def authentication(code: int) -> bytes:
    return message(b"R", int32(code))


def parameter_status(name: str, value: str) -> bytes:
    return message(b"S", text(name), text(value))


def backend_key(process: int, secret: int) -> bytes:
    return message(b"K", int32(process), int32(secret))


def ready(status: str) -> bytes:
    return message(b"Z", status.encode())


def error(severity: str, state: str, said: str, hint: str = "") -> bytes:
    parts = [b"S" + text(severity), b"V" + text(severity), b"C" + text(state), b"M" + text(said)]
    if hint:
        parts.append(b"H" + text(hint))
    return message(b"E", *parts, b"\0")


def row_description(columns: Sequence[wire.Column], formats: Sequence[int]) -> bytes:
    parts = [int16(len(columns))]
    for column, code in zip(columns, formats, strict=True):
        parts += [text(column.name), int32(0), int16(0), int32(column.oid)]
        parts += [int16(column.size), int32(-1), int16(code)]
    return message(b"T", *parts)


def data_row(values: Sequence[str]) -> bytes:
    parts = [int16(len(values))]
    for value in values:
        encoded = value.encode()
        parts += [int32(len(encoded)), encoded]
    return message(b"D", *parts)


def parameter_description(oids: Sequence[int]) -> bytes:
    return message(b"t", int16(len(oids)), *map(int32, oids))


def complete(tag: str) -> bytes:
    return message(b"C", text(tag))


PARSED = message(b"1")
BOUND = message(b"2")
CLOSED = message(b"3")
NO_DATA = message(b"n")
EMPTY = message(b"I")
SUSPENDED = message(b"s")
COPY_DONE = message(b"c")
# What the binary form of COPY begins and ends with.
COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + int32(0) + int32(0)
COPY_END = int16(-1)


def copy_out(columns: int) -> bytes:
    return message(b"H", b"\x01", int16(columns), int16(1) * columns)


class Body:
    """Reads the fields of one message.

    Raises:
        ProtocolError: it is shorter than its fields.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def raw(self, size: int) -> bytes:
        if size < 0 or self._at + size > len(self._data):
            raise ProtocolError("a message is shorter than its fields")
        self._at += size
        return self._data[self._at - size : self._at]

    def int16(self) -> int:
        return int(struct.unpack(">h", self.raw(2))[0])

    def int32(self) -> int:
        return int(struct.unpack(">i", self.raw(4))[0])

    def text(self) -> str:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise ProtocolError("a text in a message has no end")
        found = self._data[self._at : end]
        self._at = end + 1
        try:
            return found.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(f"a text in a message is not UTF-8: {error}") from None

    def int16s(self) -> list[int]:
        return [self.int16() for _ in range(self._count())]

    def int32s(self) -> list[int]:
        return [self.int32() for _ in range(self._count())]

    def values(self) -> list[bytes | None]:
        found: list[bytes | None] = []
        for _ in range(self._count()):
            size = self.int32()
            found.append(None if size == -1 else self.raw(size))
        return found

    def _count(self) -> int:
        return int(struct.unpack(">H", self.raw(2))[0])
