"""A worker: answers one query after the other, and may be killed at any time."""

import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from lakehead.contracts.model import Contract
from lakehead.errors import LakeheadError, SystemFailure, UserError
from lakehead.lake.as_of import parse_as_of
from lakehead.live import handed, live
from lakehead.live.tail import Upto
from lakehead.query import engine, sandbox
from lakehead.query.freshness import Freshness
from lakehead.query.result import Result
from lakehead.query.text import json_text
from lakehead.server import tokens, wire
from lakehead.server.postgres import catalog, encode, types
from lakehead.settings import Settings

BATCH_ROWS = 4096
_PIECE_BYTES = 2**20
# DuckDB takes a main module without a file for a person at a prompt, and draws progress bars.
sys.modules["__main__"].__dict__.setdefault("__file__", __file__)


class TooMuch(LakeheadError):
    """The answer has more rows or bytes than the asker may have."""


class Given:
    """Tails that the server gives: a worker does not talk to Kafka."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server

    def upto(self, contract: Contract, fence: Mapping[int, int], with_dead: bool) -> Upto:
        ask = wire.TailAsk(contract.stream, dict(fence), with_dead)
        self._server.sendall(wire.packed(wire.TAIL, ask))
        body = wire.received(self._server)
        if body is None:
            raise SystemFailure("the server has gone")
        given = msgspec.msgpack.decode(body, type=wire.TailGiven)
        if given.failure is not None:
            kind = UserError if given.failure.kind == "user" else SystemFailure
            raise kind(given.failure.message, given.failure.hint)
        return Upto(given.bounds, handed.read(Path(given.path)))


def serve(settings: Settings, server: socket.socket) -> None:
    """Answer until the server hangs up."""
    while (body := wire.received(server)) is not None:
        ask = msgspec.msgpack.decode(body, type=wire.Ask)
        try:
            _answer(settings, ask, server)
        except BrokenPipeError:
            return
        except Exception as error:
            server.sendall(wire.packed(wire.ERROR, _failure(error)))


def _answer(settings: Settings, ask: wire.Ask, server: socket.socket) -> None:
    send = server.sendall
    if ask.form == "describe":
        send(wire.packed(wire.HEADER, _described(settings, ask)))
        send(wire.frame(wire.DONE, b""))
        return
    with _run(settings, ask, ask.sql, _bound(ask), Given(server)) as result:
        send(wire.packed(wire.HEADER, _header(result)))
        rows = sent = 0
        for count, chunk in _FORMS[ask.form](result, ask):
            rows += count
            sent += len(chunk)
            if rows > ask.max_rows:
                raise TooMuch(
                    f"the answer has more than {ask.max_rows:,} rows", "aggregate, or use LIMIT"
                )
            if sent > ask.max_bytes or len(chunk) > wire.MAX_FRAME // 2:
                raise TooMuch(
                    f"the answer has more than {min(ask.max_bytes, sent):,} bytes",
                    "ask for fewer rows or columns",
                )
            send(wire.frame(wire.ROWS, wire.ROWS_HEAD.pack(count) + chunk))
    send(wire.frame(wire.DONE, b""))


def _run(
    settings: Settings, ask: wire.Ask, sql: str, params: Any, tails: Given | None = None
) -> Result:
    guest = sandbox.Guest(partial(tokens.sees, ask.tables), ask.memory_bytes)
    if ask.driver and catalog.concerns(sql):
        return catalog.run(settings, sql, params, guest)
    if ask.live and tails is not None:
        return live.answer(settings, tails, sql, params, guest)
    moment = parse_as_of(ask.as_of) if ask.as_of else None
    return engine.run(settings, sql, params, as_of=moment, guest=guest)


def _described(settings: Settings, ask: wire.Ask) -> wire.Header:
    """Columns and parameters of a statement that is not run: it is asked for no rows."""
    parameters = types.parameters(ask.sql)
    if types.is_explain(ask.sql):
        with engine.run(settings, "EXPLAIN SELECT 1") as result:
            return wire.Header(types.columns(result.columns), {}, parameters)
    inner = f"SELECT * FROM (\n{ask.sql.rstrip().rstrip(';')}\n) LIMIT 0"
    with _run(settings, ask, inner, [None] * len(parameters) or None) as result:
        header = _header(result)
    return wire.Header(header.columns, header.tables, parameters)


def _bound(ask: wire.Ask) -> list[Any] | None:
    if ask.params is None:
        return None
    wanted = types.parameters(ask.sql)
    if len(wanted) != len(ask.params):
        raise UserError(f"expected {len(wanted)} parameters, got {len(ask.params)}")
    return ask.params or None


def _header(result: Result) -> wire.Header:
    read = {name: state.snapshot_id for name, state in result.tables.items()}
    fresh = {name: _plain(found) for name, found in result.freshness.items()}
    return wire.Header(types.columns(result.columns), read, freshness=fresh)


def _plain(fresh: Freshness) -> dict[str, Any]:
    newest, closed = fresh.newest_event_time, fresh.closed_until
    said = {
        "read_at": fresh.read_at.isoformat(),
        "newest_event_time": newest.isoformat() if newest else None,
        "offsets": dict(fresh.offsets),
        "tail_rows": fresh.tail_rows,
    }
    if fresh.gone:
        said["gone"] = dict(fresh.gone)
    if fresh.open_rows is not None:
        said["closed_until"] = closed.isoformat() if closed else None
        said["open_rows"] = fresh.open_rows
    return said


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of about a megabyte at most: what the server holds of an answer is a few of them."""
    for batch in batches:
        count = min(max(1, batch.num_rows), batch.nbytes // _PIECE_BYTES + 1)
        size = -(-batch.num_rows // count)
        for start in range(0, batch.num_rows, max(1, size)):
            yield batch.slice(start, size)


def _data_rows(result: Result, ask: wire.Ask, copy: bool = False) -> Iterator[tuple[int, bytes]]:
    names = [column.type for column in result.columns]
    formats = types.spread(ask.formats, len(names))
    _, batches = result.batches(BATCH_ROWS)
    for batch in _pieces(batches):
        yield batch.num_rows, encode.rows(batch, names, formats, copy)


def _arrow(result: Result, ask: wire.Ask) -> Iterator[tuple[int, bytes]]:
    schema, batches = result.batches(BATCH_ROWS)
    out = _Pieces()
    with pa.ipc.new_stream(out, schema) as writer:
        for batch in _pieces(batches):
            writer.write_batch(batch)
            yield batch.num_rows, out.taken()
    yield 0, out.taken()


def _json_lines(result: Result, ask: wire.Ask) -> Iterator[tuple[int, bytes]]:
    keys = [(f"{json_text(column.name)}: ", column.type) for column in result.columns]
    for rows in result.rows(BATCH_ROWS // 4):
        lines = (
            ", ".join(k + json_text(v, t) for (k, t), v in zip(keys, row, strict=True))
            for row in rows
        )
        yield len(rows), "".join(f"{{{line}}}\n" for line in lines).encode()


class _Pieces:
    """A file that gives away what was written."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def taken(self) -> bytes:
        written, self._written = b"".join(self._written), []
        return written


_FORMS: dict[str, Callable[[Result, wire.Ask], Iterator[tuple[int, bytes]]]] = {
    "pg": _data_rows,
    "pgcopy": partial(_data_rows, copy=True),
    "arrow": _arrow,
    "jsonl": _json_lines,
}


def _failure(error: Exception) -> wire.Failure:
    match error:
        case TooMuch():
            return wire.Failure("limit", error.message, error.hint)
        case UserError():
            return wire.Failure("user", error.message, error.hint)
        case LakeheadError():
            return wire.Failure("system", error.message, error.hint)
        case MemoryError() | pa.ArrowMemoryError():
            return wire.Failure("limit", "the query needs more memory than it may have")
        case RecursionError():
            return wire.Failure("user", "the SQL is nested too deeply")
        case _:
            return wire.Failure("system", f"{type(error).__name__}: {error}")
