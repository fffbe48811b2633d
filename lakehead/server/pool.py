"""The workers, from the server's side: borrowed for one query, watched, killed where need be."""

import asyncio
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from lakehead.errors import LakeheadError, SystemFailure, UserError
from lakehead.server import wire
from lakehead.server.limits import Limits
from lakehead.settings import INSTALL_ROOT, Settings

_START_SECONDS = 60
_WATCH_SECONDS = 0.05
# A worker is used again for so many queries; then what it has gathered goes with it.
_QUERIES_EACH = 500
_PAGE = resource.getpagesize()


class TooLong(LakeheadError):
    """The query ran over its time, and was stopped."""


class TooBig(LakeheadError):
    """The query took more memory, or gave more, than it may."""


class Cancelled(LakeheadError):
    """Somebody cancelled the query."""


class Worker:
    """One process. What it sends is read as it comes: it waits while nobody reads."""

    def __init__(self, pid: int, end: socket.socket, spill: Path) -> None:
        self.pid = pid
        self.asked = 0
        self.busy = False
        self._end = end
        self._spill = spill
        # The process is known by this, also once its number is another's.
        self._handle = os.pidfd_open(pid)
        self._idle_bytes = self.resident_bytes()
        self._killed: LakeheadError | None = None

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(sock=self._end)

    @property
    def alive(self) -> bool:
        if self._killed is not None or self._handle < 0:
            return False
        ended = select.poll()
        ended.register(self._handle, select.POLLIN)
        return not ended.poll(0)

    def resident_bytes(self) -> int:
        """Memory that it holds now; 0 once it is gone."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    async def ask(self, ask: wire.Ask) -> None:
        self.asked += 1
        self.busy = True
        self._writer.write(wire.frame(wire.DONE, msgspec.msgpack.encode(ask)))
        await self._writer.drain()

    async def tell(self, given: wire.TailGiven) -> None:
        """What it has asked for by a frame of TAIL."""
        self._writer.write(wire.packed(wire.TAIL, given))
        await self._writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """The next frame of the answer.

        Raises:
            LakeheadError: what the worker says is wrong, or why it was killed.
        """
        try:
            length, kind = wire.HEAD.unpack(await self._reader.readexactly(wire.HEAD.size))
            if length > wire.MAX_FRAME:
                self.kill(SystemFailure("a worker sent what no worker sends"))
            body = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            # A signal of the kernel's: its memory limit, or a crash of DuckDB's.
            lost = TooBig("the query ended its process, most likely for want of memory")
            reason = self._killed or lost
            self.kill(reason)
            raise reason from error
        if kind in (wire.ERROR, wire.DONE):
            self.busy = False
        if kind == wire.ERROR:
            raise _error(msgspec.msgpack.decode(body, type=wire.Failure))
        return kind, body

    def kill(self, reason: LakeheadError) -> None:
        """End the process at once; whoever reads from it is told the reason."""
        self._killed = self._killed or reason
        with suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def dispose(self) -> None:
        """After `kill`: give back what is kept for it here, and what it left on disk."""
        with suppress(OSError):
            os.close(self._handle)
        self._handle = -1
        self._writer.close()
        for left in self._spill.glob(f"{self.pid}-*"):
            shutil.rmtree(left, ignore_errors=True)

    async def watch(self, limits: Limits, seconds: float) -> None:
        """Kill it when the query takes too long, or too much memory."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            await asyncio.sleep(min(_WATCH_SECONDS, max(0.0, end - loop.time())))
            if loop.time() >= end:
                self.kill(
                    TooLong(
                        f"the query took longer than {seconds:g} s and was stopped",
                        "ask for less, or have the server allow more by --timeout",
                    )
                )
                return
            if self.resident_bytes() - self._idle_bytes > limits.memory_bytes:
                self.kill(
                    TooBig(
                        "the query took more memory than the"
                        f" {limits.memory_bytes // 2**20} MB that it may",
                        "ask for fewer rows or columns, or aggregate",
                    )
                )
                return


