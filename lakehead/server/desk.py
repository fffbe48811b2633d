"""Where every query goes through, whatever protocol it came by: turn, worker, answer, count."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lakehead.contracts.fields import NAME
from lakehead.contracts.model import DEAD_SUFFIX, LANDING
from lakehead.errors import LakeheadError, SystemFailure, UserError
from lakehead.server import wire
from lakehead.server.fair import Busy, FairQueue
from lakehead.server.limits import Limits
from lakehead.server.metrics import Metrics
from lakehead.server.pool import Cancelled, Pool, TooBig, TooLong, Worker
from lakehead.server.tails import Tails, forget
from lakehead.server.tokens import Doorkeeper, Token
from lakehead.settings import Settings

_GRACE_SECONDS = 2.0


@dataclass(frozen=True)
class Question:
    """What a client asks. ``form``, ``formats`` and ``live`` as in `wire.Ask`."""

    sql: str
    form: str
    params: list[Any] | None = None
    formats: list[int] = field(default_factory=list)
    as_of: str | None = None
    driver: bool = False
    seconds: float | None = None
    live: bool = False


class Answer:
    """A query that runs: its columns are there, its rows come as they are asked for."""

    def __init__(self, worker: Worker, header: wire.Header) -> None:
        self.header = header
        self._worker = worker

    async def next(self) -> tuple[int, bytes] | None:
        """Some rows, in the form that was asked for, and how many they are; None after the last."""
        kind, body = await self._worker.receive()
        if kind == wire.DONE:
            return None
        return wire.ROWS_HEAD.unpack_from(body)[0], body[wire.ROWS_HEAD.size :]

    async def chunks(self) -> AsyncIterator[tuple[int, bytes]]:
        """All that `next` gives."""
        while (some := await self.next()) is not None:
            yield some


@dataclass
class Running:
    """A query as ``GET /queries`` shows it; ``cancel`` ends it wherever it is."""

    id: int
    token: str
    protocol: str
    sql: str
    began: float
    owner: object = None
    state: str = "waiting"
    cancelled: bool = False

    def waits(self, task: "asyncio.Task[Any]") -> None:
        self._end: Callable[[], object] = task.cancel

    def runs(self, worker: Worker) -> None:
        self.state = "running"
        self._end = lambda: worker.kill(Cancelled("the query was cancelled"))

    def cancel(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            self._end()


class Desk:
    """One a server."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.limits = limits
        self.doorkeeper = Doorkeeper(settings)
        self.queue = FairQueue(limits)
        self.pool = Pool(settings, limits)
        self.tails = Tails(settings)
        self.metrics = Metrics()
        self.running: dict[int, Running] = {}
        self._ids = itertools.count(1)

    @asynccontextmanager
    async def ask(
        self, token: Token, protocol: str, question: Question, owner: object = None
    ) -> AsyncIterator[Answer]:
        """Wait for a turn, run the query; when the block is left before its end, it is killed.

        ``owner`` is whoever may want to find it among the ``running``.

        Raises:
            UserError: the SQL is wrong or not allowed, or the token was revoked.
            Busy, TooLong, TooBig, Cancelled: the server's limits.
            SystemFailure: a part failed.
        """
        if not self.doorkeeper.still(token):
            raise UserError(f"the token {token.name!r} was revoked")
        if len(question.sql.encode("utf-8", "surrogatepass")) > self.limits.sql_bytes:
            raise TooBig(f"the SQL is longer than {self.limits.sql_bytes:,} bytes")
        began = time.monotonic()
        entry = Running(next(self._ids), token.name, protocol, question.sql, time.time(), owner)
        self.running[entry.id] = entry
        outcome = "ok"
        most = self.limits.timeout_seconds
        seconds = min(question.seconds or most, most)
        try:
            async with self._turn(entry):
                self.metrics.waited(time.monotonic() - began)
                # The watchdog ends a query that takes too long; this, a client that does not read.
                async with (
                    asyncio.timeout(seconds + _GRACE_SECONDS),
                    self.pool.lend(seconds) as worker,
                ):
                    entry.runs(worker)
                    await worker.ask(_asked(question, token, self.limits))
                    yield Answer(worker, await self._header(worker, token))
        except TimeoutError as error:
            outcome = "timeout"
            raise TooLong(f"the answer was not read within {seconds:g} s") from error
        except BaseException as error:
            outcome = _outcome(error)
            raise
        finally:
            del self.running[entry.id]
            self.metrics.answered(protocol, outcome, time.monotonic() - began, question.live)

    async def stop(self) -> None:
        await self.pool.stop()
        await self.tails.stop()

    async def _header(self, worker: Worker, token: Token) -> wire.Header:
        """What comes before rows; the tails that the worker asks for until then are given."""
        given: list[wire.TailGiven] = []
        try:
            while True:
                kind, body = await worker.receive()
                if kind != wire.TAIL:
                    return msgspec.msgpack.decode(body, type=wire.Header)
                given.append(await self._tail(token, body))
                await worker.tell(given[-1])
        finally:
            for tail in given:
                forget(tail)

    async def _tail(self, token: Token, body: bytes) -> wire.TailGiven:
        """What a worker asks for: no more than the token may see, for it has run a stranger's
        SQL."""
        ask = msgspec.msgpack.decode(body, type=wire.TailAsk)
        tables = (f"{LANDING}.{ask.stream}", f"{LANDING}.{ask.stream}{DEAD_SUFFIX}")
        if not NAME.fullmatch(ask.stream) or not all(map(token.sees, tables)):
            refused = f"this token may not see the tail of {ask.stream[:100]!r}"
            return wire.TailGiven(failure=wire.Failure("user", refused))
        try:
            return await self.tails.given(ask)
        except SystemFailure as error:
            return wire.TailGiven(failure=wire.Failure("system", error.message, error.hint))

    @asynccontextmanager
    async def _turn(self, entry: "Running") -> AsyncIterator[None]:
        """A turn of the queue; `Running.cancel` ends the wait without ending the waiter."""
        turn = self.queue.turn(entry.token)
        task = asyncio.current_task()
        assert task
        entry.waits(task)
        try:
            await turn.__aenter__()
        except asyncio.CancelledError:
            if entry.cancelled and task.uncancel() == 0:
                raise Cancelled("the query was cancelled") from None
            raise
        try:
            yield
        finally:
            await turn.__aexit__(None, None, None)

    def cancel(self, query: int) -> bool:
        """End a query, whosever it is; whether there was one."""
        entry = self.running.get(query)
        if entry:
            entry.cancel()
        return entry is not None


def _asked(question: Question, token: Token, limits: Limits) -> wire.Ask:
    return wire.Ask(
        sql=question.sql,
        form=question.form,
        tables=token.tables,
        max_rows=token.max_rows,
        max_bytes=limits.max_bytes,
        # DuckDB is told less than the watchdog allows: it then spills instead of being killed.
        memory_bytes=limits.memory_bytes * 3 // 4,
        params=question.params,
        formats=question.formats,
        as_of=question.as_of,
        driver=question.driver,
        live=question.live,
    )


def _outcome(error: BaseException) -> str:
    match error:
        case Busy():
            return "busy"
        case TooLong():
            return "timeout"
        case TooBig():
            return "limit"
        case Cancelled() | asyncio.CancelledError() | GeneratorExit():
            return "cancelled"
        case UserError():
            return "refused"
        case LakeheadError():
            return "failed"
        case _:
            return "cancelled"
