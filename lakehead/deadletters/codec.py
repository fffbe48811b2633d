"""From a record's bytes to its event and back, and whether the job would land it."""

from dataclasses import dataclass
from typing import Any, Protocol

from lakehead.contracts.model import Contract
from lakehead.contracts.validate import Validator
from lakehead.settings import Settings
from lakehead.streams.encode import key_text

Event = dict[str, Any]
# The safe format's max-record-bytes.
_MOST_BYTES = 1024 * 1024
_TOMBSTONE = "tombstone: the record has no value"
_EMPTY = "empty: the record's value has no bytes"


class CannotEncode(Exception):
    """An event cannot be written in the stream's encoding; its text says why."""


@dataclass(frozen=True)
class Decoded:
    """As far as a record can be read: ``event`` is None where it is none.

    ``problems`` are what the bytes alone show to be wrong; ``partial`` says that the event ends
    where they do.
    """

    event: Event | None
    problems: list[str]
    partial: bool = False


class Codec(Protocol):
    """One stream's encoding."""

    def decode(self, record: bytes) -> Decoded:
        """Never fails."""

    def values(self, event: Event) -> Event:
        """The contract's fields in the event, as the validator takes them."""

    def encode(self, event: Event) -> bytes:
        """The record of an event. Raises `CannotEncode`."""


@dataclass(frozen=True)
class Judged:
    """A record that is to be sent. ``problems`` is empty where the job would land it; ``key`` is
    the key that its event has."""

    value: bytes | None
    decoded: Decoded
    problems: list[str]
    key: bytes | None


class Judge:
    """Holds records of one stream against its contract."""

    def __init__(self, contract: Contract, codec: Codec) -> None:
        self.codec = codec
        self._validator = Validator(contract)
        self._key = contract.key

    def decode(self, record: bytes | None) -> Decoded:
        """The record as far as it can be read."""
        if record is None:
            return Decoded(None, [_TOMBSTONE])
        return self.codec.decode(record) if record else Decoded(None, [_EMPTY])

    def judge(self, record: bytes | None, now: float) -> Judged:
        """``now`` is epoch seconds: the clock that the event time must not be ahead of."""
        decoded = self.decode(record)
        if decoded.event is None:
            return Judged(record, decoded, decoded.problems, None)
        values = self.codec.values(decoded.event)
        problems = [*decoded.problems, *self._validator.problems(values, now)]
        problems += _too_large(len(record or b""))
        return Judged(record, decoded, problems, self._key_of(values))

    def read(self, record: bytes | None, now: float) -> tuple[Event, list[str]]:
        """As `judge`, for who reads many: the values that the job would land, or why it would
        not."""
        decoded = self.decode(record)
        if decoded.event is None:
            return {}, decoded.problems
        values = self.codec.values(decoded.event)
        size = len(record or b"")
        if not decoded.problems and size <= _MOST_BYTES and self._validator.accepts(values, now):
            return values, []
        read, problems = self._validator.read(values, now)
        return read, [*decoded.problems, *problems, *_too_large(size)]

    def _key_of(self, values: Event) -> bytes | None:
        try:
            text = key_text(values.get(self._key))
            return None if text is None else text.encode()
        except (TypeError, ValueError):
            # The field is of another type, or holds half a character.
            return None


def _too_large(size: int) -> list[str]:
    return [f"too large: the record has {size} bytes"] if size > _MOST_BYTES else []


def judge_of(settings: Settings, contract: Contract) -> Judge:
    """The judge of a stream's records."""
    codec: Codec
    if contract.encoding == "avro":
        from lakehead.deadletters.avro_codec import AvroCodec

        codec = AvroCodec(settings, contract)
    else:
        from lakehead.deadletters.json_codec import JsonCodec

        codec = JsonCodec(contract)
    return Judge(contract, codec)
