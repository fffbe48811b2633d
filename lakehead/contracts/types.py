"""The contract's types, and what each is called elsewhere. One row a type."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldType:
    """A scalar type. ``precision`` and ``scale`` count digits, and are for decimals only."""

    kind: str
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        if self.kind == "decimal":
            return f"decimal({self.precision},{self.scale})"
        return self.kind

    def flink(self) -> str:
        return self._named(_FLINK)

    def spark(self) -> str:
        return self._named(_SPARK)

    def duckdb(self) -> str:
        return self._named(_DUCKDB)

    def _named(self, names: dict[str, str]) -> str:
        return names[self.kind].format(precision=self.precision, scale=self.scale)


_FLINK = {
    "string": "STRING",
    "boolean": "BOOLEAN",
    "int": "INT",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "decimal": "DECIMAL({precision}, {scale})",
    "date": "DATE",
    "timestamp": "TIMESTAMP_LTZ(3)",
    "binary": "BYTES",
}
_SPARK = _FLINK | {"timestamp": "TIMESTAMP", "binary": "BINARY"}
_DUCKDB = _FLINK | {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ", "binary": "BLOB"}

KINDS = tuple(_FLINK)
NUMERIC = ("int", "long", "float", "double", "decimal")
# What a logical type of the standard means when no physical type says more.
LOGICAL_DEFAULT = {
    "string": "string",
    "boolean": "boolean",
    "integer": "long",
    "number": "double",
    "date": "date",
    "timestamp": "timestamp",
}
_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")
MAX_PRECISION = 38


def parse_type(text: str) -> FieldType:
    """``"long"`` or ``"decimal(12,3)"`` as a type.

    Raises:
        ValueError: no such type, or a decimal of impossible precision; says what was expected.
    """
    text = text.strip().lower()
    if match := _DECIMAL.fullmatch(text):
        precision, scale = int(match[1]), int(match[2])
        if not 1 <= precision <= MAX_PRECISION or scale > precision:
            raise ValueError(
                f"{text!r}: precision must be 1 to {MAX_PRECISION}, scale at most that"
            )
        return FieldType("decimal", precision, scale)
    if text in KINDS and text != "decimal":
        return FieldType(text)
    expected = ", ".join(k if k != "decimal" else "decimal(p,s)" for k in KINDS)
    raise ValueError(f"{text!r} is not a type; expected one of {expected}")
