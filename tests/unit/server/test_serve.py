"""Where the server listens, and how it keeps to itself there."""

import asyncio
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from running_server import LIMITS, ROWS, Running, filled, running

from lakehead.errors import UserError
from lakehead.server.serve import Listening, Server
from lakehead.settings import Settings, Tuning
from lakehead.stack import lifecycle
from tests.conftest import wait_until

COUNT = "SELECT count(*) AS n FROM landing.orders"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def encrypted(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    listening = Listening(
        port=0,
        http_port=0,
        certificate=certificate / "cert.pem",
        key=certificate / "key.pem",
        limits=replace(LIMITS, workers=2),
    )
    with running(filled(tmp_path_factory.mktemp("encrypted")), listening) as up:
        yield up


def test_tls_by_postgres(encrypted: Running, certificate: Path) -> None:
    trusted = f"?sslmode=verify-full&sslrootcert={certificate / 'cert.pem'}"
    with psycopg.connect(encrypted.url() + trusted) as con:
        assert con.execute(COUNT).fetchone() == (ROWS,)
        assert con.execute("SELECT range, repeat('x', 200) FROM range(50000)").rowcount == 50_000
    with pytest.raises(psycopg.OperationalError, match="TLS only"):
        psycopg.connect(encrypted.url() + "?sslmode=disable")


def test_tls_by_http(encrypted: Running, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=certificate / "cert.pem")
    url = f"https://127.0.0.1:{encrypted.server.http_port}/query"
    headers = {"Authorization": f"Bearer {encrypted.reader}"}
    answer = httpx.post(url, content=COUNT, headers=headers, verify=context, trust_env=False)
    assert answer.json() == {"n": ROWS}


def test_data_before_tls_is_not_taken_for_data_within(encrypted: Running) -> None:
    with socket.create_connection(("127.0.0.1", encrypted.server.port), timeout=30) as client:
        client.sendall(struct.pack(">II", 8, 80877103) + b"injected")
        assert client.recv(10) == b""


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.com"])
def test_no_token_goes_in_the_clear_beyond_this_machine(tmp_path: Path, host: str) -> None:
    settings = Settings(home=tmp_path, project=tmp_path)
    with pytest.raises(UserError, match="without TLS"):
        Server(settings, Listening(host))
    Server(settings, Listening(host, insecure=True))


def test_a_certificate_that_cannot_be_used(tmp_path: Path, certificate: Path) -> None:
    settings = Settings(home=tmp_path, project=tmp_path)
    with pytest.raises(UserError, match="go together"):
        Server(settings, Listening(certificate=certificate / "cert.pem"))
    key = certificate / "key.pem"
    with pytest.raises(UserError, match="cannot be used"):
        Server(settings, Listening(certificate=key, key=tmp_path / "none"))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\x04",
        b"\xff\xff\xff\xff",
        struct.pack(">II", 9, 196608) + b"u",
        struct.pack(">II", 8, 131072),
        struct.pack(">IIII", 16, 80877102, 1, 2),
        os.urandom(400),
    ],
)
def test_noise_is_hung_up_on(served: Running, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.server.port), timeout=30) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        while client.recv(1000):
            pass
    assert served.ask("SELECT 1 AS n").json() == {"n": 1}


def test_workers_end_with_the_server(tmp_path: Path) -> None:
    lake = filled(tmp_path)
    with running(lake, Listening(port=0, http_port=0, limits=replace(LIMITS, workers=2))) as up:
        assert up.ask(COUNT).json() == {"n": ROWS}
        first = up.server.desk.pool.workers[0]
        os.kill(first.pid, signal.SIGKILL)
        # A worker that dies while nobody asks it is replaced. It is a zombie before its last
        # thread has ended, and not dead yet.
        wait_until(lambda: not first.alive, "the worker to be gone", 30)
        assert up.ask(COUNT).json() == {"n": ROWS}
        pids = [worker.pid for worker in up.server.desk.pool.workers]
    wait_until(lambda: not any(map(_alive, pids)), "the workers to be gone", 30)


def test_as_a_part_of_a_stack(tmp_path: Path) -> None:
    wanted = Settings(tmp_path, tmp_path, Tuning(extras=("query",)))
    parts = {p.name: p.command for p in lifecycle.programs(wanted, tmp_path)}
    assert parts["query"] == [
        *(sys.executable, "-m", "lakehead.server.serve", str(tmp_path), str(tmp_path))
    ]
    plain = replace(wanted, tuning=Tuning())
    assert "query" not in [p.name for p in lifecycle.programs(plain, tmp_path)]
    assert wanted.ports.query == 19_100 and wanted.ports.query_http == 19_101


def test_it_stops_when_told_to(tmp_path: Path) -> None:
    lake = filled(tmp_path)

    async def serve() -> None:
        async with Server(lake.settings, Listening(port=0, http_port=0, limits=LIMITS)) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            stopping = asyncio.create_task(asyncio.sleep(0))
            await stopping
        assert await reader.read() == b""
        writer.close()

    asyncio.run(asyncio.wait_for(serve(), 120))


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
