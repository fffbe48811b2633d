"""Iceberg's types as DuckDB names them."""

import re
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
_AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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


def type_name(iceberg: str | dict[str, Any]) -> str:
    """As `duckdb_type`; what DuckDB has no type for, as Iceberg calls it."""
    try:
        return duckdb_type(iceberg)
    except UserError:
        return str(iceberg if isinstance(iceberg, str) else iceberg["type"])


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


def has_escaped_name(iceberg: str | dict[str, Any]) -> bool:
    """Whether a nested type has a field that Parquet files name otherwise.

    Iceberg's writers escape what is not an Avro name: ``unit price`` is ``unit_x20price``.
    """
    if isinstance(iceberg, str):
        return False
    fields = iceberg.get("fields", [])
    inner = [f["type"] for f in fields]
    inner += [iceberg[part] for part in ("element", "key", "value") if part in iceberg]
    escaped = any(_AVRO_NAME.fullmatch(f["name"]) is None for f in fields)
    return escaped or any(map(has_escaped_name, inner))


def quoted(identifier: str) -> str:
    """An SQL identifier, whatever is in it."""
    return '"' + identifier.replace('"', '""') + '"'


def quoted_table(name: str) -> str:
    """``landing.orders`` as ``"landing"."orders"``."""
    return ".".join(map(quoted, name.split(".")))
