"""From a contract's properties, as the standard has them, to fields with types and rules."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from open_data_contract_standard.model import SchemaProperty

from lakehead.contracts.document import Where
from lakehead.contracts.durations import parse_duration
from lakehead.contracts.model import Bound, Field, Reference
from lakehead.contracts.patterns import check_pattern
from lakehead.contracts.problems import Problems
from lakehead.contracts.types import LOGICAL, MAX_PRECISION, NUMERIC, TIMES, FieldType, parse_type

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
NAME_EXPECTED = "lower case letters, digits and _, a letter first, at most 63"
_REFERENCE = re.compile(rf"({NAME.pattern})\.({NAME.pattern})")
# Which kinds each option of the standard is for.
OPTIONS: dict[str, tuple[str, ...]] = {
    "minimum": (*NUMERIC, *TIMES),
    "maximum": (*NUMERIC, *TIMES),
    "minLength": ("string",),
    "maxLength": ("string",),
    "pattern": ("string",),
    "minItems": ("array",),
    "maxItems": ("array",),
    "timezone": ("timestamp", "timestamp_ntz"),
}
SETTINGS = ("aliases", "uniqueWithin")
_MOST = 2**31 - 1


def read_fields(
    properties: list[SchemaProperty] | None, where: Where, problems: Problems, depth: int = 0
) -> tuple[Field, ...]:
    """The fields of an event or an object; what is wrong goes to ``problems``."""
    fields: list[Field] = []
    for i, source in enumerate(properties or []):
        field = _read_field(source, (*where, i), problems, depth)
        if field is None:
            continue
        if field.name in [f.name for f in fields]:
            problems.add((*where, i, "name"), f"field {field.name} is there twice")
            continue
        fields.append(field)
    names = {f.name for f in fields}
    for i, field in enumerate(fields):
        for alias in field.aliases:
            others = {a for j, f in enumerate(fields) if j != i for a in f.aliases}
            if alias in names or alias in others:
                problems.add(where, f"field {field.name}: alias {alias!r} is another field's name")
    return tuple(fields)


def _read_field(
    source: SchemaProperty, where: Where, problems: Problems, depth: int
) -> Field | None:
    name = source.name or ""
    if not NAME.fullmatch(name):
        problems.add((*where, "name"), f"field {name!r}: expected {NAME_EXPECTED}")
        return None
    reader = _Reader(name, where, problems, depth)
    kind, fields = reader.type(source)
    if kind is None:
        return None
    options = reader.options(source, kind)
    settings = reader.settings(source, depth)
    return Field(
        name=name,
        type=kind,
        required=bool(source.required),
        description=(source.description or "").strip(),
        enum=reader.enum(source, kind),
        minimum=reader.bound(options, "minimum", kind),
        maximum=reader.bound(options, "maximum", kind),
        min_length=options.get("minItems" if kind.kind == "array" else "minLength"),
        max_length=options.get("maxItems" if kind.kind == "array" else "maxLength"),
        pattern=options.get("pattern"),
        fields=fields,
        aliases=settings.get("aliases", ()),
        examples=tuple(source.examples or ()),
        unique_within=reader.unique(source, settings),
        references=reader.reference(source),
    )


class _Reader:
    """Reads one property; every problem names the field and its line."""

    def __init__(self, name: str, where: Where, problems: Problems, depth: int) -> None:
        self._name = name
        self._where = where
        self._problems = problems
        self._depth = depth

    def _wrong(self, message: str, *part: str | int) -> None:
        self._problems.add((*self._where, *part), f"field {self._name}: {message}")

    def type(self, source: SchemaProperty) -> tuple[FieldType | None, tuple[Field, ...]]:
        logical = source.logicalType or ""
        if logical and logical not in LOGICAL:
            self._wrong(
                f"logicalType is {logical!r}; expected one of {', '.join(LOGICAL)}", "logicalType"
            )
            return None, ()
        nested = logical in ("array", "object", "map")
        for part, owner in (("properties", "object"), ("items", "array"), ("map", "map")):
            if getattr(source, part) is not None and logical != owner:
                self._wrong(f"{part} is on a {logical or source.physicalType}", part)
        if nested:
            return self._nested(source, logical)
        written = source.physicalType or next(iter(LOGICAL.get(logical, ("",))))
        options = source.logicalTypeOptions or {}
        if logical == "timestamp" and not source.physicalType and options.get("timezone") is False:
            written = "timestamp_ntz"
        if not written:
            self._wrong(f"has no logicalType; expected one of {', '.join(LOGICAL)}")
            return None, ()
        try:
            kind = parse_type(written)
        except ValueError as error:
            self._wrong(f"physicalType {error}", "physicalType")
            return None, ()
        if logical and kind.kind not in LOGICAL[logical]:
            self._wrong(
                f"physicalType {kind} is no {logical}; expected {' or '.join(LOGICAL[logical])}",
                "physicalType",
            )
            return None, ()
        return kind, ()

    def _nested(
        self, source: SchemaProperty, logical: str
    ) -> tuple[FieldType | None, tuple[Field, ...]]:
        if source.physicalType not in (None, logical):
            self._wrong(
                f"physicalType {source.physicalType!r} is on a {logical}; leave it out",
                "physicalType",
            )
        if logical == "object":
            where = (*self._where, "properties")
            fields = read_fields(source.properties, where, self._problems, self._depth + 1)
            if not fields:
                self._wrong("is an object without fields; expected properties")
                return None, ()
            return FieldType("object", members=tuple((f.name, f.type) for f in fields)), fields
        part = "items"
        inner = source.items
        if logical == "map":
            part = "map"
            key = source.map.key if source.map else None
            if key is not None and (key.logicalType or "string") != "string":
                self._wrong(f"map.key is a {key.logicalType}, expected a string", "map", "key")
            inner = source.map.value if source.map else None
        if inner is None:
            expected = "items" if logical == "array" else "map with a value"
            self._wrong(f"does not say what is in the {logical}; expected {expected}")
            return None, ()
        inner = inner.model_copy(update={"name": inner.name or "item"})
        at = (*self._where, part) if part == "items" else (*self._where, "map", "value")
        element = _read_field(inner, at, self._problems, self._depth + 1)
        if element is None:
            return None, ()
        ruled = [f for _, f in _with_inner(element) if f.constrained or f.required]
        if ruled:
            self._wrong(
                f"a rule on what is within a {logical} is not supported; "
                "expected rules on the field itself or on an object's fields",
                part,
            )
        return FieldType(logical, items=element.type), ()

    def options(self, source: SchemaProperty, kind: FieldType) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for option, value in (source.logicalTypeOptions or {}).items():
            at = ("logicalTypeOptions", str(option))
            if option not in OPTIONS:
                expected = ", ".join(sorted(OPTIONS))
                self._wrong(f"option {option} is not supported; expected {expected}", *at)
            elif value is None:
                continue
            elif kind.kind not in OPTIONS[option]:
                wanted = " or ".join(OPTIONS[option])
                self._wrong(f"{option} is on a {kind}, expected {wanted}", *at)
            elif option == "pattern":
                try:
                    read[option] = check_pattern(value)
                except ValueError as error:
                    self._wrong(f"pattern {value!r}: {error}", *at)
            elif option == "timezone":
                if value is not (kind.kind == "timestamp"):
                    self._wrong(f"timezone is {value!r} on a {kind}", *at)
            elif option in ("minimum", "maximum"):
                read[option] = value
            elif type(value) is not int or not 0 <= value <= _MOST:
                self._wrong(f"{option} is {value!r}, expected a whole number", *at)
            else:
                read[option] = value
        for low, high in (("minLength", "maxLength"), ("minItems", "maxItems")):
            if low in read and high in read and read[low] > read[high]:
                self._wrong(
                    f"{low} {read[low]} is above {high} {read[high]}", "logicalTypeOptions", low
                )
        return read

    def bound(self, options: dict[str, Any], option: str, kind: FieldType) -> Bound | None:
        bound = self._bound(options, option, kind)
        if bound is not None and option == "maximum":
            low = self._bound(options, "minimum", kind, quiet=True)
            if low is not None and low > bound:  # type: ignore[operator]
                self._wrong(
                    f"minimum {options['minimum']} is above maximum {options['maximum']}",
                    "logicalTypeOptions",
                    option,
                )
        return bound

    def _bound(
        self, options: dict[str, Any], option: str, kind: FieldType, quiet: bool = False
    ) -> Bound | None:
        value = options.get(option)
        if value is None:
            return None
        bound = _moment(value, kind) if kind.kind in TIMES else _number(value)
        if bound is None and not quiet:
            expected = {
                "date": "a date such as 2026-01-31",
                "timestamp": "a time such as 2026-01-31T10:00:00.500Z, to the millisecond",
                "timestamp_ntz": "a time without zone such as 2026-01-31T10:00:00",
            }.get(kind.kind, f"a number of at most {MAX_PRECISION} digits")
            self._wrong(f"{option} is {value!r}, expected {expected}", "logicalTypeOptions", option)
        return bound

    def enum(self, source: SchemaProperty, kind: FieldType) -> tuple[str, ...]:
        values: list[str] = []
        for i, option in enumerate(source.enum or ()):
            if kind.kind != "string":
                self._wrong(f"enum is on a {kind}, expected a string", "enum")
                break
            if not isinstance(option.value, str):
                self._wrong(
                    f"enum has {option.value!r}, expected text; put it in quotes", "enum", i
                )
            elif option.value in values:
                self._wrong(f"enum has {option.value!r} twice", "enum", i)
            else:
                values.append(option.value)
        return tuple(values)

    def settings(self, source: SchemaProperty, depth: int) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for i, setting in enumerate(source.customProperties or ()):
            name, value = setting.property, setting.value
            at = ("customProperties", i)
            if name not in SETTINGS:
                self._wrong(f"{name} is unknown; expected {' or '.join(SETTINGS)}", *at)
            elif depth:
                self._wrong(f"{name} is for the event's own fields, not within another", *at)
            elif name == "aliases":
                listed = value if isinstance(value, list) else [value]
                if bad := [v for v in listed if not NAME.fullmatch(str(v))]:
                    self._wrong(f"alias {bad[0]!r}: expected {NAME_EXPECTED}", *at)
                else:
                    read[name] = tuple(listed)
            else:
                try:
                    read[name] = parse_duration(value)
                except ValueError as error:
                    self._wrong(f"{name}: {error}", *at)
        return read

    def unique(self, source: SchemaProperty, settings: dict[str, Any]) -> Any:
        within = settings.get("uniqueWithin")
        if source.unique and within is None:
            self._wrong(
                "unique needs the time that it is meant for; expected customProperties "
                "{property: uniqueWithin, value: 1 day}",
                "unique",
            )
        return within

    def reference(self, source: SchemaProperty) -> Reference | None:
        links = source.relationships or []
        if not links:
            return None
        match = _REFERENCE.fullmatch(str(links[0].to))
        if len(links) > 1 or not match or self._depth:
            self._wrong(
                f"relationships: to is {links[0].to!r}; expected one, on one of the event's own "
                "fields, such as {to: customers.customer_id}",
                "relationships",
            )
            return None
        return Reference(match[1], match[2])


def _with_inner(field: Field) -> list[tuple[tuple[str, ...], Field]]:
    from lakehead.contracts.model import walk_fields

    return list(walk_fields((field,)))


def _number(value: object) -> Decimal | None:
    if type(value) not in (int, float, str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    # Engines hold a decimal literal of 38 digits, whole and fraction together.
    whole, fraction = max(number.adjusted() + 1, 0), max(-int(number.as_tuple().exponent), 0)
    return number if whole + fraction <= MAX_PRECISION else None


def _moment(value: object, kind: FieldType) -> date | datetime | None:
    try:
        if kind.kind == "date":
            found = value if isinstance(value, date) else date.fromisoformat(str(value))
            return None if isinstance(found, datetime) else found
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        if kind.kind == "timestamp_ntz":
            return None if moment.tzinfo else moment
        if moment.microsecond % 1000:
            # Flink's SQL has no finer literal of a moment.
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
