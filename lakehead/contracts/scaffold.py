"""A first contract: of nothing, or of what a file holds.

What is guessed from a file stands in the contract as a start, with a comment where it is a guess.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lakehead.contracts.fields import NAME
from lakehead.contracts.load import contract_from_text
from lakehead.contracts.model import RESERVED_COLUMNS
from lakehead.contracts.types import MAX_PRECISION, TIMES, FieldType
from lakehead.errors import UserError

_READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".parquet": "read_parquet",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
    ".json": "read_json",
}
_KINDS = {
    "boolean": "boolean",
    "tinyint": "int",
    "smallint": "int",
    "integer": "int",
    "utinyint": "int",
    "usmallint": "int",
    "uinteger": "long",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "date": "date",
    "timestamp": "timestamp_ntz",
    "timestamp_s": "timestamp_ntz",
    "timestamp_ms": "timestamp_ntz",
    "timestamp_ns": "timestamp_ntz",
    "timestamp with time zone": "timestamp",
    "blob": "binary",
}
_CLOCKS = ("event_time", "timestamp", "time", "created_at", "occurred_at", "ts", "at")
_NO_FILE = """\
      # What identifies the event; events of one key keep their order.
      - name: id
        logicalType: string
        required: true
        description: What identifies the event.
        logicalTypeOptions: {minLength: 1, maxLength: 64}
      # More fields, by example; take the # away:
      # - name: amount
      #   logicalType: number
      #   physicalType: decimal(12,2)
      #   description: Pounds sterling.
      #   logicalTypeOptions: {minimum: 0}
      # - name: state
      #   logicalType: string
      #   enum:
      #     - {value: open}
      #     - {value: closed}
      - name: event_time
        logicalType: timestamp
        required: true
        description: When it happened, by the publisher's clock.
"""


@dataclass
class _Column:
    """A column of the file. ``source`` is its name there, ``nulls`` whether some row lacks it."""

    name: str
    source: str
    kind: FieldType
    nulls: bool
    notes: list[str] = field(default_factory=list)


def scaffold(stream: str, source: Path | None = None) -> str:
    """The text of a contract of ``stream`` that is valid as it stands.

    Raises:
        UserError: no name for a stream, or a file that cannot be read.
    """
    if source is None:
        text = _text(stream, _NO_FILE, "event_time", "id", "")
    else:
        columns = _columns(source)
        clock = _clock(columns)
        key = _key(columns, clock)
        fields = "".join(_field(c) for c in columns)
        text = _text(stream, fields, clock.name, key.name, _printable(source.name))
    contract_from_text(text, Path(f"{stream}.yaml"))
    return text


def _text(stream: str, fields: str, clock: str, key: str, file: str) -> str:
    guessed = f"\n# Guessed from {file}: check names, types and what is required." if file else ""
    return f"""\
# yaml-language-server: $schema=./contract.schema.json
# The contract of the stream {stream}: docs/contracts.md says what may stand here.{guessed}
apiVersion: v3.2.0
kind: DataContract
id: {_scalar(stream)}
name: {_scalar(stream)}
version: 1.0.0
status: draft
description:
  purpose: What one event of {stream} is, and who needs it.
  limitations: What it does not say.
schema:
  - name: {_scalar(stream)}
    physicalType: topic
    properties:
{fields}\
customProperties:
  # When the event happened: windows go by it.
  - {{property: eventTime, value: {_scalar(clock)}}}
  # Events of one key keep their order.
  - {{property: key, value: {_scalar(key)}}}
  # How long windows wait for events that are behind.
  - {{property: watermarkDelay, value: 2 seconds}}
  - {{property: partitions, value: 4}}
  - {{property: retention, value: 7 days}}
