"""What every Kafka client here has in common: where the broker is, and silence on stderr."""

import logging
from typing import Any

from lakehead.errors import NotRunning, UserError
from lakehead.settings import Settings
from lakehead.streams.wire import Connection, speaks_plainly, speaks_tls, without_tls

# librdkafka writes to stderr unless it has a logger. Its complaints are kept for who asks.
_LOG = logging.getLogger("lakehead.kafka")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False
_PROBE_SECONDS = 2.0
# The partition of the key, or any where there is none.
ANY_PARTITION = -1


def client_config(settings: Settings) -> dict[str, Any]:
    """Configuration of a confluent_kafka client, quiet when the broker is away.

    Raises:
        UserError: the password of a secured Kafka cannot be read.
    """
    access = settings.kafka_access
    return {
        "bootstrap.servers": settings.bootstrap,
        **(access.librdkafka() if access else {}),
        "client.id": "lakehead",
        # A broker that comes back is found within a second; by default it may take ten.
        "reconnect.backoff.max.ms": 1000,
        "logger": _LOG,
        "error_cb": lambda error: _LOG.warning("%s", error),
    }


def producer_config(settings: Settings) -> dict[str, Any]:
    """Configuration of an idempotent producer, acknowledged by all replicas."""
    return client_config(settings) | {
        "acks": "all",
        "enable.idempotence": True,
        "compression.type": "lz4",
        # As Java clients do, so that a key has one partition whoever writes it.
        "partitioner": "murmur2_random",
    }


def not_running(settings: Settings) -> UserError:
    """Why Kafka does not answer: it is away, or one side speaks TLS and the other does not."""
    access = settings.kafka_access
    tls = access is not None and access.tls
    speaks = speaks_plainly if tls else speaks_tls
    otherwise = any(speaks(host, port, _PROBE_SECONDS) for host, port in servers(settings))
    if otherwise and tls:
        return without_tls(settings)
    if otherwise:
        return UserError(
            f"Kafka at {settings.bootstrap} is secured, and this home has no user for it",
            f"name one as kafka_client in {settings.home / 'settings.json'} (docs/security.md)",
        )
    if not settings.runs_kafka:
        return NotRunning(
            f"Kafka does not answer at {settings.bootstrap}",
            f"see kafka_client in {settings.home / 'settings.json'}",
        )
    return NotRunning(f"Kafka does not answer at {settings.bootstrap}", "lakehead up")


def servers(settings: Settings) -> list[tuple[str, int]]:
    """Host and port of each server that may be asked first."""
    found = [address.strip().rpartition(":") for address in settings.bootstrap.split(",")]
    return [(host, int(port)) for host, _, port in found]


def probe(settings: Settings) -> None:
    """Connect once, so that a broker that is away is known at once and not after a timeout.

    Raises:
        NotRunning: nothing listens there.
        UserError: the broker refuses the home's user, or shows a certificate of somebody else.
    """
    away: OSError | None = None
    for host, port in servers(settings):
        try:
            Connection(settings, host, port, _PROBE_SECONDS).close()
            return
        except OSError as error:
            away = error
    raise not_running(settings) from away
