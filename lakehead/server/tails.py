"""The tails' keeper, from the server's side: started with the first live query."""

import asyncio
import itertools
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from lakehead.errors import SystemFailure
from lakehead.server import wire
from lakehead.settings import INSTALL_ROOT, Settings

_SIZES_SECONDS = 2.0


class Tails:
    """One a server. ``command`` is what the keeper is started by, before home and project."""

    def __init__(
        self, settings: Settings, command: tuple[str, ...] = ("-m", "lakehead.server.keeper")
    ) -> None:
        self._settings = settings
        self._command = command
        self._starting = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[wire.KeeperSaid]] = {}

    async def given(self, ask: wire.TailAsk) -> wire.TailGiven:
        """A stream's tail; whoever gets it removes its file.

        Raises:
            SystemFailure: the keeper cannot be started, or ended.
        """
        said = await self._ask(ask)
        assert said.tail is not None
        return said.tail

    async def sizes(self) -> list[wire.TailSize]:
        """What is kept now, by stream; nothing where no live query was asked yet."""
        if self._writer is None:
            return []
        try:
            async with asyncio.timeout(_SIZES_SECONDS):
                return (await self._ask(None)).sizes
        except (TimeoutError, SystemFailure):
            return []

    async def stop(self) -> None:
        if self._reading:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._hang_up()
        await self._end()

    async def _ask(self, tail: wire.TailAsk | None) -> wire.KeeperSaid:
        async with self._starting:
            if self._writer is None:
                await self._start()
        number = next(self._ids)
        waiting: asyncio.Future[wire.KeeperSaid] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        assert self._writer
        try:
            self._writer.write(wire.packed(wire.TAIL, wire.KeeperAsk(number, tail)))
            return await waiting
        finally:
            # Of one who has gone the answer is let go by `_read`.
            if waiting.done() and not waiting.cancelled():
                self._waiting.pop(number, None)

    async def _start(self) -> None:
        await self._end()
        mine, theirs = socket.socketpair()
        home, project = str(self._settings.home), str(self._settings.project)
        with theirs:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, *self._command, home, project],
                stdin=theirs.fileno(),
                env=os.environ | {"PYTHONPATH": str(INSTALL_ROOT)},
                cwd="/",
                start_new_session=True,
            )
        mine.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=mine)
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand out what the keeper says, until it ends."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length, _ = wire.HEAD.unpack(await reader.readexactly(wire.HEAD.size))
                body = await reader.readexactly(length)
                said = msgspec.msgpack.decode(body, type=wire.KeeperSaid)
                waiting = self._waiting.pop(said.id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(said)
                elif said.tail is not None:
                    forget(said.tail)
        self._hang_up()

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(
                    SystemFailure("the process that keeps the tails has ended", "ask again")
                )
        self._waiting.clear()

    async def _end(self) -> None:
        """End the keeper, which holds nothing that is not in Kafka, and remove what those that
        have ended left."""
        if self._process:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None
        for left in (self._settings.home / "cache" / "tails").glob("*-*"):
            if not Path("/proc", left.name.partition("-")[0]).exists():
                left.unlink(missing_ok=True)


def forget(given: wire.TailGiven) -> None:
    """Remove a tail's file: whoever has mapped it keeps it."""
    if given.path:
        Path(given.path).unlink(missing_ok=True)
