"""A connection to a broker in Kafka's own protocol, with TLS and SASL where the home says so.

Source: https://kafka.apache.org/43/design/protocol/
"""

import socket
import ssl
import struct

from lakehead.errors import UserError
from lakehead.kafka_access import KafkaAccess
from lakehead.settings import Settings
from lakehead.streams.scram import Scram

_CLIENT_ID = "lakehead"
# The home's own broker: what it was started with is older than what the home has now.
_RESTART = "lakehead down; lakehead up"
_HANDSHAKE, _AUTHENTICATE, _API_VERSIONS = (17, 1), (36, 0), (18, 0)


class Connection:
    """One request at a time; who connects is known to the broker before the first.

    Raises:
        UserError: the broker refuses the user, or its certificate is not to be trusted.
        OSError: it does not answer.
    """

    def __init__(self, settings: Settings, host: str, port: int, seconds: float) -> None:
        self._asked = 0
        self._socket: socket.socket = socket.create_connection((host, port), timeout=seconds)
        access = settings.kafka_access
        try:
            if access and access.tls:
                self._socket = _encrypted(self._socket, settings, access, host)
            if access and access.sasl:
                self._sign_in(settings, access)
        except BaseException:
            self.close()
            raise

    def ask(self, kind: tuple[int, int], body: bytes) -> bytes:
        """The body of the answer to a request of ``kind``, its key and version."""
        self._asked += 1
        request = struct.pack(">hhi", *kind, self._asked) + text(_CLIENT_ID) + body
        self._socket.sendall(struct.pack(">i", len(request)) + request)
        [size] = struct.unpack(">i", self._read(4))
        answer = self._read(size)
        if int.from_bytes(answer[:4], "big") != self._asked:
            raise ConnectionError("the answer is to another request")
        return answer[4:]

    def close(self) -> None:
        self._socket.close()

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise ConnectionError("Kafka closed the connection")
            data += part
        return bytes(data)

    def _sign_in(self, settings: Settings, access: KafkaAccess) -> None:
        answer = self.ask(_HANDSHAKE, text(access.sasl_mechanism))
        if struct.unpack_from(">h", answer)[0]:
            raise UserError(
                f"Kafka at {settings.bootstrap} does not take {access.sasl_mechanism}",
                _mend(settings, "sasl_mechanism"),
            )
        assert access.password
        password = access.password.read()
        if access.sasl_mechanism == "PLAIN":
            self._authenticate(settings, access, f"\0{access.username}\0{password}".encode())
            return
        scram = Scram(access.sasl_mechanism, access.username, password)
        challenge = self._authenticate(settings, access, scram.first())
        verdict = self._authenticate(settings, access, scram.final(challenge))
        if not scram.knows_me(verdict):
            raise UserError(
                f"Kafka at {settings.bootstrap} does not know the password of {access.username}"
                " itself: it is not the broker that it says it is"
            )

    def _authenticate(self, settings: Settings, access: KafkaAccess, said: bytes) -> bytes:
        answer = self.ask(_AUTHENTICATE, struct.pack(">i", len(said)) + said)
        error, size = struct.unpack_from(">hh", answer)
        if error:
            raise refused_user(settings, access)
        at = 4 + max(size, 0)
        [length] = struct.unpack_from(">i", answer, at)
        return answer[at + 4 : at + 4 + length]


def refused_user(settings: Settings, access: KafkaAccess) -> UserError:
    """The broker knows no such user, or it has another password: Kafka does not say which."""
    there = (
        f"where that Kafka is at home:  lakehead kafka user add {access.username} --new-password"
    )
    return UserError(
        f"Kafka at {settings.bootstrap} refuses the user {access.username!r}: unknown there, or"
        " the password is another",
        _RESTART if settings.runs_kafka else there,
    )


def _mend(settings: Settings, word: str) -> str:
    if settings.runs_kafka:
        return _RESTART
    return f"mend kafka_client.{word} in {settings.home / 'settings.json'} (docs/security.md)"


def speaks_tls(host: str, port: int, seconds: float) -> bool:
    """Whether what listens there wants TLS."""
    try:
        with (
            socket.create_connection((host, port), timeout=seconds) as plain,
            _unchecked().wrap_socket(plain, server_hostname=host),
        ):
            return True
    except OSError:
        return False


def speaks_plainly(host: str, port: int, seconds: float) -> bool:
    """Whether what listens there answers a request of Kafka's that is not within TLS."""
    request = struct.pack(">hhih", *_API_VERSIONS, 1, -1)
    try:
        with socket.create_connection((host, port), timeout=seconds) as plain:
            plain.sendall(struct.pack(">i", len(request)) + request)
            return bool(plain.recv(1))
    except OSError:
        return False


def without_tls(settings: Settings) -> UserError:
    return UserError(
        f"Kafka at {settings.bootstrap} does not speak TLS", _mend(settings, "security_protocol")
    )


def text(value: str) -> bytes:
    """A STRING of the protocol."""
    return struct.pack(">h", len(value.encode())) + value.encode()


def _unchecked() -> ssl.SSLContext:
    # Only to ask what is spoken; nothing is said there.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _encrypted(
    plain: socket.socket, settings: Settings, access: KafkaAccess, host: str
) -> socket.socket:
    try:
        context = ssl.create_default_context(cafile=str(access.ca) if access.ca else None)
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            f"the certificates in {access.ca} cannot be read: {error}",
            _mend(settings, "ca"),
        ) from error
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise UserError(
            f"Kafka at {settings.bootstrap} shows a certificate that"
            f" {access.ca or 'this system'} does not vouch for: {error.verify_message}",
            _mend(settings, "ca"),
        ) from error
    except ssl.SSLError as error:
        if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            raise without_tls(settings) from error
        raise ConnectionError(str(error)) from error
