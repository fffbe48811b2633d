"""PostgreSQL's system catalog over the lake, in its shape, so that drivers and psql's ``\\d`` find
tables and columns.

A question to the catalog is rewritten from PostgreSQL's SQL by sqlglot, and answered by a DuckDB of
its own, which has the lake's tables without rows and, in the schema ``pgc``, tables that look like
PostgreSQL's. Type numbers are those that results are sent with.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakehead.errors import UserError
from lakehead.lake.snapshots import TableState, list_tables, table_states
from lakehead.query import sandbox
from lakehead.query.failures import translated
from lakehead.query.result import Result
from lakehead.query.types import duckdb_type, quoted, quoted_table
from lakehead.server.postgres import catalog_tables
from lakehead.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

_MENTIONS = re.compile(
    r"pg_|information_schema|\bversion\s*\(|current_schema|current_database|current_catalog"
    r"|current_user|session_user|current_setting|set_config|::\s*reg\w+",
    re.IGNORECASE,
)
_SYSTEM = ("pg_catalog", "information_schema")
_REGEX = {"~": False, "!~": True}
_LIKE = {"~~": False, "!~~": True}
_MEMORY = "256MB"
_PROCEDURES = ("typinput", "typoutput", "typreceive", "typsend")
_NAMED = {f"pgf_{reg}_number": f"pgf_{reg}_name" for reg in ("regclass", "regtype")}
_kept: "dict[str, DuckDBPyConnection]" = {}
_PLAIN_TYPES = {"name": "VARCHAR", "char": "VARCHAR", "oid": "BIGINT", "xid": "BIGINT"}


def concerns(sql: str) -> bool:
    """Whether a statement asks the catalog, and nothing of the lake."""
    if not _MENTIONS.search(sql):
        return False
    try:
        tree = _parsed(sql)
    except UserError:
        return False
    named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    tables = [t for t in tree.find_all(exp.Table) if t.name.lower() not in named or t.db]
    return isinstance(tree, exp.Query) and all(_is_system(table) for table in tables)


def run(
    settings: Settings, sql: str, params: "Sequence[object] | None", guest: sandbox.Guest
) -> Result:
    """Answer a question to the catalog.

    Raises:
        UserError: it asks what the catalog here does not have.
    """
    text = rewritten(sql)
    names = [name for name in list_tables(settings) if guest.sees(name)]
    con = _catalog(table_states(settings, dict.fromkeys(names))).cursor()
    try:
        reading = sandbox.read(con, text)
        return Result(con, reading.sql, params)
    except BaseException:
        con.close()
        raise


def rewritten(sql: str) -> str:
    """A question to PostgreSQL's catalog as DuckDB understands it."""
    return _rewritten(_parsed(sql)).sql(dialect="duckdb")


def _rewritten(node: exp.Expr) -> exp.Expr:
    """From the leaves up: what a node becomes may depend on what its parts became."""
    for part in list(node.iter_expressions()):
        new = _rewritten(part)
        if new is not part:
            part.replace(new)
    return _translated(node)


def _parsed(sql: str) -> exp.Expr:
    try:
        trees = [tree for tree in sqlglot.parse(sql, dialect="postgres") if tree is not None]
    except (SqlglotError, RecursionError) as error:
        raise UserError(f"this question to the catalog cannot be read: {error}") from error
    if len(trees) != 1:
        raise UserError(f"expected one statement, got {len(trees)}")
    return trees[0]


def _is_system(table: exp.Table) -> bool:
    if not isinstance(table.this, exp.Identifier):
        return True
    if table.db:
        return table.db.lower() in _SYSTEM
    return table.name.lower().startswith("pg_")


def _translated(node: exp.Expr) -> exp.Expr:
    match node:
        case exp.Table() if isinstance(node.this, exp.Identifier):
            name = node.name.lower()
            if node.db.lower() == "pg_catalog" or (not node.db and name.startswith("pg_")):
                node.set("db", exp.to_identifier(catalog_tables.SCHEMA))
                node.set("catalog", None)
        case exp.Table() if node.db.lower() == "pg_catalog":
            # A function, such as generate_series, as a table.
            node.set("db", None)
        case exp.Subquery() if _over_positions(node):
            return exp.null()
        case exp.Dot(this=exp.Identifier() as schema) if schema.name.lower() in _SYSTEM:
            named: exp.Expr = node.expression
            return named
        case exp.Column() if node.db.lower() == "pg_catalog":
            node.set("db", None)
        case exp.EQ() if isinstance(node.expression, exp.Any):
            return _any(node)
        case exp.EQ() | exp.NEQ() if node.this.name in _PROCEDURES and node.expression.is_number:
            # The number of no procedure, which is spelled so as text.
            node.set("expression", exp.Literal.string("-"))
        case exp.Collate():
            plain: exp.Expr = node.this
            return plain
        case exp.Array() if _unpacks(node):
            # DuckDB cannot correlate UNNEST; of options, which are unpacked so, there are none.
            return exp.cast(exp.null(), "VARCHAR[]")
        case exp.Operator():
            return _operator(node)
        case exp.Cast():
            return _cast(node)
        case exp.Func():
            name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
            if name in catalog_tables.FUNCTIONS:
                return exp.Anonymous(this=f"pgf_{name}", expressions=_given(node))
            if name == "json_build_object":
                return exp.Anonymous(this="json_object", expressions=_given(node))
    return node


