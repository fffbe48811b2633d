"""Read contracts from ``schemas/*.yaml`` (Open Data Contract Standard v3).

Source: https://bitol-io.github.io/open-data-contract-standard/
"""

import re
from datetime import timedelta
from math import isfinite
from pathlib import Path
from typing import Any

import yaml
from open_data_contract_standard.model import OpenDataContractStandard, SchemaProperty
from pydantic import ValidationError

from lakehead.contracts.model import RESERVED_COLUMNS, Contract, Field
from lakehead.contracts.rules import MAXIMUM_DAYS
from lakehead.contracts.types import LOGICAL_DEFAULT, NUMERIC, FieldType, parse_type
from lakehead.errors import UserError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_OPTIONS = {"minimum", "maximum", "minLength", "maxLength", "pattern"}
_SETTINGS = {
    "eventTime": None,
    "key": None,
    "watermarkDelay": "2 seconds",
    "idleTimeout": "5 seconds",
    "clockSkew": "60 seconds",
    "partitions": 4,
    "retention": "7 days",
    "encoding": "json",
}


class _Bad(Exception):
    """What is wrong, and where in the document."""


def contract_names(schemas: Path) -> list[str]:
    """The streams that have a contract, sorted."""
    return sorted(p.stem for p in schemas.glob("*.yaml"))


def load_contract(schemas: Path, stream: str) -> Contract:
    """The contract of ``stream``.

    Raises:
        UserError: no such contract (names those that exist), or the file breaks the standard.
    """
    path = schemas / f"{stream}.yaml"
    names = contract_names(schemas)
    if stream not in names:
        raise UserError(
            f"there is no stream {stream!r}; {schemas} has {', '.join(names) or 'no contracts'}"
        )
    document = _read(path)
    try:
        return _parse(document, stream)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where}: {first['msg']}") from error
    except _Bad as error:
        raise UserError(f"{path}: {error}") from error


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    # ValueError: a scalar that cannot be, such as the date 2020-13-45.
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is not YAML: {error}") from error


def parse_duration(text: object) -> timedelta:
    """``"2 seconds"`` as a time; units are milliseconds to days.

    Raises:
        ValueError: anything else; says what was expected.
    """
    match = re.fullmatch(r"(\d+)\s+(millisecond|second|minute|hour|day)s?", str(text).strip())
    try:
        if match:
            return timedelta(**{f"{match[2]}s": int(match[1])})
    except OverflowError:
        pass
    raise ValueError(f"{text!r} is not a duration; expected such as '10 seconds' or '7 days'")


def _parse(document: Any, stream: str) -> Contract:
    if not isinstance(document, dict):
        raise _Bad("expected a mapping at the top")
    odcs = OpenDataContractStandard.model_validate(document)
    if odcs.name != stream:
        raise _Bad(f"name is {odcs.name!r}, expected {stream!r} as the file is called")
    if not _NAME.fullmatch(stream):
        raise _Bad(f"name {stream!r}: expected lower case letters, digits and _, a letter first")
    if not odcs.schema_ or len(odcs.schema_) != 1:
        raise _Bad("schema: expected exactly one entry")
    fields = tuple(_field(p) for p in odcs.schema_[0].properties or [])
    settings = _settings(odcs)
    names = [f.name for f in fields]
    if double := {n for n in names if names.count(n) > 1}:
        raise _Bad(f"properties: {', '.join(sorted(double))} is there twice")
    for setting in ("eventTime", "key"):
        if settings[setting] not in names:
            raise _Bad(
                f"customProperties.{setting} is {settings[setting]!r}; "
                f"expected a field, one of {', '.join(names)}"
            )
    clock = fields[names.index(str(settings["eventTime"]))]
    if clock.type != FieldType("timestamp") or not clock.required:
        raise _Bad(f"{clock.name} is the event time: it must be a required timestamp")
    partitions = settings["partitions"]
    if type(partitions) is not int or not 1 <= partitions <= 1000:
        raise _Bad(f"customProperties.partitions is {partitions!r}, expected 1 to 1000")
    if settings["encoding"] != "json":
        raise _Bad(f"customProperties.encoding is {settings['encoding']!r}, expected json")
    purpose = odcs.description.purpose if odcs.description else None
    return Contract(
        stream=stream,
        version=str(odcs.version),
        description=purpose or "",
        fields=fields,
        event_time=clock.name,
        watermark_delay=_duration(settings, "watermarkDelay"),
        idle_timeout=_duration(settings, "idleTimeout"),
        clock_skew=_duration(settings, "clockSkew"),
        key=str(settings["key"]),
        partitions=partitions,
        retention=_duration(settings, "retention", most_days=36_500),
    )


