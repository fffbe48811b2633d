"""The contract's types, and what each is called elsewhere. One row a type."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FieldType:
    """A type, plain or nested.

    ``precision`` and ``scale`` count digits, and are for decimals only. ``items`` is an array's
    element or a map's value (a map's keys are strings); ``members`` are an object's fields.
    """

    kind: str
    precision: int = 0
    scale: int = 0
    items: "FieldType | None" = None
    members: tuple[tuple[str, "FieldType"], ...] = field(default=())

    def __str__(self) -> str:
        match self.kind:
            case "decimal":
                return f"decimal({self.precision},{self.scale})"
            case "array":
                return f"array<{self.items}>"
            case "map":
                return f"map<string,{self.items}>"
            case "object":
                return f"object<{','.join(f'{n}:{t}' for n, t in self.members)}>"
        return self.kind

    @property
    def nested(self) -> bool:
        return self.kind in NESTED

    def flink(self) -> str:
        return self._named(_FLINK)

    def spark(self) -> str:
        return self._named(_SPARK)

    def duckdb(self) -> str:
        return self._named(_DUCKDB)

    def _named(self, names: "_Names") -> str:
        if self.kind == "object":
            inner = ", ".join(
                f"{names.quote}{name}{names.quote}{names.member}{kind._named(names)}"
                for name, kind in self.members
            )
            return names.of["object"].format(inner)
        inner = self.items._named(names) if self.items else ""
        return names.of[self.kind].format(inner, precision=self.precision, scale=self.scale)


@dataclass(frozen=True)
class _Names:
    """What an engine calls each kind; ``member`` stands between an object field's name and type."""

    of: dict[str, str]
    quote: str
    member: str


_PLAIN = {
    "string": "STRING",
    "boolean": "BOOLEAN",
    "int": "INT",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "decimal": "DECIMAL({precision}, {scale})",
    "date": "DATE",
    "timestamp": "TIMESTAMP_LTZ(6)",
    "timestamp_ntz": "TIMESTAMP(6)",
    "binary": "BYTES",
    "array": "ARRAY<{0}>",
    "object": "ROW<{0}>",
    "map": "MAP<STRING, {0}>",
}
_FLINK = _Names(_PLAIN, "`", " ")
_SPARK = _Names(
    _PLAIN
    | {
        "timestamp": "TIMESTAMP",
        "timestamp_ntz": "TIMESTAMP_NTZ",
        "binary": "BINARY",
        "object": "STRUCT<{0}>",
    },
    "`",
    ": ",
)
_DUCKDB = _Names(
    _PLAIN
    | {
        "string": "VARCHAR",
        "timestamp": "TIMESTAMPTZ",
        "timestamp_ntz": "TIMESTAMP",
        "binary": "BLOB",
        "array": "{0}[]",
        "object": "STRUCT({0})",
        "map": "MAP(VARCHAR, {0})",
    },
    '"',
    " ",
)

KINDS = tuple(_PLAIN)
NESTED = ("array", "object", "map")
WHOLE = ("int", "long")
NUMERIC = (*WHOLE, "float", "double", "decimal")
TIMES = ("date", "timestamp", "timestamp_ntz")
# Each logical type of the standard, with the physical types that may say it more exactly; the
# first is what it means alone.
LOGICAL: dict[str, tuple[str, ...]] = {
    "string": ("string", "binary"),
    "boolean": ("boolean",),
    "integer": ("long", "int"),
    "number": ("double", "float", "decimal", "int", "long"),
    "date": ("date",),
    "timestamp": ("timestamp", "timestamp_ntz"),
    "array": ("array",),
    "object": ("object",),
    "map": ("map",),
}
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)")
MAX_PRECISION = 38


def parse_type(text: str) -> FieldType:
    """``"long"`` or ``"decimal(12,3)"`` as a type.

    Raises:
        ValueError: no such plain type, or a decimal of impossible precision; says what was
            expected.
    """
    text = text.strip().lower()
    if match := _DECIMAL.fullmatch(text):
        precision, scale = int(match[1]), int(match[2])
        if not 1 <= precision <= MAX_PRECISION or scale > precision:
            raise ValueError(
                f"{text!r}: precision must be 1 to {MAX_PRECISION}, scale at most that"
            )
        return FieldType("decimal", precision, scale)
    plain = [k for k in KINDS if k not in NESTED]
    if text in plain and text != "decimal":
        return FieldType(text)
    expected = ", ".join(k if k != "decimal" else "decimal(p,s)" for k in plain)
    raise ValueError(f"{text!r} is not a type; expected one of {expected}")


def walk(kind: FieldType, see: Callable[[FieldType], None]) -> None:
    """Call ``see`` with the type and every type within it."""
    see(kind)
    for inner in (kind.items, *(t for _, t in kind.members)):
        if inner is not None:
            walk(inner, see)
