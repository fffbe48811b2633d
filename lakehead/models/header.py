"""A model's header: YAML in the leading comment, as plain values."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from lakehead.contracts.document import Document, Where, parse_document
from lakehead.contracts.durations import parse_duration
from lakehead.contracts.types import FieldType, parse_type
from lakehead.errors import UserError
from lakehead.models.windows import Hop, Session, Window, parse_window

Kind = Literal["window", "rows", "dedup", "enrich", "join", "sequence"]
KINDS: tuple[Kind, ...] = ("window", "rows", "dedup", "enrich", "join", "sequence")
SETTLED = "settled_offsets"
WINDOW_COLUMNS = ("window_start", "window_end")
ACCEPTABLE = ("rounding", "approximate")
_TECHNICAL = (
    *WINDOW_COLUMNS,
    SETTLED,
    "event_time",
    "kafka_partition",
    "kafka_offset",
    "right_event_time",
    "right_partition",
    "right_offset",
    "first_event_time",
    "watermark",
)
_HEADER = re.compile(r"(\s*)/\*(.*?)\*/(.*)", re.DOTALL)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_REQUIRED = ("model", "output")
_OPTIONAL = (
    "description",
    "stream",
    "streams",
    "kind",
    "window",
    "keys",
    "late",
    "freshness",
    "accept",
    "dedup",
    "sequence",
    "alert",
    "expect",
)


class ModelProblem(UserError):
    """What is wrong with a model, at a line of its file that counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Dedup:
    """One row by ``keys`` in each window: the ``first`` or the ``last``."""

    keys: tuple[str, ...]
    keep: Literal["first", "last"]


@dataclass(frozen=True)
class Step:
    """``times`` rows in a row that hold ``where``; ``line`` is that of the file."""

    name: str
    where: str
    times: int
    line: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Sequence:
    """Steps that follow each other, with no other row of the key between, ``within`` a time."""

    by: tuple[str, ...]
    steps: tuple[Step, ...]
    within: timedelta

    @property
    def rows(self) -> int:
        return sum(step.times for step in self.steps)


@dataclass(frozen=True)
class Expect:
    """A condition that each row of the mart keeps; ``line`` is that of the file."""

    condition: str
    line: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Header:
    """``columns`` are the output's own; ``freshness`` is how old the newest answer may be."""

    name: str
    description: str
    kind: Kind
    streams: tuple[str, ...]
    window: Window | None
    keys: tuple[str, ...]
    table: str
    columns: dict[str, FieldType]
    late: Literal["flag", "update"] = "flag"
    freshness: timedelta | None = None
    accept: frozenset[str] = frozenset()
    dedup: Dedup | None = None
    sequence: Sequence | None = None
    alert_topic: str | None = None
    expect: tuple[Expect, ...] = ()


def split(text: str) -> tuple[str, int, str]:
    """The header's YAML, padded so that its lines are the file's; the line and the SQL after it."""
    match = _HEADER.match(text)
    if not match:
        raise ModelProblem(1, "expected a leading /* ... */ comment with the header, then a SELECT")
    before = text[: match.start(2)].count("\n")
    after = text[: match.start(3)].count("\n")
    return "\n" * before + match[2], after, match[3]


