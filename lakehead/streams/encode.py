"""From an event's fields to a record's bytes."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from lakehead.contracts.convert import converter, with_named_floats
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.types import FieldType, walk
from lakehead.settings import Settings

if TYPE_CHECKING:
    from lakehead.streams.encode_avro import AvroEncoder

Fields = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# As many digits every reader keeps that takes JSON's numbers for doubles.
_SURE_DIGITS = 15


class Encoder(Protocol):
    """Writes the events of one stream."""

    @property
    def binary(self) -> bool:
        """Whether the bytes can only hold values of the right types."""

    def encode(self, fields: Fields, moment: int) -> bytes:
        """An event: its fields but the event time, and the event time, epoch milliseconds."""

    def encode_event(self, event: Fields) -> bytes:
        """A whole event, its event time among the fields."""


def encoder_of(settings: Settings, contract: Contract) -> Encoder:
    """The encoder that the contract asks for; Avro's schema is registered first.

    Raises:
        NotRunning: Avro without a schema registry that answers.
        UserError: the registry refuses the contract's schema.
    """
    if contract.encoding == "avro":
        return AvroEvents(contract, registered_avro(settings, contract))
    return JsonEncoder(contract)


def registered_avro(settings: Settings, contract: Contract) -> "AvroEncoder":
    """An encoder with the contract's schema, once the registry has it. Raises as ``encoder_of``."""
    from lakehead.contracts.avro import avro_schema
    from lakehead.streams import registry
    from lakehead.streams.encode_avro import AvroEncoder

    schema = avro_schema(contract)
    number = registry.register(settings, registry.subject(contract.topic), json.dumps(schema))
    return AvroEncoder(schema, number)


class JsonEncoder:
    """JSON as strict-json reads it, with what JSON has no way to say as text.

    Times are ISO-8601, with ``Z`` where they have a zone; bytes are base64; a decimal that a double
    may not hold, and a double that is not finite, are strings.
    """

    binary = False

    def __init__(self, contract: Contract) -> None:
        self._clock = contract.event_time
        self._tail = b'"%b":"' % contract.event_time.encode()
        self._floats = [f.name for f in contract.fields if _has_floats(f.type)]

    def encode(self, fields: Fields, moment: int) -> bytes:
        body = self._dump(fields)[:-1]
        # Formatted here and not by orjson: neighbours share most of the text.
        comma = b"," if len(body) > 1 else b""
        return b'%b%b%b%b"}' % (body, comma, self._tail, iso(moment).encode())

    def encode_event(self, event: Fields) -> bytes:
        return self._dump(event)

    def _dump(self, fields: Fields) -> bytes:
        if self._floats:
            fields = fields | {
                name: with_named_floats(fields[name]) for name in self._floats if name in fields
            }
        return orjson.dumps(fields, _plain, orjson.OPT_UTC_Z)


class AvroEvents:
    """Avro in Confluent's wire format."""

    binary = True

    def __init__(self, contract: Contract, encoder: "AvroEncoder") -> None:
        self._clock = contract.event_time
        self._encoder = encoder
        decimals = [f for f in contract.fields if f.type.kind == "decimal"]
        self._decimals = [(f.name, converter(f.type)) for f in decimals]

    def encode(self, fields: Fields, moment: int) -> bytes:
        return self.encode_event(fields | {self._clock: _EPOCH + moment * _MILLISECOND})

    def encode_event(self, event: Fields) -> bytes:
        # A source may give a decimal as the double that its file has.
        exact = {name: convert(event[name]) for name, convert in self._decimals if name in event}
        return self._encoder.encode(event | exact if exact else event)


def _has_floats(kind: FieldType) -> bool:
    found: list[str] = []
    walk(kind, lambda inner: found.append(inner.kind))
    return "float" in found or "double" in found


def _plain(value: Any) -> Any:
    if type(value) is Decimal:
        text = f"{value:f}"
        return orjson.Fragment(text) if len(value.as_tuple().digits) <= _SURE_DIGITS else text
    if type(value) is bytes:
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is no value of an event")


Move = Callable[[Fields, int], Fields]


def mover(contract: Contract) -> Move | None:
    """A function that moves an event's other times by milliseconds, as its event time was moved.

    So they keep their distance to it. Times that the contract bounds stay where they are. None
    where the contract has no other times.
    """
    moves = {
        f.name: move
        for f in contract.fields
        if f.name != contract.event_time and (move := _mover(f)) is not None
    }
    if not moves:
        return None

    def moved(fields: Fields, by: int) -> Fields:
        delta = timedelta(milliseconds=by)
        changed = {n: move(fields[n], delta) for n, move in moves.items() if n in fields}
        return fields | changed

    return moved


def _mover(field: Field) -> Callable[[Any, timedelta], Any] | None:
    if field.type.kind in ("timestamp", "timestamp_ntz"):
        if field.minimum is not None or field.maximum is not None:
            return None
        return _later
    inner = {f.name: move for f in field.fields if (move := _mover(f)) is not None}
    if not inner:
        return None

    def moved(value: Any, delta: timedelta) -> Any:
        if value is None:
            return None
        changed = {n: move(value[n], delta) for n, move in inner.items() if n in value}
        return value | changed

    return moved


def _later(value: datetime | None, delta: timedelta) -> datetime | None:
    return None if value is None else value + delta


def moment_of(value: datetime) -> int:
    """Epoch milliseconds of a time with a zone."""
    return (value - _EPOCH) // _MILLISECOND


def key_text(value: Any) -> str | None:
    """What a record's key says for the value of its key field: the same text as in JSON."""
    if value is None or type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    text = orjson.dumps(value, _plain, orjson.OPT_UTC_Z).decode()
    return text[1:-1] if text.startswith('"') else text


def iso(moment: int) -> str:
    """Epoch milliseconds as ISO-8601 in UTC, with milliseconds and ``Z``."""
    seconds, milliseconds = divmod(moment, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


# Neighbours mostly share their second, and formatting a date is the dearest part of an event.
@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
