"""Values of one field, drawn at random within its rules. One function a type."""

import math
import string
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from random import Random
from typing import Any

from lakehead.contracts.convert import converter
from lakehead.contracts.model import Field
from lakehead.contracts.patterns import compile_pattern
from lakehead.contracts.samples.matching import matching
from lakehead.contracts.types import FieldType

# From a source of chance and the event's time to a value.
Draw = Callable[[Random, datetime], Any]

_NULL_SHARE = 0.08
_MOST_ITEMS = 3
_SPAN = 1000
_LIMITS = {"int": 2**31, "long": 2**63, "float": 10**6, "double": 10**9}
# fmt: off
_WORDS = (
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper",
    "kestrel", "lagoon", "meadow", "north", "ocean", "pine", "quarry", "river", "summit", "tundra",
    "upland", "valley", "willow",
)
# fmt: on
# What a text is about, where its name tells.
_NAMED = {
    "country": ("Austria", "Brazil", "Canada", "France", "Germany", "India", "Japan", "Norway"),
    "city": ("Vienna", "Recife", "Toronto", "Lyon", "Bremen", "Pune", "Osaka", "Bergen"),
    "currency": ("EUR", "GBP", "JPY", "USD"),
    "language": ("de", "en", "fr", "pt"),
    "email": ("ana@example.org", "bo@example.org", "cy@example.org", "di@example.org"),
    "url": ("https://example.org/", "https://example.org/help", "https://example.org/shop"),
}
_HEX = "0123456789abcdef"
# Room for every decimal of a contract; the default context rounds to 28 digits.
_EXACT = Context(prec=100)
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


def examples_of(field: Field) -> list[Any]:
    """The field's examples that are values of its type and keep its rules."""
    convert = converter(field.type, UTC)
    return [value for value in map(convert, field.examples) if _keeps(field, value)]


def values_of(field: Field) -> Draw:
    """How to draw the field's values.

    Raises, here or when it draws:
        ValueError: there are none that keep its rules.
    """
    kind = field.type.kind
    if field.enum:
        fitting = [value for value in field.enum if _keeps(field, value)]
        if not fitting:
            raise ValueError("no value of its enum keeps its other rules")
        return lambda random, moment: random.choice(fitting)
    match kind:
        case "string":
            return _string(field)
        case "int" | "long":
            limit = _LIMITS[kind]
            low, high = _range(field, -limit, limit - 1)
            return lambda random, moment: random.randint(low, high)
        case "float" | "double":
            return _float(field)
        case "decimal":
            return _decimal(field)
        case "date":
            return _date(field)
        case "timestamp" | "timestamp_ntz":
            return _time(field)
        case "object":
            return _object({f.name: (values_of(f), f.required) for f in field.fields})
        case "array":
            least = field.min_length or 0
            most = least + _MOST_ITEMS
            if field.max_length is not None:
                most = min(most, field.max_length)
            return _array(field.type, least, most)
    return _of_type(field.type)


def nth_key(field: Field, name: str, index: int) -> Any:
    """The key ``index`` (from 0) of all keys called ``name``; they differ wherever they can.

    Raises:
        ValueError: the field's rules leave no such key.
    """
    kind = field.type.kind
    if kind in ("int", "long"):
        low = 1 if field.minimum is None else math.ceil(_number(field.minimum))
        return low + index
    if kind == "string" and field.pattern is None and not field.enum:
        prefix = name.rpartition(".")[2].removesuffix("_id")
        text = f"{prefix}-{index + 1:06d}"
        if field.max_length is not None and len(text) > field.max_length:
            text = f"{index + 1:0{field.max_length}d}"
        return text.rjust(field.min_length or 0, "0")
    return values_of(field)(Random(f"{name}/{index}"), _EPOCH + timedelta(seconds=index))


def _of_type(kind: FieldType) -> Draw:
    """How to draw values of a type that has no rules of its own."""
    match kind.kind:
        case "boolean":
            return lambda random, moment: random.random() < 0.5
        case "binary":
            return lambda random, moment: random.randbytes(random.randint(4, 16))
        case "object":
            members = {name: (_of_type(inner), False) for name, inner in kind.members}
            return _object(members)
        case "array":
            return _array(kind, 0, _MOST_ITEMS)
        case "map":
            assert kind.items is not None
            value = _of_type(kind.items)
            return lambda random, moment: {
                key: value(random, moment)
                for key in random.sample(_WORDS, random.randint(0, _MOST_ITEMS))
            }
    return values_of(Field("item", kind))


def _object(members: dict[str, tuple[Draw, bool]]) -> Draw:
    def draw(random: Random, moment: datetime) -> Any:
        return {
            name: value(random, moment) if required or random.random() > _NULL_SHARE else None
            for name, (value, required) in members.items()
        }

    return draw


def _array(kind: FieldType, least: int, most: int) -> Draw:
    assert kind.items is not None
    item = _of_type(kind.items)
    return lambda random, moment: [item(random, moment) for _ in range(random.randint(least, most))]


