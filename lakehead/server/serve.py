"""The server: two listeners over one desk, until it is told to stop.

python -m lakehead.server.serve HOME PROJECT   as a part of a stack
"""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from aiohttp import web

from lakehead.errors import SystemFailure, UserError
from lakehead.server.desk import Desk
from lakehead.server.http import Http
from lakehead.server.limits import Limits
from lakehead.server.postgres.connection import Connection
from lakehead.settings import Settings, load_settings

_STREAM_BYTES = 256 * 1024
_BACKLOG = 128


@dataclass(frozen=True)
class Listening:
    """Where and how to listen. Without TLS it is loopback only, unless ``insecure``."""

    host: str = "127.0.0.1"
    port: int | None = None
    http_port: int | None = None
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False
    limits: Limits = field(default_factory=Limits)


class Server:
    """Both listeners. ``async with`` starts and stops it."""

    def __init__(self, settings: Settings, listening: Listening) -> None:
        self._settings = settings
        self._listening = listening
        self._tls = _tls(listening)
        _check_host(listening)
        self.desk = Desk(settings, listening.limits)
        self._connections: dict[int, Connection] = {}
        self._clients: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Server":
        listening, ports = self._listening, self._settings.ports
        await self.desk.pool.start()
        self._runner = web.AppRunner(
            Http(self.desk).application(), handler_cancellation=True, access_log=None
        )
        try:
            self._server = await asyncio.start_server(
                self._accept,
                listening.host,
                ports.query if listening.port is None else listening.port,
                limit=_STREAM_BYTES,
                backlog=_BACKLOG,
            )
            await self._runner.setup()
            http_port = ports.query_http if listening.http_port is None else listening.http_port
            site = web.TCPSite(self._runner, listening.host, http_port, ssl_context=self._tls)
            await site.start()
        except OSError as error:
            await self.desk.stop()
            raise SystemFailure(f"cannot listen: {error}", "lakehead status") from error
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.http_port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._runner.cleanup()
        await self.desk.stop()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._clients.add(task)
        try:
            if len(self._clients) > 2 * self._listening.limits.connections:
                return
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await Connection(self.desk, reader, writer, self._tls, self._connections).serve()
        except asyncio.CancelledError:
            # The server stops; asyncio's streams would report this as an error.
            pass
        except Exception:
            logging.getLogger("lakehead.server").exception("a connection failed")
        finally:
            self._clients.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


async def serve(settings: Settings, listening: Listening, say: Callable[[Server], None]) -> None:
    """Until SIGTERM or SIGINT; ``say`` is told once it listens.

    Raises:
        UserError: it would listen beyond this machine without TLS; certificate or key are wrong.
        SystemFailure: a port is taken, or no worker can be started.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Server(settings, listening) as server:
        say(server)
        await stop.wait()


def _check_host(listening: Listening) -> None:
    if listening.certificate or listening.insecure or _is_loopback(listening.host):
        return
    raise UserError(
        f"{listening.host} is reached from other machines, and without TLS tokens could be read",
        "--tls-cert FILE --tls-key FILE, or --insecure",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls(listening: Listening) -> ssl.SSLContext | None:
    if (listening.certificate is None) != (listening.key is None):
        raise UserError("--tls-cert and --tls-key go together")
    if listening.certificate is None or listening.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listening.certificate, listening.key)
    except (OSError, ssl.SSLError) as error:
        raise UserError(f"the certificate and its key cannot be used: {error}") from error
    return context


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = replace(load_settings(Path(sys.argv[1])), project=Path(sys.argv[2]))

    def say(server: Server) -> None:
        logging.info("SQL on port %d, HTTP on port %d", server.port, server.http_port)

    asyncio.run(serve(settings, Listening(), say))


if __name__ == "__main__":
    main()
