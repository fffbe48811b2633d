"""The tests of a model, ``pipelines/tests/NAME.yaml``: events in, answers out, as plain values.

How they are run is another matter: ``testing`` runs them in DuckDB, and any engine may, since a
case has typed rows with coordinates and watermarks. ``comparing`` holds an answer against one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from lakehead.contracts.convert import converter
from lakehead.contracts.document import Document, Where, parse_document, read_document
from lakehead.contracts.load import MOST_PARTITIONS
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.problems import Problem
from lakehead.contracts.types import FieldType
from lakehead.contracts.validate.values import BROKEN, read_value, shown
from lakehead.errors import UserError
from lakehead.models.bind import Bound
from lakehead.models.header import SETTLED

DAY = date(2024, 1, 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FILE_KEYS = ("day", "defaults", "cases")
_CASE_KEYS = ("name", "day", "defaults", "given", "expect", "expect_stream")
# Beside the contract's fields, which cannot have these names.
_EVENT_KEYS = ("kafka_partition", "watermark")
_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d(?:\.\d{1,6})?))?")
_CLOCK_EXPECTED = "a time such as 2024-01-01T10:00:00Z, or 10:00:00 of the case's day"
_TIMES = ("timestamp", "timestamp_ntz")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """A landed row. ``values`` has every field of the contract, each of its type or None.

    ``watermark_ms``, since the epoch, is what the stream's watermark was before this event moved
    it; None before there was one.
    """

    values: Row
    kafka_partition: int
    kafka_offset: int
    watermark_ms: int | None


@dataclass(frozen=True)
class Case:
    """``given`` are the events of each stream that the model reads, as they arrived.

    ``expect`` is the settled answer, ``expect_stream`` what the stream alone gives; None where the
    case does not say. Each row has the columns that it names. ``line`` is that of the file.
    """

    model: str
    name: str
    file: Path
    line: int
    day: date
    columns: Mapping[str, FieldType]
    given: Mapping[str, tuple[Event, ...]]
    expect: tuple[Row, ...] | None
    expect_stream: tuple[Row, ...] | None


class CaseError(UserError):
    """A file of tests that is wrong; ``problems`` are all that is."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        lines = [f"{path}:{p.line}: {p.message}" for p in problems]
        super().__init__("\n".join(lines), f"lakehead model check {path.stem}")
        self.path = path
        self.problems = problems


def cases_path(pipelines: Path, model: str) -> Path:
    """Where the tests of a model are, if it has any."""
    return pipelines / "tests" / f"{model}.yaml"


def case_columns(bound: Bound) -> dict[str, FieldType]:
    """The columns that a case may expect of the model's answer."""
    apart = (SETTLED, "watermark")
    return {n: t for n, t in bound.model.mart_columns.items() if n not in apart}


def load_cases(path: Path, bound: Bound, contracts: Mapping[str, Contract]) -> list[Case]:
    """The cases in ``path``, in order; ``contracts`` are at least those of ``bound.streams``.

    Raises:
        UserError: the file cannot be read, or is not YAML.
        CaseError: it says what cannot be; has every problem with its line.
    """
    return _read(path, read_document(path), bound, contracts)


def parse_cases(
    text: str, path: Path, bound: Bound, contracts: Mapping[str, Contract]
) -> list[Case]:
    """The cases that ``text`` is; ``path`` is what errors call it. Raises as ``load_cases``."""
    return _read(path, parse_document(text, str(path)), bound, contracts)


def _read(
    path: Path, document: Document, bound: Bound, contracts: Mapping[str, Contract]
) -> list[Case]:
    reader = _Reader(path, document, bound, contracts)
    cases = reader.read()
    if reader.problems:
        raise CaseError(path, sorted(reader.problems, key=lambda p: p.line))
    return cases