def _settings(odcs: OpenDataContractStandard) -> dict[str, object]:
    given = {str(p.property): p.value for p in odcs.customProperties or []}
    if unknown := set(given) - set(_SETTINGS):
        raise _Bad(
            f"customProperties: {', '.join(sorted(unknown))} is unknown; "
            f"expected {', '.join(_SETTINGS)}"
        )
    return _SETTINGS | given


def _duration(settings: dict[str, object], name: str, most_days: int = MAXIMUM_DAYS) -> timedelta:
    try:
        length = parse_duration(settings[name])
    except ValueError as error:
        raise _Bad(f"customProperties.{name}: {error}") from error
    if length.days > most_days:
        raise _Bad(
            f"customProperties.{name} is {settings[name]!r}, expected at most {most_days} days"
        )
    return length


def _field(source: SchemaProperty) -> Field:
    name = source.name or ""
    if not _NAME.fullmatch(name):
        raise _Bad(f"field {name!r}: expected lower case letters, digits and _, a letter first")
    if name in RESERVED_COLUMNS:
        raise _Bad(f"field {name!r}: lakehead adds this column itself; choose another name")
    written = source.physicalType or LOGICAL_DEFAULT.get(source.logicalType or "")
    if not written:
        raise _Bad(
            f"field {name}: logicalType is {source.logicalType!r}; "
            f"expected one of {', '.join(LOGICAL_DEFAULT)}"
        )
    try:
        kind = parse_type(written)
    except ValueError as error:
        raise _Bad(f"field {name}: {error}") from error
    options = source.logicalTypeOptions or {}
    if unknown := set(options) - _OPTIONS:
        raise _Bad(
            f"field {name}: logicalTypeOptions {', '.join(sorted(unknown))} is not supported; "
            f"expected {', '.join(sorted(_OPTIONS))}"
        )
    _check_options(name, kind, options)
    return Field(
        name=name,
        type=kind,
        required=bool(source.required),
        description=source.description or "",
        enum=_enum(name, kind, source),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        min_length=options.get("minLength"),
        max_length=options.get("maxLength"),
        pattern=options.get("pattern"),
    )


def _enum(name: str, kind: FieldType, source: SchemaProperty) -> tuple[str, ...]:
    values: list[str] = []
    for option in source.enum or ():
        if kind.kind != "string":
            raise _Bad(f"field {name}: enum is on a {kind}, expected a string")
        if not isinstance(option.value, str):
            raise _Bad(f"field {name}: enum has {option.value!r}, expected text; put it in quotes")
        values.append(option.value)
    return tuple(values)


def _check_options(name: str, kind: FieldType, options: dict[str, Any]) -> None:
    for option, value in options.items():
        if value is None:
            continue
        wanted = NUMERIC if option in ("minimum", "maximum") else ("string",)
        if kind.kind not in wanted:
            raise _Bad(f"field {name}: {option} is on a {kind}, expected {' or '.join(wanted)}")
        whole = type(value) is int
        if option in ("minimum", "maximum"):
            if not whole and not (isinstance(value, float) and isfinite(value)):
                raise _Bad(f"field {name}: {option} is {value!r}, expected a number")
        elif option in ("minLength", "maxLength"):
            if not whole or value < 0:
                raise _Bad(f"field {name}: {option} is {value!r}, expected a whole number")
        else:
            _check_pattern(name, value)


def _check_pattern(name: str, pattern: object) -> None:
    if not isinstance(pattern, str):
        raise _Bad(f"field {name}: pattern is {pattern!r}, expected text")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise _Bad(f"field {name}: pattern {pattern!r}: {error}") from error