class Pool:
    """Workers at hand, forked from one zygote. Who borrows must have had a turn (`FairQueue`)."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._settings = settings
        self._limits = limits
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._zygote: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._forking = asyncio.Lock()
        self.killed = 0

    async def start(self) -> None:
        """Start the zygote, and a worker at once so that the first query need not wait."""
        await asyncio.to_thread(self._start_zygote)
        self._idle.append(await self._fork())

    @property
    def workers(self) -> list[Worker]:
        return list(self._all)

    @asynccontextmanager
    async def lend(self, seconds: float) -> AsyncIterator[Worker]:
        """A worker for one query, watched for so long; killed unless it has answered wholly."""
        worker = await self._at_hand()
        watching = asyncio.create_task(worker.watch(self._limits, seconds))
        try:
            yield worker
        finally:
            watching.cancel()
            if worker.busy or not worker.alive or worker.asked >= _QUERIES_EACH:
                if worker.busy:
                    self.killed += 1
                worker.kill(Cancelled("the query was cancelled"))
                worker.dispose()
                self._all.discard(worker)
            else:
                self._idle.append(worker)

    async def stop(self) -> None:
        for worker in self._all:
            worker.kill(Cancelled("the server stops"))
            worker.dispose()
        self._all.clear()
        self._idle.clear()
        if self._control:
            self._control.close()
        if self._zygote:
            self._zygote.kill()
            await asyncio.to_thread(self._zygote.wait)

    async def _at_hand(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.dispose()
            self._all.discard(worker)
        # A fork is seen through, also where who asked for it has gone: it ends up idle.
        forking = asyncio.create_task(self._fork())
        try:
            return await asyncio.shield(forking)
        except asyncio.CancelledError:
            forking.add_done_callback(self._keep)
            raise

    def _keep(self, forking: "asyncio.Task[Worker]") -> None:
        if not forking.cancelled() and not forking.exception():
            self._idle.append(forking.result())

    async def _fork(self) -> Worker:
        async with self._forking:
            mine, theirs = socket.socketpair()
            try:
                pid = await asyncio.to_thread(self._ask_zygote, theirs)
            except OSError as error:
                mine.close()
                raise SystemFailure(f"no worker can be started: {error}") from error
            finally:
                theirs.close()
        mine.setblocking(False)
        worker = Worker(pid, mine, self._settings.home / "cache" / "spill")
        await worker.connect()
        self._all.add(worker)
        return worker

    def _ask_zygote(self, end: socket.socket) -> int:
        if self._zygote is None or self._zygote.poll() is not None:
            self._start_zygote()
        assert self._control
        socket.send_fds(self._control, [b"w"], [end.fileno()])
        return self._read_pid()

    def _start_zygote(self) -> None:
        if self._control:
            self._control.close()
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_START_SECONDS)
        command = [sys.executable, "-m", "lakehead.server.zygote", str(self._settings.home)]
        command += [str(self._settings.project), str(self._limits.memory_bytes)]
        with theirs:
            # Nothing of the server's environment is within reach of a query.
            self._zygote = subprocess.Popen(
                command, stdin=theirs.fileno(), env=_environment(), cwd="/", start_new_session=True
            )
        self._read_pid()

    def _read_pid(self) -> int:
        assert self._control
        said = self._control.recv(wire.PID.size, socket.MSG_WAITALL)
        if len(said) < wire.PID.size:
            raise OSError("the process that workers are forked from has ended")
        return int(wire.PID.unpack(said)[0])


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "TZ")}
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return kept | threads | {"PYTHONPATH": str(INSTALL_ROOT)}


def _error(failure: wire.Failure) -> LakeheadError:
    kinds: dict[str, type[LakeheadError]] = {"user": UserError, "limit": TooBig}
    return kinds.get(failure.kind, SystemFailure)(failure.message, failure.hint)
