"""The fast path: one event checked and encoded almost wholly in C, by msgspec.

A contract becomes a Struct with constraints, and a few Python checks for what msgspec would
convert or cannot express. It never accepts what the full check refuses; what it does not accept,
the full check decides (a time in a far zone, a decimal with zeros at its end: valid, but rare).
"""

import keyword
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation, Rounded
from typing import Annotated, Any

import msgspec

from lakehead.contracts.model import Contract, Field
from lakehead.contracts.patterns import compile_pattern
from lakehead.contracts.types import FieldType
from lakehead.contracts.validate.condition import compile_condition
from lakehead.contracts.validate.rules import EPOCH, checks_of, comparable_bound, latest_time
from lakehead.contracts.validate.values import LONGEST_KEY_BYTES, RANGES, members, single, step

_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_MOST_BYTES_OF_CHARACTER = 4
_MINUTE = timedelta(minutes=1)
_MOST_OFFSET = timedelta(hours=18)
_LARGEST_SINGLE = (2 - 2**-23) * 2.0**127
# What msgspec, or a check on a value of another type than expected, may raise.
_REFUSED = (msgspec.ValidationError, ValueError, TypeError, ArithmeticError)
# True, or what counts as true.
Check = Callable[[Any], Any]

ENCODER = msgspec.json.Encoder(decimal_format="number")
_encode, _convert = ENCODER.encode, msgspec.convert


def attribute(name: str) -> str:
    """A field's name as an attribute: ``from`` is ``from_``."""
    return f"{name}_" if keyword.iskeyword(name) else name


def fast_path(contract: Contract) -> Callable[[Any, float | None], bytes | None]:
    """A function from an event, a dict, and the time, epoch seconds, to its JSON; it gives None for
    an event that it does not accept."""
    row_type, checks = _struct(contract.stream, _from_1970(contract))
    holds = _unrolled(checks, f"row.{attribute(contract.event_time)} <= latest")
    columns = {f.name: f.type for f in contract.fields}
    own = [compile_condition(rule.condition, columns) for rule in contract.rules]
    # The latest event time of a second, so that it is reckoned once a second. In one tuple, since
    # threads share it.
    limit = (-1, _LAST)

    def encode(event: Any, now: float | None) -> bytes | None:
        nonlocal limit
        latest = _LAST
        if now is not None:
            second, latest = limit
            if second != int(now):
                latest = latest_time(contract, int(now))
                limit = (int(now), latest)
        try:
            row = _convert(event, row_type)
            if not holds(row, latest) or (own and not all(rule(event) for rule in own)):
                return None
            return _encode(row)
        except _REFUSED:
            return None

    return encode


def _from_1970(contract: Contract) -> tuple[Field, ...]:
    def since(f: Field) -> Field:
        low = f.minimum if isinstance(f.minimum, datetime) else EPOCH
        return replace(f, minimum=max(low, EPOCH)) if f.name == contract.event_time else f

    return tuple(map(since, contract.fields))


def _unrolled(checks: dict[str, Check], last: str = "True") -> Callable[..., Any]:
    """All checks on a Struct, then ``last``, as one expression: half of the time of a loop."""
    functions = {f"check{i}": check for i, check in enumerate(checks.values())}
    calls = [f"{f}(row.{attribute(n)})" for f, n in zip(functions, checks, strict=True)]
    source = " and ".join([*calls, last])
    holds: Callable[..., Any] = eval(f"lambda row, latest=None: {source}", functions)
    return holds


def _struct(name: str, fields: tuple[Field, ...]) -> tuple[type[msgspec.Struct], dict[str, Check]]:
    """A Struct of the fields, and by field the checks that are left to do."""
    described: list[Any] = []
    checks: dict[str, Check] = {}
    for f in fields:
        annotation, check = _field(f)
        key = attribute(f.name)
        described.append((key, annotation) if f.required else (key, annotation | None, None))
        if check:
            checks[f.name] = check if f.required else _or_none(check)
    struct = msgspec.defstruct(
        name,
        described,
        kw_only=True,
        forbid_unknown_fields=True,
        omit_defaults=True,
        gc=False,
        rename={attribute(f.name): f.name for f in fields},
    )
    return struct, checks


