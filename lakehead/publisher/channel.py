"""What both publishers share: a stream's validated events on their way to Kafka's client."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from lakehead.contracts.model import Contract
from lakehead.contracts.validate import InvalidEvent, Validator
from lakehead.contracts.validate.fast import ENCODER, attribute
from lakehead.contracts.validate.values import read_value
from lakehead.errors import SystemFailure, UserError

# The client calls it with what went wrong, or None, and the record.
OnReport = Callable[[Any, Any], None]
# From an event and the time, epoch seconds, to a record's bytes; raises InvalidEvent.
Encode = Callable[[Any, float], bytes]


class PublishFailed(SystemFailure):
    """Kafka did not take events: it refused them, or did not acknowledge them in time."""


class BufferFull(SystemFailure):
    """There was no room for another event for as long as ``publish`` may wait."""


class Delivery(NamedTuple):
    """What became of one event: where it is, or why it is nowhere (then both are -1)."""

    partition: int
    offset: int
    error: str | None = None


class Counts(NamedTuple):
    """Events so far. ``sent`` were handed to the client; of these, those neither ``delivered`` nor
    ``failed`` are on their way. ``invalid`` were refused before."""

    sent: int
    delivered: int
    failed: int
    invalid: int


class Client(Protocol):
    """What a publisher needs of ``confluent_kafka.Producer``."""

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str | None,
        partition: int,
        callback: OnReport,
        /,
    ) -> None: ...

    def poll(self, timeout: float, /) -> int: ...

    def flush(self, timeout: float, /) -> int: ...

    def purge(self, in_queue: bool, in_flight: bool, /) -> None: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Limits:
    """``buffer`` events wait for Kafka at most; ``publish`` waits ``block`` seconds for room, and
    Kafka has ``deliver`` seconds for each event, which bridges the restart of a broker."""

    buffer: int = 100_000
    block: float = 30.0
    deliver: float = 120.0


LIMITS = Limits()


class Channel:
    """One stream's way to the client: what both publishers share."""

    def __init__(self, contract: Contract, client: Client, encode: Encode | None = None) -> None:
        from confluent_kafka import KafkaException

        self.client_error = KafkaException
        self.contract = contract
        self.validator = Validator(contract)
        self.client = client
        self.encode = encode or self.validator.checked
        self.topic = contract.topic
        self.invalid = 0
        self._key = contract.field(contract.key)

    def key(self, event: Any) -> str | None:
        """The record's key: the text that the key field has in JSON, without quotes."""
        name = self._key.name
        value = event.get(name) if isinstance(event, Mapping) else getattr(event, attribute(name))
        if value is None or type(value) is str:
            return value
        plain = read_value(self._key.type, value, name, [])
        return ENCODER.encode(plain).decode().strip('"')

    def refusal(self, error: Exception, value: bytes) -> Exception:
        """What it means that the client does not take a record."""
        from confluent_kafka import KafkaError

        if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
            problem = f"event.size: is {len(value)} bytes, expected fewer than Kafka takes at once"
            return InvalidEvent(self.contract.stream, [problem])
        return SystemFailure(f"Kafka's client refuses to go on: {error.args[0].str()}")

    def closed(self) -> UserError:
        return UserError(f"the publisher of {self.topic} is closed")

    def full(self, limits: Limits) -> BufferFull:
        return BufferFull(
            f"{self.topic}: {limits.buffer} events wait for Kafka, and there was no room for "
            f"another within {limits.block:g} s",
            "lakehead status",
        )

    def failed(self, count: int, reason: str) -> PublishFailed:
        events = "event was" if count == 1 else "events were"
        return PublishFailed(
            f"{self.topic}: {count} {events} not published: {reason}", "lakehead logs kafka"
        )


def outcome(error: Any, record: Any) -> Delivery:
    if error is not None:
        return Delivery(-1, -1, reason(error))
    return Delivery(record.partition(), record.offset())


def reason(error: Any) -> str:
    return str(error.str()) if hasattr(error, "str") else str(error)
