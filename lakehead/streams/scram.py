"""The client's side of SCRAM (RFC 5802), as Kafka speaks it: a password is proved, never sent."""

import base64
import hashlib
import hmac
import secrets

_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
# Fewer would make a password that somebody overhears cheap to guess (RFC 7677).
_LEAST_ITERATIONS = 4096


class Scram:
    """One exchange: ``first`` is sent, ``final`` answers the challenge, ``knows_me`` judges the
    broker's last word."""

    def __init__(
        self, mechanism: str, username: str, password: str, nonce: str | None = None
    ) -> None:
        self._hash = _HASHES[mechanism]
        self._password = password.encode()
        self._nonce = nonce or secrets.token_urlsafe(24)
        name = username.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={self._nonce}"
        self._signature = b""

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def final(self, challenge: bytes) -> bytes:
        """Raises ConnectionError when the challenge is not one to this exchange."""
        said = challenge.decode()
        words = dict(word.partition("=")[::2] for word in said.split(","))
        try:
            nonce, salt, iterations = words["r"], base64.b64decode(words["s"]), int(words["i"])
        except (KeyError, ValueError) as error:
            raise ConnectionError("the broker's challenge is not of SCRAM") from error
        if not nonce.startswith(self._nonce) or iterations < _LEAST_ITERATIONS:
            raise ConnectionError("the broker's challenge is not safe to answer")
        salted = hashlib.pbkdf2_hmac(self._hash, self._password, salt, iterations)
        unproved = f"c=biws,r={nonce}"
        whole = f"{self._bare},{said},{unproved}".encode()
        client = self._hmac(salted, b"Client Key")
        stored = hashlib.new(self._hash, client).digest()
        proof = bytes(a ^ b for a, b in zip(client, self._hmac(stored, whole), strict=True))
        self._signature = self._hmac(self._hmac(salted, b"Server Key"), whole)
        return f"{unproved},p={base64.b64encode(proof).decode()}".encode()

    def knows_me(self, verdict: bytes) -> bool:
        """Whether the broker proved that it knows the password too."""
        expected = b"v=" + base64.b64encode(self._signature)
        return hmac.compare_digest(verdict.split(b",")[0], expected)

    def _hmac(self, key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, self._hash).digest()