def _any(node: exp.EQ) -> exp.Expr:
    """``x = ANY(list)``, which DuckDB cannot correlate; a list in a parameter is ``{a,b}``."""
    many = node.expression.this.unnest()
    if isinstance(many, exp.Query):
        return node
    if isinstance(many, exp.Parameter | exp.Placeholder):
        many = exp.Anonymous(this="pgf_list", expressions=[many])
    return exp.Anonymous(this="list_contains", expressions=[many, node.this])


def _over_positions(node: exp.Subquery) -> bool:
    """A scalar subquery over ``pg_catalog.generate_series``: the columns of a publication."""
    if isinstance(node.parent, exp.From | exp.Join):
        return False
    source = node.this.args.get("from_")
    table = source.this if source else None
    return isinstance(table, exp.Table) and isinstance(table.this, exp.GenerateSeries)


def _unpacks(node: exp.Array) -> bool:
    if not any(isinstance(part, exp.Select) for part in node.expressions):
        return False
    calls = any(call.name == "list_contains" for call in node.find_all(exp.Anonymous))
    return calls or node.find(exp.Unnest, exp.Explode) is not None


def _given(node: exp.Func) -> list[exp.Expr]:
    if isinstance(node, exp.Anonymous):
        return list(node.expressions)
    found = []
    for value in node.args.values():
        found += [v for v in (value if isinstance(value, list) else [value]) if _is_expr(v)]
    return found


def _is_expr(value: object) -> bool:
    return isinstance(value, exp.Expr)


def _operator(node: exp.Operator) -> exp.Expr:
    symbol = str(node.args["operator"]).rpartition(".")[2]
    if symbol in _REGEX:
        found: exp.Expr = exp.RegexpLike(this=node.this, expression=node.expression)
        return exp.not_(found) if _REGEX[symbol] else found
    if symbol in _LIKE:
        found = exp.Like(this=node.this, expression=node.expression)
        return exp.not_(found) if _LIKE[symbol] else found
    raise UserError(f"the operator {symbol} is not known here")


def _cast(node: exp.Cast) -> exp.Expr:
    """``::regclass`` and its like turn names to numbers, and back where text is wanted."""
    inner = node.this
    kind = _type_name(node)
    if kind in ("text", "varchar") and isinstance(inner, exp.Anonymous) and inner.name in _NAMED:
        return exp.Anonymous(this=_NAMED[inner.name], expressions=inner.expressions)
    if kind in ("regclass", "regtype", "regnamespace"):
        if isinstance(inner, exp.Literal) and inner.is_string and not inner.name.isdecimal():
            name = inner.name.removeprefix("pg_catalog.")
            literal = exp.Literal.string(name)
            return exp.Anonymous(this=f"pgf_{kind}", expressions=[literal])
        return exp.Anonymous(this=f"pgf_{kind}_number", expressions=[inner])
    if kind in ("regproc", "regprocedure", "regrole"):
        return exp.cast(inner, "VARCHAR")
    if kind in _PLAIN_TYPES:
        return exp.cast(inner, _PLAIN_TYPES[kind])
    if str(node.to.args.get("kind") or "").lower().startswith("pg_catalog."):
        return exp.cast(inner, kind)
    return node


def _type_name(node: exp.Cast) -> str:
    kind = node.to.args.get("kind")
    text = str(kind if kind is not None else node.to.sql("postgres"))
    return text.lower().replace('"', "").removeprefix("pg_catalog.")


def _catalog(states: Mapping[str, TableState]) -> "DuckDBPyConnection":
    """A locked DuckDB with these tables, and no rows; the last one is kept."""
    shape = repr([(name, state.fields) for name, state in sorted(states.items())])
    if shape not in _kept:
        con = duckdb.connect(config={"memory_limit": _MEMORY})
        try:
            con.execute("SET GLOBAL TimeZone = 'UTC'")
            _fill(con, states)
            sandbox.lock(con, [])
        except BaseException:
            con.close()
            raise
        for old in _kept.values():
            old.close()
        _kept.clear()
        _kept[shape] = con
    return _kept[shape]


def _fill(con: "DuckDBPyConnection", states: Mapping[str, TableState]) -> None:
    with translated():
        for schema in sorted({name.rpartition(".")[0] for name in states}):
            con.execute(f"CREATE SCHEMA {quoted(schema)}")
        for name, state in states.items():
            columns = ", ".join(f"{quoted(f.name)} {duckdb_type(f.type)}" for f in state.fields)
            con.execute(f"CREATE TABLE {quoted_table(name)} ({columns})")
        for statement in catalog_tables.statements():
            con.execute(statement)