class _Reader:
    def __init__(
        self, path: Path, document: Document, bound: Bound, contracts: Mapping[str, Contract]
    ) -> None:
        self._path = path
        self._document = document
        self._model = bound.model.name
        self._contracts = {stream: contracts[stream] for stream in bound.streams}
        self._columns = case_columns(bound)
        self.problems: list[Problem] = []

    def _wrong(self, where: Where, message: str) -> None:
        self.problems.append(Problem(self._document.line(where), message))

    def read(self) -> list[Case]:
        data = self._document.data
        head: Mapping[str, Any] = {}
        listed: Any = data
        at: Where = ()
        if isinstance(data, dict):
            self._known((), data, _FILE_KEYS, "the file")
            head, listed, at = data, data.get("cases"), ("cases",)
        day = self._day(("day",), head.get("day"), DAY)
        defaults = self._defaults(("defaults",), head.get("defaults"), {})
        if not isinstance(listed, list) or not listed:
            self._wrong(at, "expected a list of cases, such as - {name: ..., given: ...}")
            return []
        cases = []
        names: set[str] = set()
        for i, given in enumerate(listed):
            if not isinstance(given, dict):
                self._wrong((*at, i), f"a case is {given!r}, expected name, given and expect")
                continue
            case = self._case((*at, i), given, day, defaults)
            if case.name in names:
                self._wrong((*at, i, "name"), f"the name {case.name!r} is there twice")
            names.add(case.name)
            cases.append(case)
        return cases

    def _known(self, where: Where, given: Mapping[Any, Any], known: Iterable[str], of: str) -> None:
        for key in given:
            if key not in known:
                self._wrong(
                    (*where, str(key)),
                    f"{of} has the unknown key {key!r}; known: {', '.join(known)}",
                )

    def _case(
        self, where: Where, given: dict[Any, Any], day: date, defaults: Mapping[str, Row]
    ) -> Case:
        self._known(where, given, _CASE_KEYS, "a case")
        name = given.get("name")
        if not isinstance(name, str) or not name.strip():
            self._wrong((*where, "name"), f"name is {name!r}, expected text that says what holds")
            name = ""
        day = self._day((*where, "day"), given.get("day"), day)
        defaults = self._defaults((*where, "defaults"), given.get("defaults"), defaults)
        if "expect" not in given and "expect_stream" not in given:
            self._wrong(where, "the case expects nothing; expected expect, or expect_stream")
        return Case(
            model=self._model,
            name=name.strip(),
            file=self._path,
            line=self._document.line(where),
            day=day,
            columns=self._columns,
            given=self._given((*where, "given"), given.get("given"), day, defaults),
            expect=self._expected((*where, "expect"), given, day),
            expect_stream=self._expected((*where, "expect_stream"), given, day),
        )

    def _day(self, where: Where, given: object, default: date) -> date:
        if given is None:
            return default
        read = converter(FieldType("date"))(given)
        if type(read) is not date:
            self._wrong(where, f"day is {given!r}, expected a date such as 2024-01-01")
            return default
        return read

    def _defaults(
        self, where: Where, given: object, around: Mapping[str, Row]
    ) -> Mapping[str, Row]:
        """Values as they are written, by stream and field; they are read with each event."""
        if given is None:
            return around
        if not isinstance(given, dict) or not all(isinstance(v, dict) for v in given.values()):
            self._wrong(where, f"expected such as {{{next(iter(self._contracts))}: {{...}}}}")
            return around
        merged = {stream: dict(values) for stream, values in around.items()}
        for stream, values in given.items():
            contract = self._contract((*where, str(stream)), stream)
            if contract is None:
                continue
            # Said where they stand, and not again for each event.
            known = {k: v for k, v in values.items() if self._is_key(contract, where, stream, k)}
            merged.setdefault(stream, {}).update(known)
        return merged

    def _contract(self, where: Where, stream: object) -> Contract | None:
        contract = self._contracts.get(stream) if isinstance(stream, str) else None
        if contract is None:
            known = ", ".join(self._contracts)
            self._wrong(
                where, f"{stream!r} is no stream that {self._model} reads; it reads {known}"
            )
        return contract

    def _is_key(self, contract: Contract, where: Where, part: str | int, key: object) -> bool:
        known = [*(f.name for f in contract.fields), *_EVENT_KEYS]
        if key in known:
            return True
        self._wrong(
            (*where, part, str(key)),
            f"{key!r} is no field of {contract.stream}; expected one of {', '.join(known)}",
        )
        return False

    def _given(
        self, where: Where, given: object, day: date, defaults: Mapping[str, Row]
    ) -> dict[str, tuple[Event, ...]]:
        read: dict[str, tuple[Event, ...]] = dict.fromkeys(self._contracts, ())
        if not isinstance(given, dict):
            first = next(iter(self._contracts))
            self._wrong(
                where, f"given is {shown(given)}, expected events by stream: {first}: [...]"
            )
            return read
        for stream, events in given.items():
            at = (*where, str(stream))
            contract = self._contract(at, stream)
            if contract is None:
                continue
            if not isinstance(events, list):
                self._wrong(at, f"{stream} is {shown(events)}, expected a list of events")
                continue
            read[stream] = self._events(at, contract, events, day, defaults.get(stream, {}))
        return read

    def _events(
        self, where: Where, contract: Contract, events: list[Any], day: date, defaults: Row
    ) -> tuple[Event, ...]:
        read: list[tuple[dict[str, Any], int, Any]] = []
        for i, given in enumerate(events):
            if not isinstance(given, dict):
                self._wrong((*where, i), f"an event is {shown(given)}, expected {{field: value}}")
                continue
            known = {k: v for k, v in given.items() if self._is_key(contract, where, i, k)}
            read.append(self._event((*where, i), contract, {**defaults, **known}, day))
        if self.problems:
            return ()
        return tuple(_arrived(contract, read))

    def _event(
        self, where: Where, contract: Contract, given: dict[str, Any], day: date
    ) -> tuple[dict[str, Any], int, Any]:
        """The values, the partition, and the watermark where the event states it, else BROKEN."""
        partition = given.pop("kafka_partition", 0)
        if type(partition) is not int or not 0 <= partition < MOST_PARTITIONS:
            self._wrong(
                (*where, "kafka_partition"),
                f"kafka_partition is {shown(partition)}, expected 0 to {MOST_PARTITIONS - 1}",
            )
        stated = BROKEN
        if "watermark" in given:
            stated = self._value((*where, "watermark"), _TIME, given.pop("watermark"), day)
        values = {
            f.name: self._value((*where, f.name), f, given.get(f.name), day)
            for f in contract.fields
        }
        moment = values[contract.event_time]
        if moment is None:
            self._wrong(where, f"the event has no {contract.event_time}, which is its time")
        elif moment is not BROKEN and moment < EPOCH:
            self._wrong((*where, contract.event_time), "the event is before 1970; expected later")
        return values, partition, stated

    def _value(self, where: Where, field: Field, given: object, day: date) -> Any:
        """The value as its type, None, or BROKEN, which is told."""
        if given is None:
            return None
        name, kind = field.name, field.type
        if kind.kind in _TIMES:
            given = _clock_time(given, day, zoned=kind.kind == "timestamp")
        problems: list[str] = []
        value = read_value(kind, converter(kind, UTC)(given), name, problems, field.fields)
        for problem in problems:
            message = problem.replace(".type: is ", " is ").replace(".unknown: is ", " is ")
            if kind.kind in _TIMES:
                message = f"{name} is {shown(given)}, expected {_CLOCK_EXPECTED}"
            elif kind.kind == "string":
                message += "; put it in quotes"
            self._wrong(where, message)
        return value

    def _expected(self, where: Where, case: dict[Any, Any], day: date) -> tuple[Row, ...] | None:
        if where[-1] not in case:
            return None
        given = case[where[-1]]
        if not isinstance(given, list):
            self._wrong(
                where, f"{where[-1]} is {shown(given)}, expected a list of rows; [] for none"
            )
            return None
        rows = []
        for i, row in enumerate(given):
            if not isinstance(row, dict) or not row:
                self._wrong((*where, i), f"a row is {shown(row)}, expected {{column: value}}")
                continue
            for column in row:
                if column not in self._columns:
                    known = ", ".join(self._columns)
                    self._wrong(
                        (*where, i, str(column)),
                        f"{column!r} is no column of {self._model}; expected one of {known}",
                    )
            fields = {c: Field(c, self._columns[c]) for c in row if c in self._columns}
            rows.append({c: self._value((*where, i, c), f, row[c], day) for c, f in fields.items()})
        return tuple(rows)