def _field(f: Field) -> tuple[Any, Check | None]:
    """What msgspec checks of a field, as an annotation, and what is left; None for nothing.

    Times, decimals, binary floating point numbers and bytes are ``object`` to msgspec, which would
    convert to them from other types.
    """
    match f.type.kind:
        case "string":
            return _string(f)
        case "boolean":
            return bool, None
        case "int" | "long":
            return _whole(f)
        case "float" | "double":
            return object, _floating(f)
        case "decimal":
            return object, _decimal(f)
        case "date":
            low, high = _bounds(f, date.min, date.max)
            return object, lambda v: type(v) is date and low <= v <= high
        case "timestamp":
            low, high = _bounds(f, _FIRST, _LAST)
            return (
                object,
                lambda v: (
                    type(v) is datetime and (v.tzinfo is UTC or _in_zone(v)) and low <= v <= high
                ),
            )
        case "timestamp_ntz":
            low, high = _bounds(f, datetime.min, datetime.max)
            return object, lambda v: type(v) is datetime and v.tzinfo is None and low <= v <= high
        case "binary":
            return object, lambda v: type(v) is bytes
        case "array":
            return _array(f)
        case "map":
            return _map(f.type)
    inner, checks = _struct(f.name, members(f.type, f.fields))
    return inner, _unrolled(checks) if checks else None


def _string(f: Field) -> tuple[Any, Check | None]:
    if f.enum:
        rules = checks_of((f.name,), f)
        return str, frozenset(v for v in f.enum if all(r.holds(v) for r in rules)).__contains__
    size = msgspec.Meta(min_length=f.min_length, max_length=f.max_length)
    return Annotated[str, size], compile_pattern(f.pattern).search if f.pattern else None


def _whole(f: Field) -> tuple[Any, Check | None]:
    low, high = RANGES[f.type.kind]
    low = max(low, math.ceil(f.minimum)) if isinstance(f.minimum, Decimal) else low
    high = min(high, math.floor(f.maximum)) if isinstance(f.maximum, Decimal) else high
    if low > high:
        return int, _never
    return Annotated[int, msgspec.Meta(ge=low, le=high)], None


def _floating(f: Field) -> Check:
    low, high = _bounds(f, -math.inf, math.inf)
    # Both raise where the number is too large.
    rounded = single if f.type.kind == "float" else float
    return lambda v: (
        (type(v) is float or type(v) is int) and math.isfinite(v) and low <= rounded(v) <= high
    )


def _decimal(f: Field) -> Check:
    kind = f.type
    largest = Decimal((0, (9,) * kind.precision, -kind.scale))
    low, high = _bounds(f, -largest, largest)
    low, high = max(low, -largest), min(high, largest)
    # Rounded is raised for zeros that would be cut off too; the full check takes those.
    digits = Context(prec=kind.precision, traps=[InvalidOperation, Rounded])
    finest = step(kind)

    def check(value: Any) -> bool:
        if type(value) is not Decimal or not low <= value <= high:
            return False
        value.quantize(finest, None, digits)
        return True

    return check


def _array(f: Field) -> tuple[Any, Check | None]:
    assert f.type.items is not None
    item, check = _field(Field("item", f.type.items))
    size = msgspec.Meta(min_length=f.min_length, max_length=f.max_length)
    annotation = Annotated[list[item | None], size]  # type: ignore[valid-type]
    if check is None:
        return annotation, None
    inner = _or_none(check)
    return annotation, lambda values: all(map(inner, values))


def _map(kind: FieldType) -> tuple[Any, Check | None]:
    assert kind.items is not None
    item, check = _field(Field("item", kind.items))
    longest = LONGEST_KEY_BYTES // _MOST_BYTES_OF_CHARACTER
    annotation = dict[Annotated[str, msgspec.Meta(max_length=longest)], item | None]  # type: ignore[valid-type]
    if check is None:
        return annotation, None
    inner = _or_none(check)
    return annotation, lambda values: all(map(inner, values.values()))


def _bounds(f: Field, low: Any, high: Any) -> tuple[Any, Any]:
    return (
        low if f.minimum is None else comparable_bound(f, f.minimum),
        high if f.maximum is None else comparable_bound(f, f.maximum),
    )


def _in_zone(moment: datetime) -> bool:
    """As far from UTC as ISO 8601 can say: whole minutes."""
    offset = moment.utcoffset()
    return offset is not None and not offset % _MINUTE and abs(offset) <= _MOST_OFFSET


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _never(value: Any) -> bool:
    return False
