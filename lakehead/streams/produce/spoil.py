"""How poison is made: from a valid event, by what its contract says is valid.

Each kind breaks one rule, and knows which: ``expected`` is part of the cause under which the dead
table must show the record.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from lakehead.contracts.model import Contract, Field, walk_fields
from lakehead.contracts.patterns import compile_pattern
from lakehead.contracts.types import NUMERIC, TIMES
from lakehead.streams.encode import Encoder, Fields, iso
from lakehead.streams.produce import poison

# The safe format's max-record-bytes.
MOST_RECORD_BYTES = 1024 * 1024
# What a producer that thinks in Latin-1 would write, and the same in UTF-8.
_LATIN_TEXT = "C\u00f4te d'Ivoire"
# Avro's strings have a length before them, which must stay the same.
_NO_UTF8 = {False: _LATIN_TEXT.encode("latin-1"), True: b"C\xf4 te d'Ivoire"}
_AVRO_HEADER_BYTES = 5
_LIMITS = {"int": 2**31 - 1, "long": 2**63 - 1}
_BEFORE_1970 = -1_000
Path = tuple[str, ...]
# From the valid event (its event time a datetime) and its bytes, to the record.
_Make = Callable[[Fields, bytes], bytes | None]


@dataclass(frozen=True)
class _Way:
    """How a contract's events are spoilt in one way; ``expected`` is part of the cause."""

    expected: str
    make: _Make


class Spoiler:
    """Spoils the events of one contract.

    ``kinds`` are those of the kinds asked for that the contract can have; ``left_out`` says why
    the others are not among them; ``expected`` is, by kind, part of the cause of death.
    """

    def __init__(
        self, contract: Contract, encoder: Encoder, asked: tuple[str, ...] = poison.POISON_KINDS
    ) -> None:
        self._contract = contract
        self._encoder = encoder
        self._ways: dict[str, _Way] = {}
        self.left_out: dict[str, str] = {}
        for kind in dict.fromkeys(asked or poison.POISON_KINDS):
            found = self._way(kind)
            if isinstance(found, _Way):
                self._ways[kind] = found
            else:
                self.left_out[kind] = found

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._ways)

    @property
    def expected(self) -> dict[str, str]:
        return {kind: way.expected for kind, way in self._ways.items()}

    def spoil(self, kind: str, fields: Fields, moment: int, future: int) -> bytes | None:
        """The event with the poison ``kind`` in it; None for a tombstone.

        ``moment`` is its event time, ``future`` one that no clock has reached, epoch milliseconds.
        """
        if kind not in self._ways:
            raise ValueError(f"{kind!r} is no kind of poison of {self._contract.stream}")
        if kind == poison.FUTURE_CLOCK:
            return self._encoder.encode(fields, future)
        if kind == poison.PAST_CLOCK:
            return self._encoder.encode(fields, _BEFORE_1970)
        event = fields | {self._contract.event_time: self._time(moment)}
        return self._ways[kind].make(event, self._encoder.encode(fields, moment))

    def _time(self, moment: int) -> Any:
        if self._encoder.binary:
            return datetime.fromtimestamp(moment / 1000, UTC)
        return iso(moment)

    def _way(self, kind: str) -> _Way | str:
        """The way of a kind, or why this contract has none."""
        clock = self._contract.event_time
        if self._encoder.binary and kind in _TEXT_ONLY:
            return f"{self._contract.encoding} cannot hold it: {_TEXT_ONLY[kind]}"
        match kind:
            case poison.TRUNCATED if self._encoder.binary:
                cut = _AVRO_HEADER_BYTES
                return _Way("unexpected end of the record", lambda event, value: value[:cut])
            case poison.TRUNCATED:
                return _Way("malformed JSON", lambda event, value: _half(value))
            case poison.EMPTY:
                return _Way("empty", lambda event, value: b"")
            case poison.TOMBSTONE:
                return _Way("tombstone", lambda event, value: None)
            case poison.NOT_AN_OBJECT:
                cause = "no schema id" if self._encoder.binary else "not a JSON object"
                return _Way(cause, lambda event, value: b"[%b]" % value)
            case poison.HUGE:
                return _Way("too large", lambda event, value: value.ljust(MOST_RECORD_BYTES + 1))
            case poison.FUTURE_CLOCK:
                return _Way(f"{clock}.clock", lambda event, value: value)
            case poison.PAST_CLOCK:
                return _Way(f"{clock}.epoch", lambda event, value: value)
            case poison.MISSING_FIELD:
                return self._missing_field()
            case poison.WRONG_TYPE:
                return self._wrong_type()
            case poison.NOT_UTF8:
                return self._not_utf8()
            case poison.BAD_ENUM:
                return self._bad_enum()
            case poison.BAD_PATTERN:
                return self._bad_pattern()
        return self._out_of_range()

    def _reachable(self) -> Iterator[tuple[Path, Field]]:
        """Fields that can be set in every event: an object around them is always there."""
        optional: list[Path] = []
        for path, f in walk_fields(self._contract.fields):
            if any(path[: len(p)] == p for p in optional):
                continue
            if not f.required:
                optional.append(path)
            if path != (self._contract.event_time,):
                yield path, f

    def _set(self, path: Path, value: object, rule: str) -> _Way:
        encode = self._encoder.encode_event
        return _Way(rule, lambda event, _: encode(_with(event, path, value)))

    def _missing_field(self) -> _Way:
        contract = self._contract
        required = [f for f in contract.fields if f.required and f.name != contract.event_time]
        # Rather a field that is nothing but required.
        plain = [f for f in required if f.name != contract.key and not f.enum]
        name = (plain or required or [contract.field(contract.event_time)])[-1].name
        encode = self._encoder.encode_event
        return _Way(
            f"{name}.required",
            lambda event, _: encode({n: v for n, v in event.items() if n != name}),
        )

    def _wrong_type(self) -> _Way:
        paths = [(path, f.type.kind) for path, f in self._reachable() if f.type.kind != "string"]
        path, kind = (paths or [((self._contract.event_time,), "timestamp")])[0]
        value = 42 if kind == "binary" else "oops"
        return self._set(path, value, f"{'.'.join(path)}.type")

    def _not_utf8(self) -> _Way | str:
        paths = [path for path, f in self._reachable() if f.type.kind == "string"]
        if not paths:
            return "no field is a string"
        encode, path = self._encoder.encode_event, paths[-1]
        spoilt = _NO_UTF8[self._encoder.binary]
        return _Way(
            "not UTF-8",
            lambda event, _: encode(_with(event, path, _LATIN_TEXT)).replace(
                _LATIN_TEXT.encode(), spoilt
            ),
        )

    def _bad_enum(self) -> _Way | str:
        for path, f in self._reachable():
            if f.enum:
                value = "teleported"
                while value in f.enum:
                    value += "x"
                return self._set(path, value, f"{'.'.join(path)}.enum")
        return "no field has an enum"

    def _bad_pattern(self) -> _Way | str:
        for path, f in self._reachable():
            if f.pattern is None:
                continue
            found = compile_pattern(f.pattern).search
            for text in ("?!", "0", "a", "A", " ", ""):
                if found(text) is None:
                    return self._set(path, text, f"{'.'.join(path)}.pattern")
        return "no field has a pattern that some text breaks"

    def _out_of_range(self) -> _Way | str:
        fields = list(self._reachable())
        for path, f in fields:
            for bound, step, rule in ((f.maximum, 1, "maximum"), (f.minimum, -1, "minimum")):
                beyond = _beyond(f, bound, step)
                if beyond is not None:
                    return self._set(path, beyond, f"{'.'.join(path)}.{rule}")
        for path, f in fields:
            if f.type.kind == "string" and f.max_length is not None and f.max_length < 10_000:
                return self._set(path, "x" * (f.max_length + 1), f"{'.'.join(path)}.max_length")
            if f.type.kind == "string" and f.min_length:
                return self._set(path, "", f"{'.'.join(path)}.min_length")
        return "no field has a bound that a value of its type can pass"


