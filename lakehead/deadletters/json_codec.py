"""JSON records, read as the job's ``strict-json`` reads them, and as far as they can be read."""

import contextlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from lakehead.contracts.convert import converter, with_named_floats
from lakehead.contracts.model import Contract
from lakehead.contracts.types import FieldType
from lakehead.contracts.validate.fast import ENCODER
from lakehead.deadletters.codec import CannotEncode, Decoded, Event

Read = Callable[[Any], Any]
_PLAIN_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)
_LONGEST_DECIMAL = 1000
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6}0{0,3})?)?"
    r"(?P<zone>Z|[+-](0\d|1[0-7]):?[0-5]\d|[+-]18:?00)?",
    re.ASCII,
)
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHOWN = 100


class JsonCodec:
    """The records of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._readers = {f.name: reader(f.type) for f in contract.fields}
        self._aliases = contract.aliases
        self._decode_once = json.JSONDecoder(
            parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_once
        ).decode

    def decode(self, record: bytes) -> Decoded:
        try:
            text = record.removeprefix(_BYTE_ORDER_MARK).decode()
        except UnicodeDecodeError as error:
            byte = record[error.start]
            return Decoded(None, [f"not UTF-8: byte {error.start} of the record is 0x{byte:02x}"])
        # Nearly every record is an object whose keys are there once; of others it is told what is
        # wrong.
        with contextlib.suppress(ValueError, RecursionError):
            event = self._decode_once(text)
            if isinstance(event, dict) and not self._aliases:
                return Decoded(event, [])
        return self._decoded(text)

    def _decoded(self, text: str) -> Decoded:
        repeated: dict[str, None] = {}

        def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
            members: dict[str, Any] = {}
            for key, value in found:
                if key in members:
                    repeated[key] = None
                members[key] = value
            return members

        try:
            event = json.loads(
                text, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=pairs
            )
        except RecursionError:
            return Decoded(None, ["malformed JSON: it is nested too deeply"])
        except ValueError as error:
            return Decoded(None, [f"malformed JSON: {error}"])
        if not isinstance(event, dict):
            return Decoded(None, [f"not a JSON object: it is {text.strip()[:_SHOWN]}"])
        names = [*repeated, *self._ambiguous(event)]
        problems = [f"{k}.repeated: is given more than once, expected once" for k in names]
        return Decoded(event, problems)

    def _ambiguous(self, event: Event) -> list[str]:
        """Fields that have no own key, but several of their aliases."""
        aliased = Counter(self._aliases[k] for k in event if k in self._aliases)
        return [name for name, keys in aliased.items() if keys > 1 and name not in event]

    def values(self, event: Event) -> Event:
        """Other keys than fields are ignored, as the job does."""
        if not self._aliases:
            readers = self._readers
            return {key: readers[key](value) for key, value in event.items() if key in readers}
        read: Event = {}
        for key, value in event.items():
            name = self._aliases.get(key, key)
            if name in self._readers and (name == key or name not in event):
                read[name] = self._readers[name](value)
        return read

    def encode(self, event: Event) -> bytes:
        try:
            return ENCODER.encode(with_named_floats(event))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise CannotEncode(f"it cannot be written as JSON: {error}") from error


def reader(kind: FieldType) -> Read:
    """A function from a value as JSON has it to the type's Python value; what strict-json would
    refuse is left as it is, for the validator to refuse."""
    match kind.kind:
        case "int" | "long":
            return _if_type(Decimal, converter(kind))
        case "float" | "double":
            return _floating
        case "decimal":
            return _decimal
        case "date":
            return _if_type(str, converter(kind))
        case "binary":
            return _if_type(str, converter(kind))
        case "timestamp" | "timestamp_ntz":
            return _moment(kind)
        case "object":
            return _members({name: reader(inner) for name, inner in kind.members})
        case "array" | "map":
            assert kind.items is not None
            return _items(kind.kind, reader(kind.items))
    return lambda value: value


def _once(found: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(found)
    if len(members) < len(found):
        raise ValueError("a key is given more than once")
    return members


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _if_type(wanted: type, convert: Read) -> Read:
    return lambda value: convert(value) if type(value) is wanted else value


def _floating(value: Any) -> Any:
    if type(value) is str:
        return float(value) if value in _NOT_FINITE else value
    if type(value) not in (int, Decimal):
        return value
    try:
        number = float(value)
    except OverflowError:
        return value
    return number if math.isfinite(number) else value


def _decimal(value: Any) -> Any:
    if type(value) is not str:
        return value
    plain = len(value) <= _LONGEST_DECIMAL and _PLAIN_DECIMAL.fullmatch(value)
    return Decimal(value) if plain else value


def _moment(kind: FieldType) -> Read:
    convert, zoned = converter(kind), kind.kind == "timestamp"

    def read(value: Any) -> Any:
        found = _MOMENT.fullmatch(value) if type(value) is str else None
        return convert(value) if found and bool(found["zone"]) is zoned else value

    return read


def _members(readers: Mapping[str, Read]) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not dict:
            return value
        return {name: readers[name](inner) for name, inner in value.items() if name in readers}

    return read


def _items(kind: str, item: Read) -> Read:
    def read(value: Any) -> Any:
        if kind == "array" and type(value) is list:
            return [item(inner) for inner in value]
        if kind == "map" and type(value) is dict:
            return {key: item(inner) for key, inner in value.items()}
        return value

    return read
