"""What a stranger's SQL may do: read the lake's tables, in one statement, and nothing else.

Three fences. The statement is one SELECT, SHOW, DESCRIBE or an EXPLAIN of one. Its syntax tree
names only table functions that read nothing and change nothing (``enable_logging`` or
``arrow_scan`` inside a SELECT can end the process). And DuckDB itself is locked to the planned
files, with no way to undo that.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from lakehead.contracts.sql import literal
from lakehead.errors import UserError
from lakehead.query.failures import HINT, translated

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The name that Spark and Flink give the catalog too, so that "lake.landing.orders" is a table.
DATABASE = "lake"
HARMLESS_FUNCTIONS = frozenset(
    (
        "range",
        "generate_series",
        "unnest",
        "repeat",
        "repeat_row",
        "json_each",
        "json_tree",
        "histogram",
        "histogram_values",
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_keywords",
        "duckdb_schemas",
        "duckdb_tables",
        "duckdb_types",
        "duckdb_views",
        "icu_calendar_names",
        "pg_timezone_names",
        "pragma_version",
    )
)
SYSTEM_SCHEMAS = frozenset(("information_schema", "pg_catalog", "main"))
_SYSTEM_VIEWS = ("duckdb_", "pragma_", "sqlite_", "pg_")
_EXPLAIN = re.compile(r"explain\b\s*(analyze\b|\(\s*(analyze|format)\b[^()]*\))?", re.IGNORECASE)
_BLANK = re.compile(r"(\s+|--[^\n]*(\n|$)|/\*.*?\*/)+", re.DOTALL)
_SHOW_TABLES = re.compile(r"\s*show\s+tables\s*;?\s*", re.IGNORECASE)
_SPILL_LIMIT = "16GB"


@dataclass(frozen=True)
class Reading:
    """What one statement asks of the lake.

    ``tables``: qualified names, as written. ``show_tables``: it is just SHOW TABLES.
    ``whole_lake``: it asks the system views, which must know every table. ``explain``: it asks how.
    """

    sql: str
    tables: tuple[str, ...]
    show_tables: bool
    whole_lake: bool
    explain: bool = False


@dataclass(frozen=True)
class Guest:
    """Somebody who is not the owner of the lake: the tables they see, the memory DuckDB has."""

    sees: Callable[[str], bool]
    memory_bytes: int


def read(con: "DuckDBPyConnection", sql: str) -> Reading:
    """Check a statement, and find the tables it needs. Runs nothing.

    Raises:
        UserError: it is not one readable statement, is not a query, or calls what it may not.
    """
    query, explain = _one_query(sql)
    tree = _tree(con, query)
    tables: dict[str, None] = {}
    whole_lake = show_tables = False
    for node in _nodes(tree):
        kind = node.get("type")
        if kind == "TABLE_FUNCTION":
            _check_function(node)
            whole_lake |= str(node["function"]["function_name"]).startswith("duckdb_")
        elif kind == "SHOW_REF":
            whole_lake |= node.get("query") is None
            show_tables |= node.get("table_name") == '"tables"'
        elif kind == "BASE_TABLE":
            if name := _lake_name(node):
                tables[name] = None
            else:
                whole_lake |= _is_system(node)
    only_show = show_tables and not explain and _SHOW_TABLES.fullmatch(query) is not None
    whole = whole_lake and not only_show
    return Reading(explain + query, tuple(tables), only_show, whole, bool(explain))


def configuration(spill: Path, memory_bytes: int) -> dict[str, Any]:
    """DuckDB's settings for a query: bounded, nothing fetched by itself."""
    return {
        "memory_limit": f"{memory_bytes}B",
        "temp_directory": str(spill),
        "max_temp_directory_size": _SPILL_LIMIT,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        # Else a table that is not there may be a Python variable of the caller.
        "python_enable_replacements": False,
    }


def lock(con: "DuckDBPyConnection", paths: list[str]) -> None:
    """From here on the connection reads ``paths`` only, and its settings cannot be changed."""
    con.execute(f"SET allowed_paths = [{', '.join(map(literal, paths))}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def _one_query(sql: str) -> tuple[str, str]:
    """The query, and the EXPLAIN that stood before it or nothing."""
    text = _BLANK.sub("", sql, count=1) if _BLANK.match(sql) else sql
    explain = ""
    if match := _EXPLAIN.match(text):
        explain = f"{match[0].strip()} "
        text = text[match.end() :]
    statements = extracted(text)
    if not statements:
        raise UserError("the SQL is empty", HINT)
    if any(s.type == duckdb.StatementType.CREATE and not s.query for s in statements):
        raise UserError(
            "PIVOT needs its values spelled out here: PIVOT t ON column IN ('a', 'b') USING ...",
            "SELECT DISTINCT column first",
        )
    if len(statements) > 1:
        raise UserError(f"expected one statement, got {len(statements)}", "run them one by one")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        raise UserError(f"a query may only read: SELECT, SHOW, DESCRIBE, EXPLAIN; this is {kind}")
    return text, explain


def extracted(text: str) -> "list[duckdb.Statement]":
    """The statements of a text, of which nothing is run.

    By a connection that reads no file: to see what IMPORT DATABASE is, DuckDB reads its scripts.
    """
    with translated():
        return list(_locked_away().cursor().extract_statements(text))


@cache
def _locked_away() -> "DuckDBPyConnection":
    con = duckdb.connect()
    lock(con, [])
    return con


def _tree(con: "DuckDBPyConnection", query: str) -> dict[str, Any]:
    with translated():
        row = con.execute(f"SELECT json_serialize_sql({literal(query)})").fetchone()
    assert row is not None
    try:
        tree: dict[str, Any] = json.loads(row[0])
    except RecursionError as error:
        raise UserError("the SQL is nested too deeply") from error
    if tree["error"] or len(tree["statements"]) != 1:
        reason = tree.get("error_message", "it is not one statement")
        raise UserError(f"the SQL cannot be checked, so it is not run: {reason}", HINT)
    return tree


def _nodes(tree: Any) -> list[dict[str, Any]]:
    found = []
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            found.append(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return found


def _check_function(node: dict[str, Any]) -> None:
    name = str(node["function"]["function_name"])
    if name.lower() not in HARMLESS_FUNCTIONS:
        raise UserError(
            f"{name}() may not be used: a query reads the lake's tables and nothing else", HINT
        )


def _lake_name(node: dict[str, Any]) -> str:
    """The table of the lake that is meant, or nothing: a CTE, a system view, a bare name."""
    schema, table = node["schema_name"], node["table_name"]
    if not schema or schema.lower() in SYSTEM_SCHEMAS:
        return ""
    catalog = node["catalog_name"]
    return (
        f"{schema}.{table}" if catalog.lower() in ("", DATABASE) else f"{catalog}.{schema}.{table}"
    )


def _is_system(node: dict[str, Any]) -> bool:
    schema, table = node["schema_name"].lower(), node["table_name"].lower()
    return schema in SYSTEM_SCHEMAS or table.startswith(_SYSTEM_VIEWS)
