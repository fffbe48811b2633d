"""Valid events of any contract, drawn from the contract itself.

A field's value is one of its examples, else of its enum, else within its bounds, lengths and
pattern. Times but the event time lie within a day before it. The same contract and seed give the
same events.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

from lakehead.contracts.model import Contract, Field
from lakehead.contracts.samples.values import Draw, examples_of, nth_key, values_of
from lakehead.errors import UserError

# When samples begin that nobody gives a time: fixed, so that they are the same every day.
START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
_NULL_SHARE = 0.08
_TRIES = 2000
_POOL = 20


def sample_events(contract: Contract, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Events without end, a second apart from 2024 on; see `Sampler.event`."""
    sampler = Sampler(contract, seed)
    seconds = START
    while True:
        yield sampler.event(seconds)
        seconds += 1


class Sampler:
    """Draws the events of one contract, one after the other.

    Raises:
        UserError: no value can keep a field's rules; names the field.
    """

    def __init__(self, contract: Contract, seed: int = 0) -> None:
        self._contract = contract
        self._random = Random(f"{seed}/{contract.stream}")
        self._index = 0
        self._makers = {f.name: self._maker(f) for f in contract.fields}
        self._broken = _row_rules(contract)

    def event(self, seconds: float) -> dict[str, Any]:
        """The next event, whole and valid, as of ``seconds`` (epoch); the fields in order.

        Values are str, int, float, bool, None, Decimal, date, datetime (UTC, but without a zone
        for ``timestamp_ntz``), bytes, list, dict.

        Raises:
            UserError: the contract's row rules are not kept by any of many events drawn.
        """
        moment = datetime.fromtimestamp(seconds, UTC)
        broken = ""
        for _ in range(_TRIES):
            event = {name: make(moment) for name, make in self._makers.items()}
            broken = self._broken(event)
            if not broken:
                self._index += 1
                return event
        raise UserError(
            f"no sample event of {self._contract.stream} keeps its rules: of {_TRIES} events drawn "
            f"none did; the last one broke {broken}",
            "give the fields that the rule reads examples, or bounds, that keep it",
        )

    def _maker(self, field: Field) -> Callable[[datetime], Any]:
        contract, random = self._contract, self._random
        if field.name == contract.event_time:
            return lambda moment: moment
        if field.references is not None:
            pool = [self._key(field, str(field.references), i) for i in range(_POOL)]
            return _optional(field, contract, random, lambda moment: random.choice(pool))
        if field.unique_within is not None:
            name = f"{contract.stream}.{field.name}"
            return lambda moment: self._key(field, name, self._index)
        draw = self._drawn(field)
        return _optional(field, contract, random, lambda moment: draw(random, moment))

    def _key(self, field: Field, name: str, index: int) -> Any:
        """The key ``index`` of all that ``name`` has, the same whoever refers to it."""
        return self._named(field, lambda: nth_key(field, name, index))

    def _drawn(self, field: Field) -> Draw:
        examples = examples_of(field)
        if examples:
            return lambda random, moment: random.choice(examples)
        draw = self._named(field, lambda: values_of(field))
        return lambda random, moment: self._named(field, lambda: draw(random, moment))

    def _named(self, field: Field, draw: Callable[[], Any]) -> Any:
        try:
            return draw()
        except ValueError as error:
            raise UserError(
                f"no sample value for the field {field.name} of {self._contract.stream}: {error}",
                "give the field examples in its contract",
            ) from error


def _optional(
    field: Field, contract: Contract, random: Random, make: Callable[[datetime], Any]
) -> Callable[[datetime], Any]:
    if field.required or field.name == contract.key:
        return make
    return lambda moment: None if random.random() < _NULL_SHARE else make(moment)


def _row_rules(contract: Contract) -> Callable[[dict[str, Any]], str]:
    """What an event breaks, or nothing. Fields keep their own rules by how they are drawn."""
    if not contract.rules:
        return lambda event: ""
    from lakehead.contracts.validate import Validator

    problems = Validator(contract).problems
    return lambda event: "; ".join(problems(event))
