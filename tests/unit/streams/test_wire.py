"""A connection to what is no broker, or not the one that it says it is."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakehead.errors import NotRunning, UserError
from lakehead.settings import Settings, Tuning
from lakehead.stack import kafka_secrets
from lakehead.streams.client import not_running, probe
from lakehead.streams.wire import speaks_tls

Talk = Callable[[socket.socket], None]


@contextmanager
def listener(talk: Talk) -> Iterator[int]:
    """The port of something that ``talk``s to whoever connects."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(10)

        def serve() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        try:
                            talk(connection)
                        except OSError:
                            continue
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def tls(settings: Settings) -> Talk:
    """TLS with the certificate of a home, and then the end."""
    kafka_secrets.ensure(settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(kafka_secrets.broker_identity(settings))

    def talk(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    return talk


def plain(connection: socket.socket) -> None:
    connection.recv(1)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def client(home: Path, port: int, ca: Path) -> Settings:
    home.mkdir(exist_ok=True)
    (home / "password").write_text("p")
    access = {
        "bootstrap": f"127.0.0.1:{port}",
        "username": "u",
        "password": {"file": "password"},
        "ca": str(ca),
    }
    return Settings(home, home, Tuning(kafka_client=access))


def test_a_plain_listener_is_told_from_tls(tmp_path: Path) -> None:
    secured = Settings(tmp_path, tmp_path)
    with listener(tls(secured)) as port:
        assert speaks_tls("127.0.0.1", port, 5)
        open_home = Settings(tmp_path, tmp_path, Tuning(port_base=port))
        error = not_running(open_home)
        assert not isinstance(error, NotRunning)
        assert "is secured" in error.message
    with listener(plain) as port:
        assert not speaks_tls("127.0.0.1", port, 5)
    # Now nothing listens there.
    assert isinstance(not_running(Settings(tmp_path, tmp_path, Tuning(port_base=port))), NotRunning)


def test_a_listener_without_tls_gets_no_password(tmp_path: Path) -> None:
    heard = bytearray()

    def talk(connection: socket.socket) -> None:
        heard.extend(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    settings = Settings(tmp_path, tmp_path)
    kafka_secrets.ensure(settings)
    with (
        listener(talk) as port,
        pytest.raises(UserError, match="does not speak TLS"),
    ):
        probe(client(tmp_path / "c", port, kafka_secrets.authority(settings)))
    assert heard[:1] == b"\x16"


def test_another_authority_is_not_trusted(tmp_path: Path) -> None:
    one, other = (Settings(tmp_path / name, tmp_path) for name in ("one", "other"))
    kafka_secrets.ensure(other)
    with (
        listener(tls(one)) as port,
        pytest.raises(UserError, match="does not vouch for"),
    ):
        probe(client(tmp_path / "c", port, kafka_secrets.authority(other)))


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with (
        listener(plain) as port,
        pytest.raises(UserError, match=r"certificates in .*ca\.pem cannot be read"),
    ):
        probe(client(tmp_path / "c", port, tmp_path / "ca.pem"))


def test_a_broker_that_hangs_up_is_not_running(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path)
    with listener(tls(settings)) as port:
        with pytest.raises(NotRunning) as caught:
            probe(client(tmp_path / "c", port, kafka_secrets.authority(settings)))
        assert "kafka_client" in caught.value.hint


def test_the_next_server_is_asked_where_one_is_away(tmp_path: Path) -> None:
    with socket.socket() as closed, listener(plain) as port:
        closed.bind(("127.0.0.1", 0))
        away = closed.getsockname()[1]
        access = {
            "bootstrap": f"127.0.0.1:{away},127.0.0.1:{port}",
            "security_protocol": "PLAINTEXT",
        }
        probe(Settings(tmp_path, tmp_path, Tuning(kafka_client=access)))
