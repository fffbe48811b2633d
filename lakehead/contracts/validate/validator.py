"""The validator of a contract: ``checked`` is what a publisher calls, ``problems`` says all."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from lakehead.contracts.convert import with_named_floats
from lakehead.contracts.model import Contract
from lakehead.contracts.validate.event_type import event_type
from lakehead.contracts.validate.fast import ENCODER, fast_path
from lakehead.contracts.validate.rules import clock_problems, field_problems, own_rule
from lakehead.contracts.validate.values import plain_event, read_object, shown
from lakehead.errors import UserError


class InvalidEvent(UserError):
    """An event breaks its contract; ``problems`` are all rules that it breaks."""

    def __init__(self, stream: str, problems: list[str]) -> None:
        super().__init__(
            f"the event breaks the contract of {stream}: {'; '.join(problems)}",
            f"lakehead contract show {stream}",
        )
        self.problems = problems


class Validator:
    """Checks and encodes the events of one contract; any number of threads may share it.

    An event is a mapping by field name or an object of ``type``. ``now``, epoch seconds, is the
    clock that the event time must not be ahead of; None leaves that rule out.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._fast = fast_path(contract)
        self._flat = not any(f.type.nested for f in contract.fields)
        self._field_problems = field_problems(contract)
        self._own = [own_rule(rule, contract) for rule in contract.rules]

    @cached_property
    def type(self) -> type[msgspec.Struct]:
        """The class of the stream's events, as ``event_type``; one class for each Validator."""
        return event_type(self.contract)

    def problems(self, event: Any, now: float | None = None) -> list[str]:
        """Every broken rule, as ``<rule>: is <value>, expected <what>``; empty when valid."""
        return self.read(event, now)[1]

    def accepts(self, event: dict[str, Any], now: float | None = None) -> bool:
        """Whether an event is seen at once to be valid; if not, it may be so still."""
        return self._fast(event, now) is not None

    def checked(self, event: Any, now: float | None = None) -> bytes:
        """The event as JSON, as ``encode``, once it is known to be valid.

        Raises:
            InvalidEvent: it is not.
        """
        encoded = self._fast(event if type(event) is dict else self._dict(event), now)
        if encoded is not None:
            return encoded
        return ENCODER.encode(with_named_floats(self.checked_values(event, now)))

    def checked_values(self, event: Any, now: float | None = None) -> dict[str, Any]:
        """The event's values that are not null, each of its contract type (see ``read_value``).

        Raises:
            InvalidEvent: it is not valid.
        """
        values, problems = self.read(event, now)
        if problems:
            raise InvalidEvent(self.contract.stream, problems)
        return values

    def encode(self, event: Any) -> bytes:
        """The event as the JSON that Flink reads, checked for types but not for rules.

        Decimals are numbers, times ISO 8601 in UTC with ``Z`` (without a zone for timestamp_ntz),
        bytes base64, and numbers that JSON does not have "NaN", "Infinity" and "-Infinity". Fields
        that are null are left out.

        Raises:
            InvalidEvent: a value is not of its type, or a key is no field.
        """
        values, problems = self._values(event)
        if problems:
            raise InvalidEvent(self.contract.stream, problems)
        return ENCODER.encode(with_named_floats(values))

    def _dict(self, event: Any) -> Any:
        if self._flat and isinstance(event, msgspec.Struct):
            return msgspec.structs.asdict(event)
        return plain_event(event)

    def _values(self, event: Any) -> tuple[dict[str, Any], list[str]]:
        plain = plain_event(event)
        if not isinstance(plain, Mapping):
            return {}, [f"event.type: is {shown(plain)}, expected a dict or {self.type.__name__}"]
        problems: list[str] = []
        return read_object(self.contract.fields, plain, "", problems), problems

    def read(self, event: Any, now: float | None = None) -> tuple[dict[str, Any], list[str]]:
        """The values of an event that are not null, each of its contract type, and every broken
        rule; with one, values are not to be used."""
        values, problems = self._values(event)
        of_types = bool(problems)
        problems += self._field_problems(values)
        if not of_types:
            problems += [found for rule in self._own if (found := rule(values))]
        return values, problems + clock_problems(self.contract, values, now)
