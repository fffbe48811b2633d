"""Read contracts from ``schemas/*.yaml`` (Open Data Contract Standard v3).

Source: https://bitol-io.github.io/open-data-contract-standard/
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject
from pydantic import ValidationError

from lakehead.contracts.document import Document, parse_document, read_text
from lakehead.contracts.durations import MAXIMUM_DAYS, parse_duration
from lakehead.contracts.expression import parse_condition
from lakehead.contracts.fields import NAME, NAME_EXPECTED, read_fields
from lakehead.contracts.model import (
    CLEANUPS,
    DEAD_SUFFIX,
    ENCODINGS,
    RESERVED_COLUMNS,
    Contract,
    Field,
    RowRule,
)
from lakehead.contracts.problems import Problems
from lakehead.contracts.standard import known_keys, note_unknown_keys
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError

ENGINE = "lakehead"
MOST_PARTITIONS = 1000
_MOST_RETENTION_DAYS = 36_500
# The stream's own settings, with their defaults; those that are None must be given.
SETTINGS: dict[str, object] = {
    "eventTime": None,
    "key": None,
    "watermarkDelay": "2 seconds",
    "idleTimeout": "5 seconds",
    "clockSkew": "60 seconds",
    "partitions": 4,
    "retention": "7 days",
    "snapshotRetention": "1 hour",
    "encoding": "json",
    "cleanup": "delete",
}
_AT_PROPERTIES = ("schema", 0, "properties")


def contract_names(schemas: Path) -> list[str]:
    """The streams that have a contract, sorted."""
    return sorted(p.stem for p in schemas.glob("*.yaml"))


def contract_path(schemas: Path, stream: str) -> Path:
    """The file of ``stream``'s contract.

    Raises:
        UserError: there is none; names those that exist.
    """
    names = contract_names(schemas)
    if stream not in names:
        raise UserError(
            f"there is no stream {stream!r}; {schemas} has {', '.join(names) or 'no contracts'}",
            f"lakehead contract new {stream}" if NAME.fullmatch(stream) else "",
        )
    return schemas / f"{stream}.yaml"


def load_contract(schemas: Path, stream: str) -> Contract:
    """The contract of ``stream``.

    Raises:
        UserError: no such contract (names those that exist).
        ContractError: the file breaks the standard; has every problem with its line.
    """
    path = contract_path(schemas, stream)
    return contract_from_text(read_text(path), path)


def load_contracts(schemas: Path) -> list[Contract]:
    """All contracts, by name. Raises as ``load_contract``."""
    return [load_contract(schemas, name) for name in contract_names(schemas)]


# A command reads the same contract for each of its models and tables; a contract does not change.
@lru_cache(maxsize=32)
def contract_from_text(text: str, path: Path) -> Contract:
    """The contract that ``text`` is; ``path`` is the file that it is or was, for name and errors.

    Raises:
        UserError: not YAML.
        ContractError: it breaks the standard.
    """
    return read_contract(parse_document(text, str(path)), path)


def read_contract(document: Document, path: Path) -> Contract:
    """The contract in a document. Raises ContractError with every problem that it has."""
    problems = Problems(document)
    contract = _read(document, path.stem, problems)
    problems.raise_any(path)
    assert contract is not None
    return contract


def _read(document: Document, stream: str, problems: Problems) -> Contract | None:
    if not isinstance(document.data, dict):
        problems.add((), "expected a mapping at the top")
        return None
    note_unknown_keys(document.data, problems)
    try:
        odcs = OpenDataContractStandard.model_validate(known_keys(document.data), strict=True)
    except ValidationError as error:
        for found in error.errors():
            where = tuple("schema" if part == "schema_" else part for part in found["loc"])
            name = ".".join(str(part) for part in where)
            problems.add(where, f"{name}: {found['msg']}")
        return None
    if odcs.name != stream:
        problems.add(("name",), f"name is {odcs.name!r}, expected {stream!r} as the file is called")
    if not NAME.fullmatch(stream):
        problems.add(("name",), f"name {stream!r}: expected {NAME_EXPECTED}")
    if stream.endswith(DEAD_SUFFIX):
        problems.add(
            ("name",), f"name {stream!r}: {DEAD_SUFFIX} is kept for tables of dead letters"
        )
    if not odcs.schema_ or len(odcs.schema_) != 1:
        problems.add(("schema",), "schema: expected exactly one entry")
        return None
    fields = read_fields(odcs.schema_[0].properties, _AT_PROPERTIES, problems)
    settings = _settings(odcs, problems)
    if not fields:
        problems.add(_AT_PROPERTIES, "properties: expected one field or more")
        return None
    _check_columns(fields, settings, problems)
    rules = _rules(odcs.schema_[0], fields, problems)
    said = odcs.description
    team = odcs.team
    return Contract(
        stream=stream,
        version=str(odcs.version or ""),
        description=((said.purpose if said else None) or "").strip(),
        limitations=((said.limitations if said else None) or "").strip(),
        owner=str(getattr(team, "name", None) or odcs.domain or ""),
        fields=fields,
        event_time=str(settings.values["eventTime"]),
        watermark_delay=settings.duration("watermarkDelay"),
        idle_timeout=settings.duration("idleTimeout"),
        clock_skew=settings.duration("clockSkew"),
        key=str(settings.values["key"]),
        partitions=settings.whole("partitions", 1, MOST_PARTITIONS),
        retention=settings.duration("retention", _MOST_RETENTION_DAYS),
        snapshot_retention=settings.duration("snapshotRetention", _MOST_RETENTION_DAYS),
        encoding=settings.one_of("encoding", ENCODINGS),
        cleanup=settings.one_of("cleanup", CLEANUPS),
        rules=rules,
    )


class _Settings:
    """The stream's own settings; a value that cannot be becomes a problem and a default."""

    def __init__(
        self, values: Mapping[str, object], at: dict[str, int], problems: Problems
    ) -> None:
        self.values = values
        self._at = at
        self._problems = problems

    def wrong(self, name: str, message: str) -> None:
        where = ("customProperties", self._at[name]) if name in self._at else ("customProperties",)
        self._problems.add(where, f"customProperties.{name} {message}")

    def duration(self, name: str, most_days: int = MAXIMUM_DAYS) -> timedelta:
        try:
            length = parse_duration(self.values[name])
        except ValueError as error:
            self.wrong(name, f"is {error}")
            return timedelta()
        if length.days > most_days:
            self.wrong(name, f"is {self.values[name]!r}, expected at most {most_days} days")
        return length

    def whole(self, name: str, low: int, high: int) -> int:
        value = self.values[name]
        if type(value) is not int or not low <= value <= high:
            self.wrong(name, f"is {value!r}, expected {low} to {high}")
            return low
        return value

    def one_of(self, name: str, known: tuple[str, ...]) -> str:
        if self.values[name] not in known:
            self.wrong(name, f"is {self.values[name]!r}, expected {' or '.join(known)}")
            return known[0]
        return str(self.values[name])


