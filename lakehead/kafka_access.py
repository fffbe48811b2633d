"""How a secured Kafka is reached: one record, in the words of each client that needs it.

A secret is named, never held: a reference says in which file or variable it stands.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehead.errors import UserError

# Kafka's classes in its own jar, and in Flink's SQL connector, which carries them renamed.
KAFKA_CLASSES = "org.apache.kafka.common"
FLINK_CLASSES = "org.apache.flink.kafka.shaded.org.apache.kafka.common"
PROTOCOLS = ("SASL_SSL", "SSL", "PLAINTEXT")
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
_WORDS = ("bootstrap", "security_protocol", "sasl_mechanism", "username", "password", "ca")
_SERVERS = re.compile(r"[^\s,:'\"]+:\d{1,5}(,[^\s,:'\"]+:\d{1,5})*")
_USER = re.compile(r"[A-Za-z0-9._@/+=-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# These end a path within ${directory:PATH:NAME}, or a value in quotes.
_UNFIT = set(":,{}$\"'\\\n")


@dataclass(frozen=True)
class Secret:
    """Where a secret stands: the whole of ``file``, or the variable ``env``."""

    file: Path | None = None
    env: str | None = None

    def read(self) -> str:
        """The secret.

        Raises:
            UserError: it is not there, is empty, or has a line break.
        """
        place = f"the file {self.file}" if self.file else f"the variable {self.env}"
        try:
            text = self.file.read_text() if self.file else os.environ.get(self.env or "", "")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"Kafka's password cannot be read from {place}: {error}",
                f"write it there: (umask 077; printf %s PASSWORD > {self.file})",
            ) from None
        if not text:
            raise UserError(f"Kafka's password is not in {place}, which is empty or not set")
        if "\n" in text or "\r" in text:
            # Kafka's Java client would take it for a part of the password.
            raise UserError(
                f"Kafka's password in {place} has a line break",
                f'write it without: (umask 077; printf %s "$(cat {self.file})" > FILE)'
                if self.file
                else "",
            )
        return text

    def provided(self) -> tuple[str, str, str, str]:
        """For Kafka's Java clients (KIP-297): the provider's name and class, its limit, the
        reference that it resolves when the client starts."""
        if self.file:
            limit = f"config.providers.directory.param.allowed.paths={self.file.parent}"
            reference = f"${{directory:{self.file.parent}:{self.file.name}}}"
            return "directory", "config.provider.DirectoryConfigProvider", limit, reference
        limit = f"config.providers.env.param.allowlist.pattern={self.env}"
        return "env", "config.provider.EnvVarConfigProvider", limit, f"${{env:{self.env}}}"


@dataclass(frozen=True)
class KafkaAccess:
    """``bootstrap`` is host:port, several with commas. ``ca`` is PEM; None: the system's own."""

    bootstrap: str
    security_protocol: str = "SASL_SSL"
    sasl_mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: Secret | None = None
    ca: Path | None = None

    @property
    def tls(self) -> bool:
        return self.security_protocol in ("SASL_SSL", "SSL")

    @property
    def sasl(self) -> bool:
        return self.security_protocol == "SASL_SSL"

    def librdkafka(self) -> dict[str, str]:
        """Settings of confluent_kafka beside the servers; reads the secret.

        Raises:
            UserError: the secret cannot be read.
        """
        found = {"security.protocol": self.security_protocol.lower()}
        if self.tls and self.ca:
            found["ssl.ca.location"] = str(self.ca)
        if self.sasl and self.password:
            found |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.username,
                "sasl.password": self.password.read(),
            }
        return found

    def java(self, classes: str = FLINK_CLASSES) -> dict[str, str]:
        """Settings of Kafka's Java clients beside the servers; the secret stays a reference.

        ``classes`` is the package of Kafka's own classes. Source: KIP-297, KIP-651.
        """
        found = {"security.protocol": self.security_protocol}
        if self.tls and self.ca:
            found["ssl.truststore.type"] = "PEM"
            found["ssl.truststore.location"] = str(self.ca)
        if self.sasl and self.password:
            provider, provider_class, limit, reference = self.password.provided()
            limit_key, _, limit_value = limit.partition("=")
            found |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.jaas.config": jaas(classes, self.sasl_mechanism, self.username, reference),
                "config.providers": provider,
                f"config.providers.{provider}.class": f"{classes}.{provider_class}",
                limit_key: limit_value,
            }
        return found


def jaas(classes: str, mechanism: str, username: str, password: str) -> str:
    """``sasl.jaas.config`` of a client."""
    module = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
    return f'{classes}.security.{module} required username="{username}" password="{password}";'


def read_access(where: str, value: object, base: Path) -> KafkaAccess:
    """``kafka_client`` of a home's settings; ``where`` names it, paths are relative to ``base``.

    Raises:
        UserError: a word is unknown, missing or ill-formed, or a secret stands there itself.
    """
    if not isinstance(value, Mapping):
        raise UserError(f"{where} is not an object; its words are {', '.join(_WORDS)}")
    if unknown := [str(k) for k in value if k not in _WORDS]:
        raise UserError(f"{where} has the unknown word {unknown[0]!r}; known: {', '.join(_WORDS)}")
    bootstrap = _text(where, value, "bootstrap", _SERVERS, "host:port, several with commas")
    protocol = _choice(where, value, "security_protocol", PROTOCOLS)
    mechanism = _choice(where, value, "sasl_mechanism", MECHANISMS)
    ca = _path(f"{where}.ca", value["ca"], base) if value.get("ca") is not None else None
    if protocol != "SASL_SSL":
        if left := [k for k in ("sasl_mechanism", "username", "password") if k in value]:
            raise UserError(f"{where}: {left[0]} is for SASL_SSL, the protocol is {protocol}")
        return KafkaAccess(bootstrap, protocol, ca=ca)
    username = _text(where, value, "username", _USER, "letters, digits and ._@/+=-")
    password = _secret(f"{where}.password", value.get("password"), base)
    return KafkaAccess(bootstrap, protocol, mechanism, username, password, ca)


def _secret(where: str, value: object, base: Path) -> Secret:
    # The value is not repeated: it may be the secret.
    expected = f'{where} is not {{"file": PATH}} or {{"env": NAME}}'
    if not isinstance(value, Mapping) or len(value) != 1:
        raise UserError(
            f"{expected}; a secret itself does not stand in settings",
            "put it into a file of yours: (umask 077; printf %s PASSWORD > FILE)",
        )
    if "file" in value:
        return Secret(file=_path(f"{where}.file", value["file"], base))
    name = value.get("env")
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        raise UserError(f"{expected}, with NAME that of a variable")
    return Secret(env=name)


def _path(where: str, value: object, base: Path) -> Path:
    if not isinstance(value, str) or not value or set(value) & _UNFIT:
        raise UserError(f"{where} is {value!r}, expected a path without any of : , {{ }} $ quotes")
    return base / Path(value).expanduser()


def _text(
    where: str, value: Mapping[str, object], word: str, form: re.Pattern[str], expected: str
) -> str:
    found = value.get(word)
    if not isinstance(found, str) or not form.fullmatch(found):
        raise UserError(f"{where}.{word} is {found!r}, expected {expected}")
    return found


def _choice(where: str, value: Mapping[str, object], word: str, known: tuple[str, ...]) -> str:
    found = value.get(word, known[0])
    if not isinstance(found, str) or found not in known:
        raise UserError(f"{where}.{word} is {found!r}, expected one of {', '.join(known)}")
    return found
