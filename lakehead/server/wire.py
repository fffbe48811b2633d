"""What the server and its workers say to each other: frames on a socket pair.

A frame is four bytes of length, one byte of kind, and the body: MessagePack, but for rows, which
are a count and the very bytes that the client is sent. The server never unpickles: a worker has run
a stranger's SQL.
"""

import struct
from typing import Any

import msgspec

MAX_FRAME = 64 * 2**20
HEAD = struct.Struct(">IB")
ROWS_HEAD = struct.Struct(">I")
# What the zygote says of a worker.
PID = struct.Struct(">q")
HEADER, ROWS, ERROR, DONE = b"HREZ"


class Ask(msgspec.Struct, frozen=True):
    """One query. ``tables`` are patterns; ``formats`` are PostgreSQL's codes by column.

    ``form``: ``pg`` and ``pgcopy`` (DataRow, CopyData), ``arrow`` (an IPC stream), ``jsonl``, or
    ``describe``: columns and parameters only. ``params`` are text, bytes, numbers... or null.
    ``driver``: it may ask PostgreSQL's catalog, which is answered in its shape.
    """

    sql: str
    form: str
    tables: tuple[str, ...]
    max_rows: int
    max_bytes: int
    memory_bytes: int
    params: list[Any] | None = None
    formats: list[int] = []
    as_of: str | None = None
    driver: bool = False


class Column(msgspec.Struct, frozen=True):
    """``type`` as DuckDB writes it; ``oid`` and ``size`` are those of RowDescription."""

    name: str
    type: str
    oid: int
    size: int


class Header(msgspec.Struct, frozen=True):
    """What comes before rows. ``tables``: name -> snapshot id, what is read."""

    columns: list[Column]
    tables: dict[str, int | None]
    parameters: list[int] = []


class Failure(msgspec.Struct, frozen=True):
    """``kind``: ``user``, ``system`` or ``limit``."""

    kind: str
    message: str
    hint: str = ""


def frame(kind: int, body: bytes) -> bytes:
    return HEAD.pack(len(body), kind) + body


def packed(kind: int, body: msgspec.Struct) -> bytes:
    return frame(kind, msgspec.msgpack.encode(body))