def parse_header(text: str, name: str) -> Header:
    """A header from its YAML. Raises ModelProblem that says what was expected, and where."""
    try:
        document = parse_document(text, "")
    except UserError as error:
        match = re.match(r":(\d+)?:? ?(.*)", error.message, re.DOTALL)
        assert match
        raise ModelProblem(int(match[1] or 1), f"the header {match[2]}") from error
    return _Reader(document).read(name)


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._data: dict[str, Any] = document.data if isinstance(document.data, dict) else {}

    def _fail(self, where: Where, message: str) -> ModelProblem:
        return ModelProblem(self._document.line(where), message)

    def read(self, name: str) -> Header:
        data = self._data
        if not data:
            raise self._fail((), "the header is not a YAML mapping")
        for key in data:
            if key not in (*_REQUIRED, *_OPTIONAL):
                known = ", ".join((*_REQUIRED, *_OPTIONAL))
                raise self._fail(
                    (str(key),), f"the header has unknown keys [{key!r}]; known: {known}"
                )
        if missing := [k for k in _REQUIRED if k not in data]:
            raise self._fail((), f"the header lacks {', '.join(missing)}")
        if data["model"] != name:
            raise self._fail(
                ("model",), f"model is {data['model']!r}, expected {name!r} as the file is called"
            )
        if not _NAME.fullmatch(name):
            raise self._fail(
                ("model",), f"model is {name!r}, expected lower case letters, digits and _"
            )
        kind = self._kind()
        return Header(
            name=name,
            description=str(data.get("description") or "").strip(),
            kind=kind,
            streams=self._streams(kind),
            window=self._window(kind),
            keys=self._keys(kind),
            table=self._table(name),
            columns=self._columns(),
            late=self._choice("late", ("flag", "update"), "flag"),
            freshness=self._duration(("freshness",), data.get("freshness")),
            accept=self._accept(),
            dedup=self._dedup(kind),
            sequence=self._sequence(kind),
            alert_topic=self._alert(),
            expect=self._expect(),
        )

    def _choice(self, key: str, choices: tuple[str, ...], default: str) -> Any:
        given = self._data.get(key, default)
        if given not in choices:
            raise self._fail((key,), f"{key} is {given!r}, expected one of {', '.join(choices)}")
        return given

    def _kind(self) -> Kind:
        default: Kind = "window" if "window" in self._data else "rows"
        if "dedup" in self._data:
            default = "dedup"
        if "sequence" in self._data:
            default = "sequence"
        kind = self._choice("kind", KINDS, default)
        needs = {"window": "window", "dedup": "dedup", "sequence": "sequence"}
        if kind in needs and needs[kind] not in self._data:
            raise self._fail(("kind",), f"a model of kind {kind} lacks {needs[kind]}")
        takes = {"window": ("window", "dedup"), "dedup": ("dedup",), "sequence": ("sequence",)}
        for key, kinds in (*takes.items(), ("keys", ("window",))):
            if key in self._data and kind not in kinds:
                raise self._fail((key,), f"a model of kind {kind} has no {key}")
        return kind  # type: ignore[no-any-return]

    def _streams(self, kind: Kind) -> tuple[str, ...]:
        if ("stream" in self._data) == ("streams" in self._data):
            raise self._fail(
                (), "the header lacks stream, or streams: [left, right] where it joins"
            )
        key = "stream" if "stream" in self._data else "streams"
        given = self._data[key]
        names = [given] if key == "stream" else given
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise self._fail((key,), f"{key} is {given!r}, expected names of streams")
        wanted = 2 if kind in ("enrich", "join") else 1
        if len(names) != wanted:
            raise self._fail(
                (key,), f"{key} is {given!r}; a model of kind {kind} reads {wanted} of them"
            )
        if len(set(names)) < wanted:
            raise self._fail((key,), f"{key} is {given!r}, expected each stream once")
        return tuple(names)

    def _window(self, kind: Kind) -> Window | None:
        if "window" not in self._data:
            if kind == "dedup":
                raise self._fail((), "a model of kind dedup lacks window")
            if self._data.get("late") == "update":
                raise self._fail(("late",), "late: update is for models with windows; use flag")
            return None
        try:
            window = parse_window(self._data["window"])
        except ValueError as error:
            raise self._fail(("window",), str(error)) from error
        if kind == "dedup" and not (isinstance(window, Hop) and window.tumbles):
            raise self._fail(
                ("window",), f"a model of kind dedup has the window {window}, expected tumble"
            )
        if isinstance(window, Session) and self._data.get("late") == "update":
            raise self._fail(("late",), "late: update is for windows that do not move; use flag")
        return window

    def _names(self, where: Where, given: object) -> tuple[str, ...]:
        said = ".".join(map(str, where))
        if not isinstance(given, list) or not all(isinstance(k, str) for k in given):
            raise self._fail(where, f"{said} is {given!r}, expected a list of column names")
        if len(set(given)) < len(given):
            raise self._fail(where, f"{said} is {given!r}, expected each column once")
        return tuple(given)

    def _keys(self, kind: Kind) -> tuple[str, ...]:
        if kind == "window" and "keys" not in self._data:
            raise self._fail((), "the header lacks keys; [] where each window is one row")
        return self._names(("keys",), self._data.get("keys", []))

    def _duration(self, where: Where, given: object) -> timedelta | None:
        if given is None:
            return None
        try:
            length = parse_duration(given)
        except ValueError as error:
            raise self._fail(where, f"{'.'.join(map(str, where))}: {error}") from error
        if not length:
            raise self._fail(where, f"{'.'.join(map(str, where))} is 0, expected more")
        return length

    def _accept(self) -> frozenset[str]:
        given = self._names(("accept",), self._data.get("accept", []))
        if unknown := [g for g in given if g not in ACCEPTABLE]:
            raise self._fail(
                ("accept",), f"accept has {unknown[0]!r}, expected one of {', '.join(ACCEPTABLE)}"
            )
        return frozenset(given)

    def _dedup(self, kind: Kind) -> Dedup | None:
        if kind != "dedup":
            return None
        given = self._data["dedup"]
        if not isinstance(given, dict) or set(given) - {"keep"} != {"keys"}:
            raise self._fail(
                ("dedup",),
                f"dedup is {given!r}, expected such as {{keys: [order_id], keep: first}}",
            )
        keep = given.get("keep", "first")
        if keep not in ("first", "last"):
            raise self._fail(("dedup", "keep"), f"dedup.keep is {keep!r}, expected first or last")
        keys = self._names(("dedup", "keys"), given["keys"])
        if not keys:
            raise self._fail(("dedup", "keys"), "dedup.keys is empty, expected a column or more")
        return Dedup(keys, keep)

    def _sequence(self, kind: Kind) -> Sequence | None:
        if kind != "sequence":
            return None
        given = self._data["sequence"]
        if not isinstance(given, dict) or set(given) != {"by", "steps", "within"}:
            raise self._fail(("sequence",), f"sequence is {given!r}, expected by, steps and within")
        by = self._names(("sequence", "by"), given["by"])
        if not by:
            raise self._fail(("sequence", "by"), "sequence.by is empty, expected a column or more")
        steps = given["steps"]
        if not isinstance(steps, list) or not steps:
            raise self._fail(("sequence", "steps"), "sequence.steps: expected a list of steps")
        read = tuple(self._step(i, step) for i, step in enumerate(steps))
        if len({step.name for step in read}) < len(read):
            raise self._fail(("sequence", "steps"), "sequence.steps: expected each name once")
        within = self._duration(("sequence", "within"), given["within"])
        if within is None:
            raise self._fail(("sequence", "within"), "sequence.within is empty, expected a time")
        sequence = Sequence(by, read, within)
        if sequence.rows < 2:
            raise self._fail(("sequence", "steps"), "a sequence of one row is a filter; use rows")
        return sequence

    def _step(self, i: int, given: object) -> Step:
        where: Where = ("sequence", "steps", i)
        if not isinstance(given, dict) or set(given) - {"times"} != {"name", "where"}:
            raise self._fail(
                where, f"a step is {given!r}, expected such as {{name: failed, where: a = 'b'}}"
            )
        name, times = given["name"], given.get("times", 1)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise self._fail(where, f"a step's name is {name!r}, expected lower case letters")
        if not isinstance(times, int) or not 1 <= times <= 100:
            raise self._fail(where, f"times is {times!r}, expected 1 to 100")
        return Step(name, str(given["where"]), times, self._document.line((*where, "where")))

    def _alert(self) -> str | None:
        given = self._data.get("alert")
        if given is None:
            return None
        topic = given.get("topic") if isinstance(given, dict) and len(given) == 1 else None
        if not isinstance(topic, str) or not re.fullmatch(r"alerts\.[a-z][a-z0-9_]*", topic):
            raise self._fail(
                ("alert",), f"alert is {given!r}, expected such as {{topic: alerts.failed}}"
            )
        return topic

    def _expect(self) -> tuple[Expect, ...]:
        given = self._data.get("expect")
        if given is None:
            return ()
        if not isinstance(given, list):
            raise self._fail(
                ("expect",), f"expect is {given!r}, expected a list such as [revenue >= 0]"
            )
        for i, condition in enumerate(given):
            where: Where = ("expect", i)
            if not isinstance(condition, str) or not condition.strip():
                raise self._fail(
                    where, f"expect has {condition!r}, expected a condition such as revenue >= 0"
                )
            if condition in given[:i]:
                raise self._fail(where, f"expect has {condition!r} twice, expected it once")
        return tuple(Expect(c, self._document.line(("expect", i))) for i, c in enumerate(given))

    def _table(self, name: str) -> str:
        output = self._data["output"]
        if not isinstance(output, dict) or set(output) != {"table", "columns"}:
            raise self._fail(("output",), "output: expected table and columns")
        if not re.fullmatch(r"marts\.[a-z][a-z0-9_]*", str(output["table"])):
            raise self._fail(
                ("output", "table"),
                f"output.table is {output['table']!r}, expected such as 'marts.{name}'",
            )
        if "__" in output["table"]:
            raise self._fail(
                ("output", "table"),
                f"output.table is {output['table']!r}; names with __ are for earlier versions",
            )
        return str(output["table"])

    def _columns(self) -> dict[str, FieldType]:
        where: Where = ("output", "columns")
        columns = self._data["output"]["columns"]
        if not isinstance(columns, dict) or not columns:
            raise self._fail(where, "output.columns: expected a mapping of column to type")
        read = {}
        for name, kind in columns.items():
            if name in _TECHNICAL:
                raise self._fail(
                    (*where, name), f"output.columns: {name} is added by lakehead itself"
                )
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name.endswith("_day"):
                raise self._fail(
                    (*where, str(name)),
                    f"output.columns: {name!r}: expected lower case letters, digits and _, "
                    "a letter first, and not _day last",
                )
            try:
                read[name] = parse_type(str(kind))
            except ValueError as error:
                raise self._fail((*where, name), f"output.columns: {error}") from error
        return read
