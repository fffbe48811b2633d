"""What every Kafka client here has in common: where the broker is, and silence on stderr."""

import logging
import socket
from typing import Any

from lakehead.errors import NotRunning
from lakehead.settings import Settings

# librdkafka writes to stderr unless it has a logger. Its complaints are kept for who asks.
_LOG = logging.getLogger("lakehead.kafka")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False
_PROBE_SECONDS = 2.0
# The partition of the key, or any where there is none.
ANY_PARTITION = -1


def client_config(settings: Settings) -> dict[str, Any]:
    """Configuration of a confluent_kafka client, quiet when the broker is away."""
    return {
        "bootstrap.servers": settings.bootstrap,
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


def not_running(settings: Settings) -> NotRunning:
    return NotRunning(f"Kafka does not answer at {settings.bootstrap}", "lakehead up")


def probe(settings: Settings) -> None:
    """Connect once, so that a broker that is away is known at once and not after a timeout.

    Raises:
        NotRunning: nothing listens there.
    """
    host, _, port = settings.bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PROBE_SECONDS).close()
    except OSError as error:
        raise not_running(settings) from error