_TIME = Field("watermark", FieldType("timestamp"))


def _clock_time(given: object, day: date, zoned: bool) -> object:
    """A clock time as a moment of ``day``; anything else as it is.

    YAML reads 10:00:01 without quotes as the number of its seconds, and 10:00 as that of its
    minutes. A first hour of 0 makes it text, so that the two never meet.
    """
    if isinstance(given, int | float) and not isinstance(given, bool):
        unit = "minutes" if isinstance(given, int) and 60 <= given < 24 * 60 else "seconds"
        if unit == "seconds" and not 0 <= given < 24 * 3600:
            return given
        moment = datetime.combine(day, time()) + timedelta(**{unit: given})
    else:
        match = _CLOCK.fullmatch(given) if isinstance(given, str) else None
        if not match:
            return given
        seconds = timedelta(
            hours=int(match[1]), minutes=int(match[2]), seconds=float(match[3] or 0)
        )
        if int(match[2]) > 59 or float(match[3] or 0) >= 60 or seconds >= timedelta(days=1):
            return given
        moment = datetime.combine(day, time()) + seconds
    return moment.replace(tzinfo=UTC) if zoned else moment


def _arrived(contract: Contract, events: list[tuple[dict[str, Any], int, Any]]) -> Iterable[Event]:
    """The events with their offsets, and the watermark before each.

    As in Flink a partition's watermark is its newest event time less the contract's delay, and the
    stream's is the lowest of any partition; it never goes back.
    """
    newest: dict[int, int | None] = {partition: None for _, partition, _ in events}
    offsets = dict.fromkeys(newest, 0)
    delay = contract.watermark_delay // _MILLISECOND
    watermark: int | None = None
    for values, partition, stated in events:
        if stated is not BROKEN:
            at = None if stated is None else _milliseconds(stated)
            watermark = _later(watermark, at)
        else:
            at = watermark
        yield Event(values, partition, offsets[partition], at)
        offsets[partition] += 1
        moved = _milliseconds(values[contract.event_time]) - delay
        newest[partition] = _later(newest[partition], moved)
        reached = [mark for mark in newest.values() if mark is not None]
        if len(reached) == len(newest):
            watermark = _later(watermark, min(reached))


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // _MILLISECOND


def _later(one: int | None, other: int | None) -> int | None:
    return max((m for m in (one, other) if m is not None), default=None)
