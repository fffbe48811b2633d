"""Read contracts from ``schemas/*.yaml`` (Open Data Contract Standard v3).

Source: https://bitol-io.github.io/open-data-contract-standard/
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from open_data_contract_standard.model import OpenDataContractStandard, SchemaProperty
from pydantic import ValidationError

from lakehead.contracts.model import RESERVED_COLUMNS, Contract, Field
from lakehead.contracts.types import LOGICAL_DEFAULT, FieldType, parse_type
from lakehead.errors import UserError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_UNITS = {"millisecond": 0.001, "second": 1, "minute": 60, "hour": 3600, "day": 86400}
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
    try:
        return _parse(yaml.safe_load(path.read_text(encoding="utf-8")), stream)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where}: {first['msg']}") from error
    except _Bad as error:
        raise UserError(f"{path}: {error}") from error


def parse_duration(text: object) -> timedelta:
    """``"2 seconds"`` as a time; units are milliseconds to days.

    Raises:
        ValueError: anything else; says what was expected.
    """
    match = re.fullmatch(r"(\d+)\s+(millisecond|second|minute|hour|day)s?", str(text).strip())
    if not match:
        raise ValueError(f"{text!r} is not a duration; expected such as '10 seconds' or '7 days'")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


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
    if not isinstance(partitions, int) or not 1 <= partitions <= 1000:
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
        retention=_duration(settings, "retention"),
    )


def _settings(odcs: OpenDataContractStandard) -> dict[str, object]:
    given = {str(p.property): p.value for p in odcs.customProperties or []}
    if unknown := set(given) - set(_SETTINGS):
        raise _Bad(
            f"customProperties: {', '.join(sorted(unknown))} is unknown; "
            f"expected {', '.join(_SETTINGS)}"
        )
    return _SETTINGS | given


def _duration(settings: dict[str, object], name: str) -> timedelta:
    try:
        return parse_duration(settings[name])
    except ValueError as error:
        raise _Bad(f"customProperties.{name}: {error}") from error


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
    _check_options(name, options)
    return Field(
        name=name,
        type=kind,
        required=bool(source.required),
        description=source.description or "",
        enum=tuple(str(v.value) for v in source.enum or ()),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        min_length=options.get("minLength"),
        max_length=options.get("maxLength"),
        pattern=options.get("pattern"),
    )


def _check_options(name: str, options: dict[str, Any]) -> None:
    for option in ("minimum", "maximum", "minLength", "maxLength"):
        value = options.get(option)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise _Bad(f"field {name}: {option} is {value!r}, expected a number")
    if (pattern := options.get("pattern")) is not None:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise _Bad(f"field {name}: pattern {pattern!r}: {error}") from error
