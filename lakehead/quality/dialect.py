"""DuckDB as SQLAlchemy sees it: PostgreSQL's SQL, which GX writes best, on a DuckDB connection.

DuckDB reads PostgreSQL's grammar, but for what this module turns: names are all quoted, since
other words are reserved, and ``~`` means "found in" and not "is the whole of". Nothing is
committed and nothing closed, for the connection is the caller's.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import duckdb
from sqlalchemy import types
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGDialect, PGIdentifierPreparer
from sqlalchemy.engine import Engine
from sqlalchemy.engine.url import URL
from sqlalchemy.pool import StaticPool

_TYPES: dict[str, type[types.TypeEngine[Any]]] = {
    "BOOLEAN": types.BOOLEAN,
    "INTEGER": types.INTEGER,
    "BIGINT": types.BIGINT,
    "FLOAT": types.FLOAT,
    "DOUBLE": types.FLOAT,
    "DECIMAL": types.NUMERIC,
    "DATE": types.DATE,
    "TIMESTAMP": types.TIMESTAMP,
}


def engine_over(con: duckdb.DuckDBPyConnection) -> Engine:
    """An engine whose one connection is ``con``."""
    dialect = DuckDB(paramstyle="qmark")  # type: ignore[no-untyped-call]
    dialect.dbapi = duckdb  # type: ignore[assignment]
    pool = StaticPool(lambda: _Connection(con))  # type: ignore[arg-type]
    return Engine(pool, dialect, URL.create("postgresql"))


class _Compiler(PGCompiler):
    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> str:
        if operator.opstring not in ("~", "!~"):
            return str(super().visit_custom_op_binary(element, operator, **kw))  # type: ignore[no-untyped-call]
        value, pattern = self.process(element.left, **kw), self.process(element.right, **kw)
        found = f"regexp_matches({value}, {pattern})"
        return found if operator.opstring == "~" else f"NOT {found}"


class _Names(PGIdentifierPreparer):
    def _requires_quotes(self, value: str) -> bool:
        return True


class DuckDB(PGDialect):
    """It is named ``postgresql``: that is the name by which GX chooses the SQL that it writes."""

    driver = "duckdb"
    supports_statement_cache = True
    statement_compiler = _Compiler
    preparer = _Names

    def initialize(self, connection: Any) -> None:
        """Nothing is asked of a server."""
        self.default_schema_name = "main"
        self._backslash_escapes = False

    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[Any]:
        """Names and types, in order."""
        name = self.identifier_preparer.quote(table_name)
        rows = connection.exec_driver_sql(f"DESCRIBE {name}").fetchall()
        return [
            {"name": r[0], "type": _type(r[1]), "nullable": True, "default": None} for r in rows
        ]

    def has_table(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> bool:
        """GX is asked of the one view that is there."""
        return True

    def get_pk_constraint(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> Any:
        """There is none."""
        return {"constrained_columns": [], "name": None}


def _type(duckdb_name: str) -> types.TypeEngine[Any]:
    word = duckdb_name.split("(")[0].split(" ")[0]
    nested = duckdb_name.endswith("]") or word not in _TYPES
    return types.VARCHAR() if nested else _TYPES[word]()


class _Cursor:
    """A cursor of PEP 249; rows come as they are asked for."""

    arraysize = 1
    rowcount = -1
    lastrowid: ClassVar[None] = None

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._result: duckdb.DuckDBPyConnection | None = None

    @property
    def description(self) -> Any:
        return self._result.description if self._result else None

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._result = self._con.execute(sql, list(parameters))

    def fetchone(self) -> Any:
        assert self._result is not None
        return self._result.fetchone()

    def fetchmany(self, size: int = 1) -> list[Any]:
        assert self._result is not None
        return self._result.fetchmany(size)

    def fetchall(self) -> list[Any]:
        assert self._result is not None
        return self._result.fetchall()

    def close(self) -> None:
        self._result = None


class _Connection:
    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def cursor(self) -> _Cursor:
        return _Cursor(self._con)

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        pass
