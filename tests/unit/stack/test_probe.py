"""What answers on loopback, and what does not."""

import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakehead.settings import INSTALL_ROOT, Settings, Tuning
from lakehead.stack import health, probe

WELL = b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"is": "well"}'
# A port on which nothing can listen.
NO_PROXY_THERE = "http://127.0.0.1:0"


@contextmanager
def saying(words: bytes) -> Iterator[int]:
    """A server that says these words to everyone; gives its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            self.request.sendall(words)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def closed_port() -> int:
    with saying(b"") as port:
        return port


def test_loopback_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", NO_PROXY_THERE)
    monkeypatch.delenv("no_proxy", raising=False)
    with saying(WELL) as port:
        assert probe.answer(f"http://127.0.0.1:{port}/") == {"is": "well"}


@pytest.mark.parametrize(
    "words",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        b"HTTP/1.0 200 OK\r\n\r\n<html>",
        b"HTTP/1.0 503 No\r\n\r\n{}",
    ],
    ids=["another protocol", "nothing", "no JSON", "an error"],
)
def test_what_is_not_json_over_http_is_no_answer(words: bytes) -> None:
    with saying(words) as port:
        assert probe.answer(f"http://127.0.0.1:{port}/") is None
        assert probe.accepts(port)


@pytest.mark.parametrize("document", [b"[]", b"{}", b'{"scheduler": "well"}'])
def test_another_document_is_not_that_of_a_part(tmp_path: Path, document: bytes) -> None:
    with saying(b"HTTP/1.0 200 OK\r\n\r\n" + document) as port:
        for part, place in (("jobmanager", 2), ("taskmanager", 2), ("airflow-scheduler", 10)):
            settings = Settings(tmp_path, tmp_path, Tuning(port_base=port - place))
            assert not health.answers(settings, part)


def test_where_nobody_listens_is_no_answer() -> None:
    port = closed_port()
    assert probe.answer(f"http://127.0.0.1:{port}/") is None
    assert not probe.accepts(port)


def test_the_health_check_of_containers_tells_the_same() -> None:
    def answers(port: int) -> int:
        return subprocess.run(
            [sys.executable, INSTALL_ROOT / "docker" / "answers.py", f"http://127.0.0.1:{port}/"],
            env=os.environ | {"http_proxy": NO_PROXY_THERE, "no_proxy": ""},
            capture_output=True,
            check=False,
        ).returncode

    with saying(WELL) as port:
        assert answers(port) == 0
    with saying(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        assert answers(port) == 1
    assert answers(port) == 1
