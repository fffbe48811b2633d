"""A first model over a stream, and its tests, from the stream's contract: valid as they stand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from lakehead.contracts.model import Contract, Field
from lakehead.errors import UserError
from lakehead.models.bind import Bound, bind
from lakehead.models.header import ModelProblem
from lakehead.models.model import parse_model

WINDOWS = {
    "tumble": "{tumble: 1 minute}",
    "hop": "{hop: {size: 10 minutes, every: 5 minutes}}",
    "session": "{session: {gap: 1 minute}}",
    "cumulate": "{cumulate: {size: 1 hour, step: 30 minutes}}",
}
# What an output column may not be called.
_TAKEN = (
    "event_time",
    "first_event_time",
    "right_event_time",
    "right_partition",
    "right_offset",
    "settled_offsets",
    "watermark",
)
_KEYS = ("string", "int", "long", "decimal", "date", "boolean")
# What a SUM takes for sure; see ``aggregates``.
_SUMMED_DIGITS = 28


@dataclass(frozen=True)
class Draft:
    """A model that is to be written. ``window`` is a name of ``WINDOWS``."""

    name: str
    kind: str
    window: str | None
    contracts: tuple[Contract, ...]

    @property
    def left(self) -> Contract:
        return self.contracts[0]

    @property
    def right(self) -> Contract:
        return self.contracts[1]


@dataclass(frozen=True)
class Chosen:
    """The fields of one stream that a first model is about."""

    identity: Field
    group: Field | None
    measure: Field | None


def draft(name: str, kind: str | None, window: str | None, contracts: Sequence[Contract]) -> Draft:
    """What is asked for, with what follows from it filled in.

    Raises:
        UserError: a kind or a window that does not go with the rest.
    """
    if kind is None:
        if len(contracts) > 1:
            raise UserError("a model of two streams is of --kind enrich or --kind join")
        kind = "window"
    wanted = 2 if kind in ("enrich", "join") else 1
    if len(contracts) != wanted:
        streams = ", ".join(c.stream for c in contracts)
        raise UserError(
            f"a model of kind {kind} reads {wanted} streams, not {streams}"
            if wanted == 2
            else f"a model of kind {kind} reads one stream, not {streams}"
        )
    if window is not None and kind not in ("window", "dedup"):
        raise UserError(f"a model of kind {kind} has no --window")
    if kind == "dedup" and window not in (None, "tumble"):
        raise UserError(f"a model of kind dedup has the --window tumble, not {window}")
    if kind in ("window", "dedup"):
        window = window or "tumble"
    return Draft(name, kind, window, tuple(contracts))


def scaffold_model(wanted: Draft) -> str:
    """The text of a model that is valid as it stands.

    Raises:
        UserError: the contracts do not have the fields that it takes.
    """
    writer = {
        "window": _window,
        "rows": _rows,
        "dedup": _dedup,
        "sequence": _sequence,
        "enrich": _enrich,
        "join": _join,
    }[wanted.kind]
    return writer(wanted)


def bound_draft(wanted: Draft, text: str) -> Bound:
    """The scaffolded model over its contracts."""
    try:
        model = parse_model(text, wanted.name)
        return bind(model, {c.stream: c for c in wanted.contracts})
    except ModelProblem as error:
        raise UserError(
            f"no first model of these streams: {error.message}",
            f"see docs/models.md, and write {Path('pipelines') / f'{wanted.name}.sql'}",
        ) from error


def choose(contract: Contract, apart: Sequence[str] = ()) -> Chosen:
    """The fields to identify, group and measure the events by; ``apart`` are not grouped by.

    Raises:
        UserError: no field identifies an event.
    """
    usable = [
        f
        for f in contract.fields
        if f.name != contract.event_time and f.name not in _TAKEN and not f.name.endswith("_day")
    ]
    keys = [f for f in usable if f.type.kind in _KEYS]
    if not keys:
        raise UserError(
            f"{contract.stream} has no plain field beside its time, which a model could name",
            f"lakehead contract show {contract.stream}",
        )
    named = [f for f in keys if f.unique_within] + [f for f in keys if f.name == contract.key]
    identity = (named or keys)[0]
    groups = [f for f in keys if f is not identity and f.name not in apart]
    groups = [f for f in groups if f.type.kind == "string" and not f.references]
    groups.sort(key=lambda f: (not f.enum, not f.required))
    numbers = [f for f in usable if f is not identity and not f.references]
    numbers = [f for f in numbers if f.name not in apart and not f.name.endswith("_id")]
    by_kind = [[f for f in numbers if f.type.kind == k] for k in ("decimal", "long", "int")]
    measures = [f for fields in by_kind for f in fields]
    return Chosen(identity, next(iter(groups), None), next(iter(measures), None))


def steps_of(contract: Contract) -> tuple[Field, Field | None]:
    """What a sequence is by, and the field whose first two values are its steps, if any."""
    fields = {f.name: f for f in contract.fields}
    by = fields[contract.key]
    if by.type.kind not in _KEYS or by.name in _TAKEN or by.name.endswith("_day"):
        by = choose(contract).identity
    group = choose(contract, apart=(by.name,)).group
    # The steps are in the header, which a comment's end would end.
    fits = group is not None and len(group.enum) > 1 and not any("*/" in v for v in group.enum)
    return by, group if fits else None


def joined_by(wanted: Draft) -> tuple[Field, Field]:
    """The fields of the left and of the right stream that are equal where they join.

    Raises:
        UserError: there are none.
    """
    left, right = wanted.left, wanted.right
    pairs = [(a, b) for a in left.fields for b in right.fields if a.type == b.type]
    pairs = [(a, b) for a, b in pairs if a.type.kind in _KEYS]
    if wanted.kind == "enrich":
        pairs = [(a, b) for a, b in pairs if b.name == right.key]

    def closeness(pair: tuple[Field, Field]) -> tuple[bool, ...]:
        a, b = pair
        refers = str(a.references) == f"{right.stream}.{b.name}"
        referred = str(b.references) == f"{left.stream}.{a.name}"
        keys = (a.name == left.key, b.name == right.key)
        return (refers or referred, a.name == b.name, all(keys), any(keys))

    fitting = [pair for pair in pairs if any(closeness(pair)[:2])]
    if not fitting:
        side = f"the key {right.key} of" if wanted.kind == "enrich" else "a field of"
        raise UserError(
            f"no field of {left.stream} has the name and type of {side} {right.stream}, nor is "
            "one a reference to the other",
            f"lakehead contract show {left.stream}",
        )
    return max(fitting, key=closeness)


def aliases(wanted: Draft) -> tuple[str, str]:
    first, second = wanted.left.stream[0], wanted.right.stream[0]
    return (first, second) if first != second else ("l", "r")


def word(name: str) -> str:
    """A name as SQL has it: in quotes where it is a word of SQL."""
    try:
        tree = parse_one(f"SELECT {name} FROM {name} AS x WHERE {name} = 1 GROUP BY {name}")
        alone = parse_one(f"{name} IS NOT NULL")
        columns = [*tree.find_all(exp.Column), *alone.find_all(exp.Column)]
        plain = [c.name for c in columns] == [name] * 4
    except SqlglotError:
        plain = False
    return name if plain else f'"{name}"'


@cache
def scalar(text: str) -> str:
    """Text as YAML reads it back, within brackets too: in quotes where it must be."""
    try:
        plain = yaml.safe_load(f"{{{text}: {text}}}") == {text: text}
    except (yaml.YAMLError, ValueError, TypeError):
        plain = False
    return text if plain else quoted(text)


def quoted(text: str) -> str:
    """Any text as YAML has it on one line, in quotes."""
    dumped: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)
    return dumped.strip()


def text_literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _text(
    wanted: Draft, description: str, settings: Sequence[str], columns: dict[str, str], sql: str
) -> str:
    if len(wanted.contracts) == 1:
        streams = f"stream: {scalar(wanted.left.stream)}"
    else:
        streams = f"streams: [{', '.join(scalar(c.stream) for c in wanted.contracts)}]"
    lines = [
        "/*",
        "# What may stand here: docs/models.md",
        f"model: {scalar(wanted.name)}",
        f"description: {description}",
        streams,
        *settings,
        "output:",
        f"  table: marts.{wanted.name}",
        "  columns:",
        *(f"    {scalar(name)}: {kind}" for name, kind in columns.items()),
        "*/",
        sql,
    ]
    return "\n".join(lines) + "\n"


def _select(parts: Sequence[str], tail: Sequence[str]) -> str:
    return "\n".join(["SELECT", ",\n".join(f"  {p}" for p in parts), *tail])


def _window(wanted: Draft) -> str:
    stream = wanted.left.stream
    chosen = choose(wanted.left)
    key = chosen.group or chosen.identity
    measure = chosen.measure if chosen.measure is not key else None
    if measure is not None and measure.type.precision > _SUMMED_DIGITS:
        measure = None
    columns = {key.name: str(key.type), "events": "long"}
    parts = [word(key.name), "COUNT(*) AS events"]
    if measure is not None:
        whole = measure.type.kind != "decimal"
        total = f"total_{measure.name}"
        columns[total] = "long" if whole else f"decimal(38,{measure.type.scale})"
        parts.append(f"SUM({word(measure.name)}) AS {total}")
    assert wanted.window
    return _text(
        wanted,
        f"What came of {stream}, by {key.name} and window of event time.",
        [f"window: {WINDOWS[wanted.window]}", f"keys: [{scalar(key.name)}]"],
        columns,
        _select(parts, [f"FROM {word(stream)}", f"GROUP BY {word(key.name)}"]),
    )


def _named(fields: Sequence[Field | None]) -> dict[str, str]:
    """The fields as output columns, each once."""
    return {f.name: str(f.type) for f in fields if f is not None}


def _rows(wanted: Draft) -> str:
    stream = wanted.left.stream
    chosen = choose(wanted.left)
    columns = _named([chosen.identity, chosen.group, chosen.measure])
    if chosen.group is not None and chosen.group.enum:
        kept = text_literal(chosen.group.enum[0])
        condition = f"{word(chosen.group.name)} = {kept}"
    else:
        condition = f"{word(chosen.identity.name)} IS NOT NULL"
    return _text(
        wanted,
        f"The events of {stream} that matter, one row each.",
        ["kind: rows"],
        columns,
        _select([word(c) for c in columns], [f"FROM {word(stream)}", f"WHERE {condition}"]),
    )


def _dedup(wanted: Draft) -> str:
    stream = wanted.left.stream
    chosen = choose(wanted.left)
    columns = _named([chosen.identity, chosen.group, chosen.measure])
    key = chosen.identity.name
    return _text(
        wanted,
        f"The events of {stream}, the first of each {key} in each window.",
        [f"window: {WINDOWS['tumble']}", f"dedup: {{keys: [{scalar(key)}], keep: first}}"],
        columns,
        _select([word(c) for c in columns], [f"FROM {word(stream)}"]),
    )


def _sequence(wanted: Draft) -> str:
    stream = wanted.left.stream
    by, group = steps_of(wanted.left)
    measure = choose(wanted.left, apart=(by.name,)).measure
    columns = _named([by, measure if measure is not by else None])
    if group is None:
        steps = [("again", f"{word(by.name)} IS NOT NULL", ", times: 2")]
    else:
        values = [text_literal(value) for value in group.enum[:2]]
        names = ("begins", "follows")
        steps = [(n, f"{word(group.name)} = {v}", "") for n, v in zip(names, values, strict=True)]
    listed = [
        f"    - {{name: {name}, where: {quoted(where)}{times}}}" for name, where, times in steps
    ]
    return _text(
        wanted,
        f"Where events of {stream} of one {by.name} follow each other.",
        ["sequence:", f"  by: [{scalar(by.name)}]", "  steps:", *listed, "  within: 1 minute"],
        columns,
        _select([word(c) for c in columns], [f"FROM {word(stream)}"]),
    )


def _both(wanted: Draft) -> tuple[dict[str, str], list[str]]:
    """The output columns of a join, and what is selected for each."""
    (a, b), (one, other) = joined_by(wanted), aliases(wanted)
    left, right = choose(wanted.left), choose(wanted.right, apart=(b.name,))
    columns = _named([left.identity, a, left.measure])
    parts = [f"{one}.{word(c)}" for c in columns]
    for f in (right.group, right.measure):
        if f is None or f is b:
            continue
        name = f.name if f.name not in columns else f"{wanted.right.stream}_{f.name}"
        columns[name] = str(f.type)
        parts.append(f"{other}.{word(f.name)}" + (f" AS {word(name)}" if name != f.name else ""))
    return columns, parts


def _enrich(wanted: Draft) -> str:
    (a, b), (one, other) = joined_by(wanted), aliases(wanted)
    columns, parts = _both(wanted)
    left, right = wanted.left, wanted.right
    clock = f"{one}.{word(left.event_time)}"
    tail = [
        f"FROM {word(left.stream)} AS {one}",
        f"LEFT JOIN {word(right.stream)} FOR SYSTEM_TIME AS OF {clock} AS {other}",
        f"  ON {one}.{word(a.name)} = {other}.{word(b.name)}",
    ]
    description = f"Each of {left.stream}, with what {right.stream} said at its time."
    return _text(wanted, description, ["kind: enrich"], columns, _select(parts, tail))


def _join(wanted: Draft) -> str:
    (a, b), (one, other) = joined_by(wanted), aliases(wanted)
    columns, parts = _both(wanted)
    left, right = wanted.left, wanted.right
    clock = f"{one}.{word(left.event_time)}"
    tail = [
        f"FROM {word(left.stream)} AS {one}",
        f"JOIN {word(right.stream)} AS {other}",
        f"  ON {one}.{word(a.name)} = {other}.{word(b.name)}",
        f"  AND {other}.{word(right.event_time)} BETWEEN {clock}",
        f"    AND {clock} + INTERVAL '1' HOUR",
    ]
    description = f"Each of {left.stream} with those of {right.stream} within the hour after it."
    return _text(wanted, description, ["kind: join"], columns, _select(parts, tail))
