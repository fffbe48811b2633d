"""First tests of a first model: events drawn from the contracts, answers as DuckDB gives them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from lakehead.contracts.model import Contract, Field
from lakehead.contracts.samples.values import examples_of, nth_key
from lakehead.errors import UserError
from lakehead.models.bind import Bound
from lakehead.models.cases import DAY, Row, case_columns, parse_cases
from lakehead.models.scaffold import Draft, choose, joined_by, scalar, steps_of
from lakehead.models.testing import Runner

_BEGIN = datetime.combine(DAY, time(10), UTC)
# Longer than any window of a scaffold.
_FAR = timedelta(hours=2)
_TRIES = 50
_UNSAID = ("kafka_partition", "kafka_offset", "right_partition", "right_offset")
_EXACT_DIGITS = 15


@dataclass(frozen=True)
class _Planned:
    name: str
    given: Mapping[str, Sequence[Row]]
    late: bool = False


class _Values:
    """Values of a contract's fields, the n-th of each another one where that can be."""

    def __init__(self, contract: Contract) -> None:
        self._stream = contract.stream
        self._drawn: dict[str, list[Any]] = {}

    def of(self, field: Field, n: int) -> Any:
        if field.enum:
            return field.enum[n % len(field.enum)]
        drawn = self._drawn.setdefault(field.name, examples_of(field))
        for i in range(_TRIES):
            if len(drawn) > n:
                break
            value = self._key(field, i)
            if value not in drawn:
                drawn.append(value)
        return drawn[n % len(drawn)]

    def _key(self, field: Field, index: int) -> Any:
        try:
            return nth_key(field, f"{self._stream}.{field.name}", index)
        except ValueError as error:
            raise UserError(
                f"no value for the field {field.name} of {self._stream}: {error}",
                "give the field examples in its contract",
            ) from error

    def number(self, field: Field, n: int) -> Any:
        """A small number where the field's limits allow it."""
        low, high = field.minimum, field.maximum
        value = Decimal(n)
        fits = (not isinstance(low, Decimal) or low <= value) and (
            not isinstance(high, Decimal) or value <= high
        )
        if not fits or field.enum:
            return self.of(field, n)
        if field.type.kind != "decimal":
            return n
        places = Decimal((0, (1,), -field.type.scale))
        return value.quantize(places) if field.type.precision > field.type.scale else Decimal(0)


def scaffold_cases(wanted: Draft, bound: Bound, runner: Runner) -> str:
    """The text of tests that pass as they stand."""
    path = Path(f"{wanted.name}.yaml")
    contracts = {c.stream: c for c in wanted.contracts}
    planned = _PLANS[wanted.kind](wanted)
    empty = _text(wanted, bound, planned, {})
    cases = parse_cases(empty, path, bound, contracts)
    columns = [c for c in case_columns(bound) if c not in _UNSAID]
    answers: dict[tuple[str, bool], list[str]] = {}
    for case in cases:
        for stream in (False, True):
            rows = runner.answer(bound, contracts, case.given, stream)
            rows.sort(key=lambda row: [str(row[c]) for c in columns])
            answers[case.name, stream] = [_mapping({c: row[c] for c in columns}) for row in rows]
    return _text(wanted, bound, planned, answers)


def _text(
    wanted: Draft,
    bound: Bound,
    planned: Sequence[_Planned],
    answers: Mapping[tuple[str, bool], Sequence[str]],
) -> str:
    lines = [
        f"# Tests of {wanted.name}: what comes of these events. A field that is left out is null.",
        f"# Run them:  lakehead model test {wanted.name}",
    ]
    for case in planned:
        lines += ["", f"- name: {case.name}", "  given:"]
        for stream, events in case.given.items():
            lines.append(f"    {_scalar(stream)}:")
            lines += [f"      - {_mapping(event)}" for event in events]
        lines += _answer("expect", answers.get((case.name, False), ()))
        if case.late:
            lines += _answer("expect_stream", answers.get((case.name, True), ()))
    return "\n".join(lines) + "\n"


def _answer(key: str, rows: Sequence[str]) -> Iterable[str]:
    if not rows:
        return [f"  {key}: []"]
    return [f"  {key}:", *(f"    - {row}" for row in rows)]


def _mapping(values: Row) -> str:
    return "{" + ", ".join(f"{_scalar(name)}: {_scalar(v)}" for name, v in values.items()) + "}"


