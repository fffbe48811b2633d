"""What the server and its workers say to each other: frames on a socket pair.

A frame is four bytes of length, one byte of kind, and the body: MessagePack, but for rows, which
are a count and the very bytes that the client is sent. The server never unpickles: a worker has run
a stranger's SQL.
"""

import socket
import struct
from typing import Any

import msgspec

MAX_FRAME = 64 * 2**20
HEAD = struct.Struct(">IB")
ROWS_HEAD = struct.Struct(">I")
# What the zygote says of a worker.
PID = struct.Struct(">q")
HEADER, ROWS, ERROR, DONE, TAIL = b"HREZT"


class Ask(msgspec.Struct, frozen=True):
    """One query. ``tables`` are patterns; ``formats`` are PostgreSQL's codes by column.

    ``form``: ``pg`` and ``pgcopy`` (DataRow, CopyData), ``arrow`` (an IPC stream), ``jsonl``, or
    ``describe``: columns and parameters only. ``params`` are text, bytes, numbers... or null.
    ``driver``: it may ask PostgreSQL's catalog, which is answered in its shape. ``live``: up to the
    last event; the worker then asks for tails (`TailAsk`) before its header.
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
    live: bool = False


class Column(msgspec.Struct, frozen=True):
    """``type`` as DuckDB writes it; ``oid`` and ``size`` are those of RowDescription."""

    name: str
    type: str
    oid: int
    size: int


class Header(msgspec.Struct, frozen=True):
    """What comes before rows. ``tables``: name -> snapshot id, what is read. ``freshness``: name ->
    up to where, of a live answer, in plain values."""

    columns: list[Column]
    tables: dict[str, int | None]
    parameters: list[int] = []
    freshness: dict[str, dict[str, Any]] = {}


class Failure(msgspec.Struct, frozen=True):
    """``kind``: ``user``, ``system`` or ``limit``."""

    kind: str
    message: str
    hint: str = ""


class TailAsk(msgspec.Struct, frozen=True):
    """The tail of a stream from ``fence`` on, by partition; ``with_dead``: its dead rows too."""

    stream: str
    fence: dict[int, int]
    with_dead: bool


class TailGiven(msgspec.Struct, frozen=True):
    """``path`` is of a file as `lakehead.live.handed` writes it; ``bounds`` as in `Upto`."""

    path: str = ""
    bounds: dict[int, tuple[int, int]] = {}
    failure: Failure | None = None


class TailSize(msgspec.Struct, frozen=True):
    """What is kept of a stream; ``behind``: offsets that were not taken in yet."""

    stream: str
    records: int
    bytes: int
    behind: int


class KeeperAsk(msgspec.Struct, frozen=True):
    """What the server asks of the keeper: a tail, or else all sizes."""

    id: int
    tail: TailAsk | None


class KeeperSaid(msgspec.Struct, frozen=True):
    """The answer to the ask of this id."""

    id: int
    tail: TailGiven | None = None
    sizes: list[TailSize] = []


def frame(kind: int, body: bytes) -> bytes:
    return HEAD.pack(len(body), kind) + body


def packed(kind: int, body: msgspec.Struct) -> bytes:
    return frame(kind, msgspec.msgpack.encode(body))


def received(end: socket.socket) -> bytes | None:
    """The body of the next frame; None once the other end has hung up."""
    head = _exactly(end, HEAD.size)
    if head is None:
        return None
    length, _ = HEAD.unpack(head)
    return _exactly(end, length)


def _exactly(end: socket.socket, length: int) -> bytes | None:
    parts = []
    while length:
        part = end.recv(min(length, 2**20))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