"""


def _columns(source: Path) -> list[_Column]:
    import duckdb

    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        raise UserError(f"{source} is no {', '.join(s[1:] for s in _READERS)} file")
    # Signs of a glob stand for themselves.
    path = re.sub(r"([*?\[])", r"[\1]", str(source.absolute()))
    try:
        if not source.is_file():
            raise UserError(f"there is no file {source}")
        with duckdb.connect() as con:
            rows = con.execute(f"SELECT * FROM {reader}(?)", [path])
            described = [(str(d[0]), d[1]) for d in rows.description or []]
            counts = ", ".join(["count(*)", *(_count(name) for name, _ in described)])
            nulls = con.execute(f"SELECT {counts} FROM {reader}(?)", [path]).fetchone()
    except (duckdb.Error, OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"{source} cannot be read as {source.suffix[1:]}: {first}") from error
    assert nulls is not None
    columns: list[_Column] = []
    for (name, kind), filled in zip(described, nulls[1:], strict=True):
        own = _name(name, {c.name for c in columns})
        columns.append(_Column(own, name, _type(kind), filled < nulls[0] or not nulls[0]))
    return columns


def _count(column: str) -> str:
    quoted = column.replace('"', '""')
    return f'count("{quoted}")'


def _type(kind: Any) -> FieldType:
    """A DuckDB type; what has no like becomes text."""
    inner = dict(kind.children) if kind.id in ("list", "struct", "map", "decimal", "array") else {}
    match kind.id:
        case "decimal":
            return FieldType("decimal", inner["precision"], inner["scale"])
        case "ubigint":
            return FieldType("decimal", 20, 0)
        case "hugeint" | "uhugeint":
            return FieldType("decimal", MAX_PRECISION, 0)
        case "list" | "array":
            return FieldType("array", items=_type(inner["child"]))
        case "struct":
            members: list[tuple[str, FieldType]] = []
            for name, member in inner.items():
                members.append((_name(name, {n for n, _ in members}), _type(member)))
            return FieldType("object", members=tuple(members))
        case "map" if inner["key"].id == "varchar":
            return FieldType("map", items=_type(inner["value"]))
    return FieldType(_KINDS.get(str(kind).lower(), "string"))


def _name(source: str, taken: set[str]) -> str:
    """``"Invoice No."`` as ``invoice_no``; another one where that is taken."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", source)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    if not name[:1].isalpha():
        name = f"column_{name}".rstrip("_")
    name = name[:55]
    if name in RESERVED_COLUMNS:
        name += "_value"
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    assert NAME.fullmatch(found)
    return found


def _clock(columns: list[_Column]) -> _Column:
    """The column of the event time, made the required timestamp that it must be."""
    times = [c for c in columns if c.kind.kind in ("timestamp", "timestamp_ntz")]
    named = [c for name in _CLOCKS for c in times if c.name == name]
    found = next((c for c in [*named, *times] if not c.nulls), None)
    if found is None:
        name = _name("event_time", {c.name for c in columns})
        found = _Column(name, name, FieldType("timestamp"), False)
        found.notes.append("The file has no time that every row has: publishers must add one.")
        columns.append(found)
    elif found.kind.kind == "timestamp_ntz":
        found.kind = FieldType("timestamp")
        found.notes.append(
            "No zone was read from the file; events must have one, such as Z for UTC."
        )
    # A column of this name is made by the table's partitions.
    for c in columns:
        if c.name == f"{found.name}_day":
            c.name = _name(f"{c.name}_value", {o.name for o in columns})
    return found


def _key(columns: list[_Column], clock: _Column) -> _Column:
    """A plain column that looks like an identifier, else the first plain one, else the clock."""
    plain = [c for c in columns if not c.kind.nested and c is not clock]
    solid = [c for c in plain if not c.nulls and c.kind.kind not in (*TIMES, "float", "double")]
    named = [c for c in solid if re.search(r"(^|_)(id|key|no|number|code)$", c.name)]
    return next(iter([*named, *solid, clock]))


def _field(column: _Column) -> str:
    notes = list(column.notes)
    if column.source != column.name:
        notes.insert(0, f"In the file: {_printable(column.source)}")
    lines = [f"# {note}" for note in notes]
    lines += [f"- name: {_scalar(column.name)}", *(f"  {x}" for x in _type_lines(column.kind))]
    if not column.nulls:
        lines.append("  required: true")
    return "".join(f"      {line}\n" for line in lines)


def _type_lines(kind: FieldType) -> list[str]:
    match kind.kind:
        case "array":
            assert kind.items is not None
            return ["logicalType: array", "items:", *_indented(_type_lines(kind.items))]
        case "map":
            assert kind.items is not None
            inner = _indented(_indented(_type_lines(kind.items)))
            return ["logicalType: map", "map:", "  value:", *inner]
        case "object":
            lines = ["logicalType: object", "properties:"]
            for name, member in kind.members:
                lines += [f"  - name: {_scalar(name)}", *_indented(_type_lines(member), "    ")]
            return lines
        case "long":
            return ["logicalType: integer"]
        case "int":
            return ["logicalType: integer", "physicalType: int"]
        case "double":
            return ["logicalType: number"]
        case "float" | "decimal":
            return ["logicalType: number", f"physicalType: {kind}"]
        case "binary":
            return ["logicalType: string", "physicalType: binary"]
        case "timestamp_ntz":
            return ["logicalType: timestamp", "logicalTypeOptions: {timezone: false}"]
    return [f"logicalType: {kind.kind}"]


def _indented(lines: list[str], by: str = "  ") -> list[str]:
    return [by + line for line in lines]


def _scalar(name: str) -> str:
    """A name that YAML reads as text: ``no`` alone would be false."""
    return name if yaml.safe_load(name) == name else json.dumps(name)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