_TEXT_ONLY = {
    poison.WRONG_TYPE: "its schema gives each field one type",
    poison.MISSING_FIELD: "its schema has no record without a required field",
}


def _half(value: bytes) -> bytes:
    """The first half, cut between two characters: cut within one it would be no UTF-8 as well."""
    end = len(value) // 2
    while end and value[end] & 0xC0 == 0x80:
        end -= 1
    return value[:end]


def _with(event: Fields, path: Path, value: object) -> Fields:
    name, *rest = path
    return event | {name: _with(event[name], tuple(rest), value) if rest else value}


def _beyond(f: Field, bound: object, step: int) -> object:
    """A value of the field's type just past ``bound``; None where there is none."""
    kind = f.type.kind
    if bound is None or kind not in (*NUMERIC, *TIMES):
        return None
    if isinstance(bound, date):
        try:
            return bound + (timedelta(seconds=step) if kind != "date" else timedelta(days=step))
        except OverflowError:
            return None
    assert isinstance(bound, Decimal)
    if kind in ("float", "double"):
        beyond = float(bound) + step * max(1.0, abs(float(bound)) / 2)
        return beyond if abs(beyond) < 1e30 else None
    whole = int(bound) + step
    if kind == "decimal":
        return Decimal(whole) if abs(whole) < 10 ** (f.type.precision - f.type.scale) else None
    return whole if -_LIMITS[kind] <= whole <= _LIMITS[kind] else None
