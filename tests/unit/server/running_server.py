"""A server over a small lake, in a thread with an event loop of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from lakehead.server import tokens
from lakehead.server.limits import Limits
from lakehead.server.serve import Listening, Server
from lakehead.settings import Settings
from tests.small_lake import Lake, event, make_lake, window

ROWS = 1000
LIMITS = Limits(workers=4, timeout_seconds=60, memory_bytes=400 * 2**20)


@dataclass(frozen=True)
class Running:
    """``reader`` and ``operator`` are secrets of tokens of these names and roles."""

    settings: Settings
    server: Server
    reader: str
    operator: str

    def url(self, scheme: str = "postgresql", user: str = "reader") -> str:
        secret = getattr(self, user)
        return f"{scheme}://{user}:{secret}@127.0.0.1:{self.server.port}/lakehead"

    def ask(
        self, sql: str, user: str = "reader", timeout: float = 60, **more: Any
    ) -> httpx.Response:
        return self.http("POST", "/query", user, timeout, json={"sql": sql, **more})

    def http(
        self, method: str, path: str, user: str = "reader", timeout: float = 60, **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {getattr(self, user)}"} | more.pop("headers", {})
        url = f"http://127.0.0.1:{self.server.http_port}{path}"
        return _client().request(method, url, headers=headers, timeout=timeout, **more)


@cache
def _client() -> httpx.Client:
    """One for all: to make one reads the certificates of the machine."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
    return httpx.Client(verify=False, trust_env=False, limits=limits)


@contextmanager
def running(lake: Lake, listening: Listening) -> Iterator[Running]:
    """The server, up to the end of the block."""
    settings = lake.settings
    secrets = [tokens.new(settings, role, role) for role in ("reader", "operator")]
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    made: list[Server] = []
    failed: list[BaseException] = []

    async def serve() -> None:
        try:
            async with Server(settings, listening) as server:
                made.append(server)
                ready.set()
                await stop.wait()
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(120)
        if failed:
            raise failed[0]
        yield Running(settings, made[0], *secrets)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()
    if failed:
        raise failed[0]


def filled(folder: Path) -> Lake:
    """1,000 orders, two windows, and a table of operations."""
    lake = make_lake(folder)
    lake.model()
    lake.land(*(event(i, i / 10) for i in range(ROWS)))
    lake.answer(window(0, 3), window(10, 4))
    lake.leave_out(1, 5)
    return lake


Together = Callable[[list[Callable[[], Any]]], list[Any]]
