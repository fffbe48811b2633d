"""DuckDB's types as PostgreSQL's."""

import re
from collections.abc import Sequence

from lakehead.query import sandbox
from lakehead.query.result import Column
from lakehead.server import wire

BOOL, BYTEA, INT8, INT2, INT4, TEXT, JSON = 16, 17, 20, 21, 23, 25, 114
FLOAT4, FLOAT8, DATE, TIME = 700, 701, 1082, 1083
TIMESTAMP, TIMESTAMPTZ, INTERVAL, NUMERIC, UUID = 1114, 1184, 1186, 1700, 2950
UNKNOWN, VARCHAR, OID, NAME, CHAR = 705, 1043, 26, 19, 18

# DuckDB's names that are whole; what has arguments is in `oid`.
NUMBERS = {
    "BOOLEAN": BOOL,
    "TINYINT": INT2,
    "SMALLINT": INT2,
    "INTEGER": INT4,
    "BIGINT": INT8,
    "UTINYINT": INT2,
    "USMALLINT": INT4,
    "UINTEGER": INT8,
    "UBIGINT": NUMERIC,
    "HUGEINT": NUMERIC,
    "UHUGEINT": NUMERIC,
    "FLOAT": FLOAT4,
    "DOUBLE": FLOAT8,
    "DATE": DATE,
    "TIME": TIME,
    "UUID": UUID,
    "BLOB": BYTEA,
    "INTERVAL": INTERVAL,
    "JSON": JSON,
    "TIMESTAMP": TIMESTAMP,
    "TIMESTAMP_S": TIMESTAMP,
    "TIMESTAMP_MS": TIMESTAMP,
    "TIMESTAMP_NS": TIMESTAMP,
    "TIMESTAMP WITH TIME ZONE": TIMESTAMPTZ,
}
_SIZES = {
    BOOL: 1,
    INT2: 2,
    INT4: 4,
    INT8: 8,
    FLOAT4: 4,
    FLOAT8: 8,
    DATE: 4,
    TIME: 8,
    TIMESTAMP: 8,
    TIMESTAMPTZ: 8,
    INTERVAL: 16,
    UUID: 16,
}
# PostgreSQL's names of what a parameter may be cast to.
_CASTS = {
    **NUMBERS,
    "INT": INT4,
    "INT4": INT4,
    "INT2": INT2,
    "INT8": INT8,
    "LONG": INT8,
    "REAL": FLOAT4,
    "BOOL": BOOL,
    "NUMERIC": NUMERIC,
    "TIMESTAMPTZ": TIMESTAMPTZ,
    "BYTEA": BYTEA,
}
_EXPLAIN = re.compile(r"\s*explain\b", re.IGNORECASE)
_CAST = re.compile(r"\$(\d+)\s*::\s*(double precision|\w+)", re.IGNORECASE)


def oid(duckdb: str) -> int:
    """PostgreSQL's type of a column; lists, structs and maps are JSON, all else is text."""
    if duckdb.startswith(("STRUCT(", "MAP(", "UNION(")) or duckdb.endswith("]"):
        return JSON
    if duckdb.startswith("DECIMAL("):
        return NUMERIC
    return NUMBERS.get(duckdb, TEXT)


def columns(described: Sequence[Column]) -> list[wire.Column]:
    found = []
    for column in described:
        number = oid(column.type)
        found.append(wire.Column(column.name, column.type, number, _SIZES.get(number, -1)))
    return found


def parameters(sql: str) -> list[int]:
    """The type of each ``$1``, ``$2``...: what it is cast to on the spot, else text.

    DuckDB does not tell what a parameter should be, and casts text to what it is compared with.
    """
    statements = sandbox.extracted(sql)
    names = statements[0].named_parameters if statements else set()
    found = [TEXT] * max((int(n) for n in names if n.isdecimal()), default=0)
    for number, name in _CAST.findall(sql):
        kind = FLOAT8 if name.lower().startswith("double") else _CASTS.get(name.upper(), TEXT)
        if 0 < int(number) <= len(found):
            found[int(number) - 1] = kind
    return found


def is_explain(sql: str) -> bool:
    return _EXPLAIN.match(sql) is not None


def spread(formats: Sequence[int], count: int) -> list[int]:
    """Format codes by column, as PostgreSQL shortens them: none is text, one is for all."""
    if not formats:
        return [0] * count
    return list(formats) * count if len(formats) == 1 else list(formats)