def _string(field: Field) -> Draw:
    least, most = field.min_length or 0, field.max_length
    if field.pattern is not None:
        match = matching(field.pattern, least, most)
        return lambda random, moment: match(random)
    for name, texts in _NAMED.items():
        fitting = [text for text in texts if _keeps(field, text)]
        if name in field.name.split("_") and fitting:
            return lambda random, moment: random.choice(fitting)
    if field.name == "id" or field.name.endswith("_id"):
        size = max(least, 8 if most is None else min(8, most))
        return lambda random, moment: "".join(random.choices(_HEX, k=size))

    def words(random: Random, moment: datetime) -> str:
        text = " ".join(random.choices(_WORDS, k=random.randint(1, 3)))
        while len(text) < least:
            text += f" {random.choice(_WORDS)}"
        if most is not None and len(text) > most:
            text = text[:most].rstrip().ljust(least, random.choice(string.ascii_lowercase))
        return text

    return words


def _range(field: Field, least: int, most: int, scale: int = 0) -> tuple[int, int]:
    """The whole numbers, in units of ``10**-scale``, that keep the field's bounds and are of its
    type, which holds ``least`` to ``most`` of them."""
    unit = 10**scale
    low = None if field.minimum is None else math.ceil(_number(field.minimum) * unit)
    high = None if field.maximum is None else math.floor(_number(field.maximum) * unit)
    low = None if low is None else max(low, least)
    high = None if high is None else min(high, most)
    if low is None:
        low = 0 if high is None or high >= 0 else max(high - _SPAN * unit, least)
    if high is None:
        high = min(low + _SPAN * unit, most)
    if low > high:
        raise ValueError(f"no {field.type} is between {field.minimum} and {field.maximum}")
    return low, high


def _number(bound: object) -> Decimal:
    assert isinstance(bound, Decimal)
    return bound


def _decimal(field: Field) -> Draw:
    scale = field.type.scale
    most = 10**field.type.precision - 1
    low, high = _range(field, -most, most, scale)
    return lambda random, moment: Decimal(random.randint(low, high)).scaleb(-scale, _EXACT)


def _float(field: Field) -> Draw:
    limit = _LIMITS[field.type.kind]
    low = None if field.minimum is None else float(_number(field.minimum))
    high = None if field.maximum is None else float(_number(field.maximum))
    if low is None:
        low = 0.0 if high is None or high >= 0 else high - _SPAN
    if high is None:
        high = low + min(_SPAN, limit)

    def draw(random: Random, moment: datetime) -> float:
        value = random.uniform(low, high)
        rounded = round(value, 3)
        return rounded if low <= rounded <= high else value

    return draw


def _date(field: Field) -> Draw:
    low, high = field.minimum, field.maximum
    assert not isinstance(low, Decimal) and not isinstance(high, Decimal)

    def draw(random: Random, moment: datetime) -> date:
        if low is None and high is None:
            return moment.date() - timedelta(days=random.randint(0, 365))
        first = low if low is not None else _shifted(high, -365)
        last = high if high is not None else _shifted(low, 365)
        return first + timedelta(days=random.randint(0, (last - first).days))

    return draw


def _time(field: Field) -> Draw:
    low, high = field.minimum, field.maximum
    bare = field.type.kind == "timestamp_ntz"

    def draw(random: Random, moment: datetime) -> datetime:
        if low is None and high is None:
            found = moment - timedelta(milliseconds=random.randrange(1, 86_400_000))
            return found.replace(tzinfo=None) if bare else found
        first: Any = low if low is not None else _shifted(high, -1)
        last: Any = high if high is not None else _shifted(low, 1)
        micros = (last - first) // timedelta(microseconds=1)
        found = first + timedelta(microseconds=random.randint(0, micros))
        assert isinstance(found, datetime)
        return found

    return draw


def _shifted(bound: Any, days: int) -> Any:
    try:
        return bound + timedelta(days=days)
    except OverflowError:
        return bound


def _keeps(field: Field, value: Any) -> bool:
    """Whether the value is of the field's type and keeps its own rules."""
    if not _is_of(field.type, value):
        return False
    if field.enum and value not in field.enum:
        return False
    if field.minimum is not None and value < field.minimum:
        return False
    if field.maximum is not None and value > field.maximum:
        return False
    if field.min_length is not None and len(value) < field.min_length:
        return False
    if field.max_length is not None and len(value) > field.max_length:
        return False
    if field.pattern is not None and not compile_pattern(field.pattern).search(value):
        return False
    return all(
        _keeps(f, value[f.name]) if value.get(f.name) is not None else not f.required
        for f in field.fields
    )


def _is_of(kind: FieldType, value: Any) -> bool:
    match kind.kind:
        case "int" | "long":
            return type(value) is int and -_LIMITS[kind.kind] <= value < _LIMITS[kind.kind]
        case "float" | "double":
            return type(value) is float and math.isfinite(value)
        case "decimal":
            if type(value) is not Decimal or not value.is_finite():
                return False
            scaled = value.scaleb(kind.scale, _EXACT)
            return scaled == scaled.to_integral_value() and abs(scaled) < 10**kind.precision
        case "timestamp":
            return type(value) is datetime and value.tzinfo is not None
        case "timestamp_ntz":
            return type(value) is datetime and value.tzinfo is None
        case "object":
            return type(value) is dict and all(
                value.get(name) is None or _is_of(inner, value[name])
                for name, inner in kind.members
            )
        case "array" | "map":
            assert kind.items is not None
            if type(value) is not {"array": list, "map": dict}[kind.kind]:
                return False
            items = value.values() if type(value) is dict else value
            return all(item is None or _is_of(kind.items, item) for item in items)
    return type(value) is {"string": str, "boolean": bool, "date": date, "binary": bytes}[kind.kind]