def _settings(odcs: OpenDataContractStandard, problems: Problems) -> _Settings:
    given: dict[str, object] = {}
    at: dict[str, int] = {}
    for i, entry in enumerate(odcs.customProperties or []):
        name = str(entry.property)
        if name not in SETTINGS:
            problems.add(
                ("customProperties", i),
                f"customProperties: {name} is unknown; expected {', '.join(SETTINGS)}",
            )
        elif name in given:
            problems.add(("customProperties", i), f"customProperties: {name} is there twice")
        else:
            given[name], at[name] = entry.value, i
    return _Settings(SETTINGS | given, at, problems)


def _check_columns(fields: tuple[Field, ...], settings: _Settings, problems: Problems) -> None:
    by_name = {f.name: f for f in fields}
    clock = by_name.get(str(settings.values["eventTime"]))
    for setting in ("eventTime", "key"):
        # A value of any kind: only text can be a name.
        if settings.values[setting] not in list(by_name):
            settings.wrong(
                setting,
                f"is {settings.values[setting]!r}; expected a field, one of {', '.join(by_name)}",
            )
    key = by_name.get(str(settings.values["key"]))
    if key is not None and key.type.nested:
        settings.wrong("key", f"is {key.name!r}, a {key.type.kind}; expected a plain field")
    taken = set(RESERVED_COLUMNS)
    if clock is not None:
        # What the landing table's partitions are called.
        taken.add(f"{clock.name}_day")
        if clock.type != FieldType("timestamp") or not clock.required:
            settings.wrong(
                "eventTime", f"is {clock.name!r}: it must be a required timestamp with a zone"
            )
    for i, f in enumerate(fields):
        for name in (f.name, *f.aliases):
            if name in taken:
                problems.add(
                    (*_AT_PROPERTIES, i),
                    f"field {name!r}: lakehead adds this column itself; choose another name",
                )


def _rules(
    source: SchemaObject, fields: tuple[Field, ...], problems: Problems
) -> tuple[RowRule, ...]:
    columns = {f.name: f.type for f in fields}
    rules: list[RowRule] = []
    for i, entry in enumerate(source.quality or ()):
        where = ("schema", 0, "quality", i)
        if entry.type != "custom" or entry.engine != ENGINE:
            problems.add(
                where,
                f"quality: type {entry.type!r}, engine {entry.engine!r}: "
                f"expected type custom, engine {ENGINE}",
            )
            continue
        name = entry.name or ""
        if not NAME.fullmatch(name) or name in [r.name for r in rules]:
            problems.add(where, f"quality: name {name!r}: expected one of its own, {NAME_EXPECTED}")
            continue
        condition = entry.implementation
        try:
            if not isinstance(condition, str):
                raise ValueError("expected a SQL condition as text")
            parse_condition(condition, columns)
        except ValueError as error:
            problems.add((*where, "implementation"), f"rule {name}: {error}")
            continue
        rules.append(RowRule(name, condition.strip(), (entry.description or "").strip()))
    return tuple(rules)
