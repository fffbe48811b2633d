"""Iceberg's types as DuckDB names them."""

from typing import Any

from lakehead.errors import UserError

_NAMES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "timestamp_ns": "TIMESTAMP_NS",
    "timestamptz_ns": "TIMESTAMPTZ",
    "string": "VARCHAR",
    "uuid": "UUID",
    "binary": "BLOB",
}


def duckdb_type(iceberg: str | dict[str, Any]) -> str:
    """``"decimal(10, 2)"`` or a nested type's JSON object, as DuckDB writes it.

    Raises:
        UserError: DuckDB has no such type.
    """
    if isinstance(iceberg, dict):
        return _nested(iceberg)
    if iceberg in _NAMES:
        return _NAMES[iceberg]
    if iceberg.startswith("decimal("):
        return iceberg.upper()
    if iceberg.startswith("fixed["):
        return "BLOB"
    raise UserError(
        f"the Iceberg type {iceberg!r} cannot be queried; known are {', '.join(_NAMES)}"
    )


def _nested(iceberg: dict[str, Any]) -> str:
    match iceberg["type"]:
        case "struct":
            inner = (f"{quoted(f['name'])} {duckdb_type(f['type'])}" for f in iceberg["fields"])
            return f"STRUCT({', '.join(inner)})"
        case "list":
            return f"{duckdb_type(iceberg['element'])}[]"
        case "map":
            return f"MAP({duckdb_type(iceberg['key'])}, {duckdb_type(iceberg['value'])})"
        case other:
            raise UserError(f"the Iceberg type {other!r} cannot be queried")


def quoted(identifier: str) -> str:
    """An SQL identifier, whatever is in it."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
