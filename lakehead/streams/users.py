"""Users of a secured Kafka, and what each may do, by stream.

A user has SCRAM credentials and rights (ACLs). Nothing else is kept: the broker is asked.
"""

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.kafka_access import KAFKA_CLASSES, jaas
from lakehead.settings import STACK_USER, Settings
from lakehead.streams.client import client_config, probe
from lakehead.streams.topics import failure

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

Answer = TypeVar("Answer")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_SECONDS = 10.0
_PASSWORD_BYTES = 24
# RFC 7677 asks for 4096 or more.
_ITERATIONS = 8192
# Groups that lakehead's own readers name and never join.
_READERS = ("lakehead-live", "lakehead-empty")


@dataclass(frozen=True)
class Right:
    """``kind`` is topic, group or transactional_id; ``prefix``: all whose name begins with it."""

    kind: str
    name: str
    operation: str
    prefix: bool = False

    def __str__(self) -> str:
        return f"{self.operation} {self.kind} {self.name}{'*' if self.prefix else ''}"


@dataclass(frozen=True)
class KafkaUser:
    name: str
    rights: tuple[Right, ...]


def rights_to_produce(user: str, contract: Contract) -> list[Right]:
    """To write the stream's topic, in transactions too, whose ids begin with the user's name."""
    return [
        Right("topic", contract.topic, "describe"),
        Right("topic", contract.topic, "write"),
        Right("transactional_id", f"{user}.", "describe", prefix=True),
        Right("transactional_id", f"{user}.", "write", prefix=True),
    ]


def rights_to_consume(user: str, contract: Contract) -> list[Right]:
    """To read the stream's topic, in groups that begin with the user's name, and to see how far
    the stream's job has come."""
    return [
        Right("topic", contract.topic, "describe"),
        Right("topic", contract.topic, "describe_configs"),
        Right("topic", contract.topic, "read"),
        Right("group", f"{user}.", "read", prefix=True),
        *(Right("group", g, "describe") for g in (f"lakehead-{contract.stream}", *_READERS)),
    ]


def check_name(name: str) -> None:
    """Raises UserError where the name cannot be a user's."""
    if name == STACK_USER or not _NAME.fullmatch(name):
        raise UserError(
            f"the user's name is {name!r}, expected small letters, digits and dashes, up to 63, a "
            f"letter first, and not {STACK_USER}, who is the stack itself",
            "lakehead kafka user add --help",
        )


def add(
    settings: Settings, name: str, rights: Iterable[Right], new_password: bool = False
) -> str | None:
    """Give rights to a user; make the user where there is none.

    Returns:
        The password where one was made: for a new user, or on request. It is kept nowhere.

    Raises:
        UserError: the name is not fit, or this Kafka has no users.
    """
    check_name(name)
    admin = _admin(settings)
    password = None
    if new_password or name not in _names(settings, admin):
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        _set_password(settings, admin, name, password)
    bindings = [_binding(name, right) for right in rights]
    if bindings:
        _all(settings, admin.create_acls(bindings, request_timeout=_SECONDS))
    return password


def has_password(settings: Settings, name: str) -> bool:
    """Whether there is such a user, who can sign in."""
    return name in _names(settings, _admin(settings))


def listed(settings: Settings) -> list[KafkaUser]:
    """Every user but the stack itself, by name, with all rights."""
    admin = _admin(settings)
    found: dict[str, list[Right]] = {name: [] for name in _names(settings, admin)}
    asked = admin.describe_acls(_all_of(None), request_timeout=_SECONDS)
    for acl in _answer(settings, asked.result):
        found.setdefault(acl.principal.removeprefix("User:"), []).append(_right(acl))
    return [
        KafkaUser(name, tuple(sorted(rights, key=lambda r: (r.kind, r.name, r.operation))))
        for name, rights in sorted(found.items())
    ]


def find(settings: Settings, name: str) -> KafkaUser:
    """The user of that name.

    Raises:
        UserError: there is none.
    """
    known = {user.name: user for user in listed(settings)}
    if name not in known:
        raise UserError(
            f"Kafka has no user {name!r}; users: {', '.join(known) or 'none'}",
            "lakehead kafka user list",
        )
    return known[name]


def revoke(settings: Settings, name: str) -> None:
    """Take all rights and the password away; what the user has open is refused from now on.

    Raises:
        UserError: there is no such user.
    """
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        ScramMechanism,
        UserScramCredentialDeletion,
    )

    find(settings, name)
    admin = _admin(settings)
    # Rights first: should the rest fail, the user can do nothing.
    _all(settings, admin.delete_acls([_all_of(name)], request_timeout=_SECONDS))
    if name in _names(settings, admin):
        gone = UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512)
        _all(settings, admin.alter_user_scram_credentials([gone], request_timeout=_SECONDS))


def client_properties(settings: Settings, name: str, password: str) -> str:
    """What a Java client of the user needs to be told, as a file of properties."""
    access = settings.kafka_access
    assert access
    lines = {
        "bootstrap.servers": settings.bootstrap,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": jaas(KAFKA_CLASSES, "SCRAM-SHA-512", name, password),
        **(
            {"ssl.truststore.type": "PEM", "ssl.truststore.location": access.ca}
            if access.ca
            else {}
        ),
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def _set_password(settings: Settings, admin: "AdminClient", name: str, password: str) -> None:
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        ScramCredentialInfo,
        ScramMechanism,
        UserScramCredentialUpsertion,
    )

    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    made = UserScramCredentialUpsertion(name, info, password.encode())
    _all(settings, admin.alter_user_scram_credentials([made], request_timeout=_SECONDS))


def _names(settings: Settings, admin: "AdminClient") -> list[str]:
    asked: Any = admin.describe_user_scram_credentials(request_timeout=_SECONDS)
    return sorted(_answer(settings, asked.result))


def _binding(user: str, right: Right) -> Any:
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        AclBinding,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    return AclBinding(
        ResourceType[right.kind.upper()],
        right.name,
        ResourcePatternType.PREFIXED if right.prefix else ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation[right.operation.upper()],
        AclPermissionType.ALLOW,
    )


def _right(acl: Any) -> Right:
    prefix = acl.resource_pattern_type.name == "PREFIXED"
    return Right(acl.restype.name.lower(), acl.name, acl.operation.name.lower(), prefix)


def _all_of(user: str | None) -> Any:
    """The filter for every right, of one user or of all."""
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        AclBindingFilter,
        AclOperation,
        AclPermissionType,
        ResourcePatternType,
        ResourceType,
    )

    anything: Any = None
    return AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        f"User:{user}" if user else anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _admin(settings: Settings) -> "AdminClient":
    from confluent_kafka.admin import AdminClient

    if settings.kafka_access is None:
        raise UserError(
            f"Kafka at {settings.bootstrap} takes everybody: it has no users",
            "lakehead down; lakehead up --secure",
        )
    probe(settings)
    return AdminClient(client_config(settings))


def _all(settings: Settings, futures: dict[Any, Any]) -> None:
    _answer(settings, lambda: [future.result() for future in futures.values()])


def _answer(settings: Settings, ask: Callable[[], Answer]) -> Answer:
    from confluent_kafka import KafkaException

    try:
        return ask()
    except KafkaException as error:
        raise failure(settings, error) from error
