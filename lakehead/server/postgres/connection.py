"""One client's connection: messages in, messages out.

Messages are read by a task of their own, so that a client that goes away is noticed while its query
runs; they are handled one by one.
"""

import asyncio
import hmac
import logging
import re
import secrets
import ssl
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from lakehead.errors import LakeheadError, UserError
from lakehead.server import wire
from lakehead.server.desk import Answer, Desk, Question
from lakehead.server.fair import Busy
from lakehead.server.pool import Cancelled, TooBig, TooLong
from lakehead.server.postgres import commands, parameters, types
from lakehead.server.postgres import messages as m
from lakehead.server.postgres.channel import Channel, Gone
from lakehead.server.postgres.login import log_in

LOGIN_SECONDS = 15
_INBOX = 64
_NAMES = 1000
_COPY = re.compile(
    r"\s*copy\s*\((?P<query>.*)\)\s*to\s+stdout\s*\(\s*format\s+binary\s*\)\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
log = logging.getLogger("lakehead.server")


@dataclass(frozen=True)
class Statement:
    """A prepared statement; ``oids`` are the types that the client says its parameters have."""

    sql: str
    oids: list[int]


@dataclass
class Portal:
    """A statement with its parameters, and the answer once it runs."""

    sql: str
    params: list[parameters.Value] | None
    formats: list[int]
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    answer: Answer | None = None
    reply: commands.Reply | None = None
    # Rows that were received and not asked for yet.
    left: bytes = b""
    sent: int = 0
    done: bool = False


class Connection:
    """Serves one client until it goes."""

    def __init__(
        self,
        desk: Desk,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tls: ssl.SSLContext | None,
        others: "dict[int, Connection]",
    ) -> None:
        self._desk = desk
        self._channel = Channel(reader, writer)
        self._send = self._channel.send
        self._tls = tls
        self._others = others
        self._inbox: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue(_INBOX)
        self._statements: dict[str, Statement] = {}
        self._portals: dict[str, Portal] = {}
        self._secret = secrets.randbits(31)

    async def serve(self) -> None:
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                full = len(self._others) >= self._desk.limits.connections
                admitted = await log_in(self._desk, self._channel, self._tls, self._cancel, full)
        except (Gone, TimeoutError):
            return
        if admitted is None:
            return
        self._token, self._session = admitted
        process = secrets.randbits(31)
        while process in self._others:
            process = secrets.randbits(31)
        self._others[process] = self
        handling = asyncio.create_task(self._handle(process))
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait((handling, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._others[process]
            for task in (handling, reading):
                task.cancel()
            ended = await asyncio.gather(handling, reading, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    log.error("a connection failed", exc_info=error)

    def _cancel(self, process: int, secret: int) -> None:
        """What another client asks for, which has no connection of its own."""
        if process in self._others:
            self._others[process].cancel(secret)

    def cancel(self, secret: int) -> None:
        """End the query that runs, if the secret is right."""
        if hmac.compare_digest(secret.to_bytes(8, "big"), self._secret.to_bytes(8, "big")):
            for entry in list(self._desk.running.values()):
                if entry.owner is self:
                    entry.cancel()

    async def _read(self) -> None:
        """Until the client goes; then its query has nobody to answer to."""
        most = self._desk.limits.sql_bytes + 2**20
        with suppress(Gone, m.ProtocolError):
            while (kind := await self._channel.exactly(1)) != b"X":
                await self._inbox.put((kind, await self._channel.packet(most)))

    # Handling.

    async def _handle(self, process: int) -> None:
        failed = False
        try:
            await self._send(m.backend_key(process, self._secret), m.ready("I"))
            while True:
                kind, data = await self._inbox.get()
                if failed and kind != b"S":
                    continue
                failed = False
                try:
                    await self._one(kind, m.Body(data))
                except LakeheadError as error:
                    await self._complain(error)
                    # After an error the rest is skipped up to Sync; a simple query is its own.
                    failed = kind not in (b"Q", b"S")
                    if kind == b"Q":
                        await self._send(m.ready(self._session.status))
        except Gone:
            return
        finally:
            await self._close_portals()

    async def _one(self, kind: bytes, body: m.Body) -> None:
        match kind:
            case b"Q":
                await self._simple(body.text())
                await self._send(m.ready(self._session.status))
            case b"P":
                self._parse(body.text(), body.text(), body.int32s())
                await self._send(m.PARSED)
            case b"B":
                await self._bind(body)
                await self._send(m.BOUND)
            case b"D":
                await self._describe(body.raw(1), body.text())
            case b"E":
                await self._execute(body.text(), body.int32())
            case b"C":
                await self._close(body.raw(1), body.text())
                await self._send(m.CLOSED)
            case b"S":
                if self._session.status == "I":
                    await self._close_portals()
                await self._send(m.ready(self._session.status))
            case b"H" | b"d" | b"c" | b"f":
                pass
            case _:
                raise m.ProtocolError(f"there is no message {kind!r} here")

    async def _simple(self, sql: str) -> None:
        if not sql.strip().rstrip(";").strip():
            await self._send(m.EMPTY)
            return
        portal = Portal(sql, None, [])
        try:
            if match := _COPY.fullmatch(sql):
                await self._copy(portal, match["query"])
                return
            await self._start(portal)
            if columns := self._columns(portal):
                await self._send(m.row_description(columns, [0] * len(columns)))
            await self._rest(portal)
        finally:
            await _closed(portal)

    def _parse(self, name: str, sql: str, oids: list[int]) -> None:
        if name and name in self._statements:
            raise m.ProtocolError(f"there is a statement {name!r} already")
        if len(self._statements) >= _NAMES:
            raise TooBig(f"more than {_NAMES} prepared statements", "DEALLOCATE ALL")
        self._statements[name] = Statement(sql, oids)

    async def _bind(self, body: m.Body) -> None:
        name, statement = body.text(), self._statement(body.text())
        formats, values, wanted = body.int16s(), body.values(), body.int16s()
        oids = list(statement.oids)
        if values and (not oids or 0 in oids):
            oids = _known(oids, types.parameters(statement.sql))
        params = parameters.decoded(values, formats, oids)
        if name in self._portals:
            await _closed(self._portals.pop(name))
        self._portals[name] = Portal(statement.sql, params or None, wanted)

    async def _describe(self, what: bytes, name: str) -> None:
        if what == b"P":
            portal = self._portal(name)
            if _no_query(portal.sql):
                await self._send(m.NO_DATA)
                return
            await self._start(portal)
            columns = self._columns(portal)
            formats = types.spread(portal.formats, len(columns))
            await self._send(m.row_description(columns, formats) if columns else m.NO_DATA)
            return
        statement = self._statement(name)
        header = await self._described(statement)
        oids = _known(statement.oids, header.parameters)
        columns = header.columns
        told = m.row_description(columns, [0] * len(columns)) if columns else m.NO_DATA
        await self._send(m.parameter_description(oids), told)

    async def _described(self, statement: Statement) -> wire.Header:
        sql = statement.sql
        if _no_query(sql):
            return wire.Header([], {})
        before = self._session.status
        reply = commands.answer(self._session, sql)
        self._session.status = before
        if reply:
            return wire.Header(_shown(reply), {})
        async with self._desk.ask(
            self._token, "postgres", self._question(sql, "describe"), self
        ) as a:
            async for _ in a.chunks():
                pass
            return a.header

    async def _execute(self, name: str, most: int) -> None:
        portal = self._portal(name)
        if not portal.sql.strip().rstrip(";").strip():
            await self._send(m.EMPTY)
        elif match := _COPY.fullmatch(portal.sql):
            await self._copy(portal, match["query"])
        else:
            await self._start(portal)
            await self._rest(portal, most)

    async def _close(self, what: bytes, name: str) -> None:
        if what == b"S":
            self._statements.pop(name, None)
        elif name in self._portals:
            await _closed(self._portals.pop(name))

    # Running.

    async def _start(self, portal: Portal) -> None:
        """Run the statement, up to where its columns are known."""
        if portal.answer or portal.reply or portal.done:
            return
        portal.reply = commands.answer(self._session, portal.sql)
        if portal.reply is None:
            question = self._question(portal.sql, "pg", portal.params, portal.formats)
            asked = self._desk.ask(self._token, "postgres", question, self)
            portal.answer = await portal.stack.enter_async_context(asked)

    async def _rest(self, portal: Portal, most: int = 0) -> None:
        """Send up to ``most`` rows, all for 0, and say how it ended."""
        if portal.reply:
            rows = [m.data_row([portal.reply.value])] if portal.reply.value is not None else []
            await self._send(*rows, m.complete(portal.reply.tag))
            return
        sent = 0
        while not portal.done or portal.left:
            if not portal.left:
                portal.left = await self._next_chunk(portal)
                continue
            count, end = _cut(portal.left, most - sent if most else 0)
            chunk, portal.left = portal.left[:end], portal.left[end:]
            sent += count
            await self._send(chunk)
            if most and sent >= most and not (portal.done and not portal.left):
                await self._send(m.SUSPENDED)
                return
        await self._send(m.complete(f"SELECT {portal.sent}"))

    async def _next_chunk(self, portal: Portal) -> bytes:
        assert portal.answer
        some = await portal.answer.next()
        if some is None:
            await _closed(portal)
            return b""
        count, chunk = some
        portal.sent += count
        self._desk.metrics.sent(count, len(chunk))
        return chunk

    async def _copy(self, portal: Portal, query: str) -> None:
        """COPY (query) TO STDOUT in binary form, which ADBC reads results by."""
        question = self._question(query, "pgcopy", portal.params, [1])
        async with self._desk.ask(self._token, "postgres", question, self) as answer:
            await self._send(m.copy_out(len(answer.header.columns)))
            begin = m.COPY_BEGIN
            async for count, chunk in answer.chunks():
                portal.sent += count
                self._desk.metrics.sent(count, len(chunk))
                if begin and count:
                    # As PostgreSQL does it, and ADBC expects it: in one message with the first row.
                    _, end = _cut(chunk, 1)
                    await self._send(m.message(b"d", begin, chunk[5:end]))
                    begin, chunk = b"", chunk[end:]
                await self._send(chunk)
        end_of_copy = m.message(b"d", begin, m.COPY_END)
        await self._send(end_of_copy, m.COPY_DONE, m.complete(f"COPY {portal.sent}"))

    def _question(
        self,
        sql: str,
        form: str,
        params: list[parameters.Value] | None = None,
        formats: list[int] | None = None,
    ) -> Question:
        if self._session.status == "E":
            raise UserError("the transaction has failed; nothing runs before ROLLBACK")
        return Question(
            sql,
            form,
            params,
            formats or [],
            driver=True,
            seconds=self._session.timeout_seconds,
            live=self._session.live and form != "describe",
        )

    def _columns(self, portal: Portal) -> list[wire.Column]:
        if portal.answer:
            return portal.answer.header.columns
        return _shown(portal.reply) if portal.reply else []

    def _statement(self, name: str) -> Statement:
        if name not in self._statements:
            raise m.ProtocolError(f"there is no prepared statement {name!r}")
        return self._statements[name]

    def _portal(self, name: str) -> Portal:
        if name not in self._portals:
            raise m.ProtocolError(f"there is no portal {name!r}")
        return self._portals[name]

    async def _close_portals(self) -> None:
        portals, self._portals = self._portals, {}
        for portal in portals.values():
            await _closed(portal)

    async def _complain(self, error: LakeheadError) -> None:
        if self._session.status == "T":
            self._session.status = "E"
        await self._close_portals()
        await self._send(m.error("ERROR", _state(error), error.message, error.hint))


def _known(declared: list[int], inferred: list[int]) -> list[int]:
    """The types of parameters: as the client declares them, else as the statement tells."""
    padded = [*declared, *[0] * len(inferred)]
    return [said or found for said, found in zip(padded, inferred, strict=False)]


def _no_query(sql: str) -> bool:
    """Whether a statement has no columns to describe: it is empty, or a COPY."""
    return not sql.strip().rstrip(";").strip() or _COPY.fullmatch(sql) is not None


def _shown(reply: commands.Reply) -> list[wire.Column]:
    return [wire.Column(reply.name, "VARCHAR", types.TEXT, -1)] if reply.name else []


async def _closed(portal: Portal) -> None:
    """Leave what runs; a query that has not ended is killed by that."""
    portal.done = True
    await portal.stack.aclose()


def _cut(data: bytes, most: int) -> tuple[int, int]:
    """How many whole rows are in the first bytes, and how many bytes they are; 0: all."""
    if not most:
        return 0, len(data)
    count = at = 0
    while at < len(data) and count < most:
        at += 1 + int.from_bytes(data[at + 1 : at + 5], "big")
        count += 1
    return count, at


def _state(error: LakeheadError) -> str:
    """SQLSTATE. https://www.postgresql.org/docs/current/errcodes-appendix.html"""
    match error:
        case Busy():
            return "53300"
        case Cancelled() | TooLong():
            return "57014"
        case TooBig():
            return "54000"
        case m.ProtocolError():
            return "08P01"
        case UserError():
            return next((state for text, state in _STATES if text in error.message), "42000")
        case _:
            return "58000"


_STATES = (
    ("the transaction has failed", "25P02"),
    ("there is no table", "42P01"),
    ("syntax error", "42601"),
    ("does not exist", "42P01"),
    ("not found in FROM clause", "42703"),
    ("may not be used", "42501"),
    ("may only read", "25006"),
    ("nothing else", "42501"),
    ("Conversion Error", "22P02"),
    ("cannot be set", "42501"),
)