def _scalar(value: Any) -> str:
    """As YAML reads it back, and a person would write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        if moment.date() == DAY:
            return f'"{moment.time().isoformat()}"'
        return f'"{moment.isoformat()}"'
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text if len(text) <= _EXACT_DIGITS else f'"{text}"'
    if isinstance(value, int | float):
        return repr(value)
    text = value.isoformat() if isinstance(value, date) else str(value)
    return scalar(text)


def _at(seconds: float) -> datetime:
    return _BEGIN + timedelta(seconds=seconds)


def _after(contract: Contract) -> datetime:
    """When every window of the first minutes has closed."""
    return _BEGIN + _FAR + contract.watermark_delay


def _event(contract: Contract, moment: datetime, *values: tuple[Field | None, Any]) -> Row:
    named = {f.name: value for f, value in values if f is not None}
    return {**named, contract.event_time: moment}


def _window(wanted: Draft) -> list[_Planned]:
    contract, values = wanted.left, _Values(wanted.left)
    chosen = choose(contract)
    key = chosen.group or chosen.identity
    measure = chosen.measure if chosen.measure is not key else None

    def event(moment: datetime, nth: int, number: int) -> Row:
        amount = None if measure is None else values.number(measure, number)
        return _event(contract, moment, (key, values.of(key, nth)), (measure, amount))

    counted = [event(_at(1), 0, 1), event(_at(2), 1, 2), event(_at(3), 0, 3)]
    late = [event(_at(1), 0, 1), event(_after(contract), 0, 2), event(_at(4), 0, 3)]
    return [
        _Planned(f"events are counted by {key.name} and window", {contract.stream: counted}),
        _Planned(
            "a late event is left out by the stream and counted by the batch",
            {contract.stream: late},
            late=True,
        ),
    ]


def _rows(wanted: Draft) -> list[_Planned]:
    contract, values = wanted.left, _Values(wanted.left)
    chosen = choose(contract)

    def event(second: int, nth: int) -> Row:
        measure = chosen.measure
        return _event(
            contract,
            _at(second),
            (chosen.identity, values.of(chosen.identity, nth)),
            (chosen.group, chosen.group and values.of(chosen.group, nth)),
            (measure, measure and values.number(measure, nth + 1)),
        )

    kept = chosen.group is not None and chosen.group.enum
    name = "an event of another kind is left out" if kept else "each event is one row"
    return [_Planned(name, {contract.stream: [event(1, 0), event(2, 1)]})]


def _dedup(wanted: Draft) -> list[_Planned]:
    contract, values = wanted.left, _Values(wanted.left)
    chosen = choose(contract)

    def event(moment: datetime, nth: int, number: int) -> Row:
        measure = chosen.measure
        return _event(
            contract,
            moment,
            (chosen.identity, values.of(chosen.identity, nth)),
            (chosen.group, chosen.group and values.of(chosen.group, number - 1)),
            (measure, measure and values.number(measure, number)),
        )

    twice = [event(_at(1), 0, 1), event(_at(2), 0, 2), event(_at(3), 1, 3)]
    # Before the first, which it takes the place of where keys have but one value.
    late = [event(_at(1), 0, 1), event(_after(contract), 1, 2), event(_at(0), 2, 3)]
    return [
        _Planned("the first of two events is kept", {contract.stream: twice}),
        _Planned(
            "a late event is left out by the stream and kept by the batch",
            {contract.stream: late},
            late=True,
        ),
    ]


def _sequence(wanted: Draft) -> list[_Planned]:
    contract, values = wanted.left, _Values(wanted.left)
    by, group = steps_of(contract)
    measure = choose(contract, apart=(by.name,)).measure
    measure = measure if measure is not by else None

    def event(second: float, nth: int, step: int) -> Row:
        return _event(
            contract,
            _at(second),
            (by, values.of(by, nth)),
            (group, group and group.enum[step]),
            (measure, measure and values.number(measure, step + 1)),
        )

    follows = [event(1, 0, 0), event(5, 0, 1)]
    slow = [event(1, 0, 0), event(61, 0, 1)]
    # With one value to be had, another key cannot be shown.
    other = [event(1, 0, 0), event(5, 1, 1)]
    plans = [("events that follow each other are found", follows)]
    plans.append(("not if the second comes too late", slow))
    if values.of(by, 0) != values.of(by, 1):
        plans.append((f"not if they are of two values of {by.name}", other))
    return [_Planned(name, {contract.stream: events}) for name, events in plans]


def _sides(wanted: Draft) -> tuple[Any, Any]:
    """Makers of left and of right events: (moment, nth key, number) -> event."""
    (a, b), values = joined_by(wanted), _Values(wanted.left)
    others = _Values(wanted.right)
    chosen = choose(wanted.left)
    described = choose(wanted.right, apart=(b.name,))

    def left(moment: datetime, nth: int, number: int) -> Row:
        measure = chosen.measure
        return _event(
            wanted.left,
            moment,
            (chosen.identity, values.of(chosen.identity, number - 1)),
            (a, values.of(a, nth)),
            (measure, measure and values.number(measure, number)),
        )

    def right(moment: datetime, nth: int, number: int) -> Row:
        group, measure = described.group, described.measure
        return _event(
            wanted.right,
            moment,
            (group if group is not b else None, group and others.of(group, number - 1)),
            (measure if measure is not b else None, measure and others.number(measure, number)),
            (b, values.of(a, nth)),
        )

    return left, right


def _enrich(wanted: Draft) -> list[_Planned]:
    left, right = _sides(wanted)
    first, second = wanted.left.stream, wanted.right.stream
    versions = [right(_at(-60), 0, 1), right(_at(60), 0, 2)]
    events = [left(_at(1), 0, 1), left(_at(120), 0, 2)]
    return [
        _Planned(
            f"each event has what {second} said at its time",
            {first: events, second: versions},
        ),
        _Planned(f"an event that {second} knows nothing of stays", {first: [left(_at(1), 0, 1)]}),
    ]


def _join(wanted: Draft) -> list[_Planned]:
    left, right = _sides(wanted)
    first, second = wanted.left.stream, wanted.right.stream
    return [
        _Planned(
            "events within the hour are joined",
            {first: [left(_at(1), 0, 1)], second: [right(_at(600), 0, 1), right(_at(7200), 0, 2)]},
        ),
    ]


_PLANS = {
    "window": _window,
    "rows": _rows,
    "dedup": _dedup,
    "sequence": _sequence,
    "enrich": _enrich,
    "join": _join,
}
