"""The SQL that a model becomes, for a person to read."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Literal, get_args

from sqlglot import tokenize
from sqlglot.errors import SqlglotError

from lakehead.contracts.expression import Backticks
from lakehead.contracts.model import LANDING
from lakehead.contracts.sql import table_identifier
from lakehead.models import duckdb, flink, spark
from lakehead.models.bind import Bound
from lakehead.models.windows import Cumulate, Hop, Window

Dialect = Literal["flink", "spark", "duckdb"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
# What begins a line within a query, and within a MATCH_RECOGNIZE.
_CLAUSES = {
    "query": (
        *("SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION"),
        *("JOIN", "LEFT", "CROSS", "INNER", "ON", "QUALIFY"),
    ),
    "match": ("PARTITION", "MEASURES", "ONE", "PATTERN", "DEFINE"),
    "": (),
}
_JOINS = ("LEFT", "CROSS", "INNER")
_INDENT = "  "


def explain(bound: Bound, dialect: Dialect) -> list[str]:
    """The statements, in order: for Flink what its job runs, for the others the answer's query
    over the landing tables."""
    if dialect == "flink":
        statements = flink.statements(bound)
        inserts = [f"INSERT INTO {to}\n{select}" for to, select in statements.inserts.items()]
        return [laid_out(s, dialect) for s in (*statements.views, *inserts)]
    engine = spark if dialect == "spark" else duckdb
    tables = {stream: table_identifier(f"{LANDING}.{stream}") for stream in bound.streams}
    if dialect == "duckdb":
        tables = {stream: f'"{LANDING}"."{stream}"' for stream in bound.streams}
    return [laid_out(engine.answer(bound, tables), dialect)]


def window_text(window: Window) -> str:
    """``tumble 10 seconds``, as a header says it."""
    if isinstance(window, Hop):
        size = _length(window.size)
        return f"tumble {size}" if window.tumbles else f"hop {size} every {_length(window.every)}"
    if isinstance(window, Cumulate):
        return f"cumulate {_length(window.size)} by {_length(window.step)}"
    return f"session {_length(window.gap)}"


def _length(length: timedelta) -> str:
    """In the largest unit that it is a whole number of."""
    units = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}
    seconds = int(length.total_seconds())
    unit, size = next((u, s) for u, s in units.items() if seconds % s == 0)
    return f"{seconds // size} {unit}{'' if seconds == size else 's'}"


@dataclass
class _Level:
    """Within one pair of brackets; ``clause`` is the last word that began a line."""

    kind: str
    indent: int
    clause: str = ""
    between: bool = False


def laid_out(sql: str, dialect: Dialect) -> str:
    """The same SQL with a line for each clause: nothing but white space is changed."""
    try:
        tokens = tokenize(sql, dialect="duckdb" if dialect == "duckdb" else Backticks)
    except SqlglotError:
        return sql
    words = [sql[t.start : t.end + 1] for t in tokens]
    gaps = [sql[a.end + 1 : b.start] for a, b in pairwise(tokens)]
    around = [sql[: tokens[0].start], sql[tokens[-1].end + 1 :]] if tokens else [sql]
    # What is no token is a comment.
    if any(text.strip() for text in (*gaps, *around)):
        return sql
    # Words such as GROUP BY are one token.
    heads = [(word.split() or [""])[0].upper() for word in words]
    written = words[0] if words else ""
    levels = [_Level("query", 0, heads[0] if heads else "")]
    for i in range(1, len(words)):
        word, before, level = heads[i], heads[i - 1], levels[-1]
        gap = " " if gaps[i - 1] else ""
        if before == "(":
            level = _opened(levels, heads[i - 2] if i > 1 else "", word)
            if level.kind:
                gap, level.clause = "\n" + _INDENT * level.indent, word
        elif word == ")":
            if level.kind:
                gap = "\n" + _INDENT * (level.indent - 1)
        elif (before, word) != ("SELECT", "*") or heads[i + 1 : i + 2] == [","]:
            gap = _gap(level, before, word, gap)
        if word == ")" and len(levels) > 1:
            levels.pop()
        written += gap + words[i]
    return written


def _opened(levels: list[_Level], owner: str, first: str) -> _Level:
    around = levels[-1]
    kind = "query" if first == "SELECT" else "match" if owner == "MATCH_RECOGNIZE" else ""
    levels.append(_Level(kind, around.indent + 1 if kind else around.indent))
    return levels[-1]


def _gap(level: _Level, before: str, word: str, gap: str) -> str:
    line = "\n" + _INDENT * level.indent
    if word == "BETWEEN":
        level.between = True
    if not level.kind:
        return gap
    if word in _CLAUSES[level.kind] and before not in _JOINS:
        level.clause = word
        return line
    if level.clause in ("SELECT", "MEASURES") and before in (level.clause, ","):
        return line + _INDENT
    if word == "AND" and level.between:
        level.between = False
    elif word in ("AND", "OR") and level.clause in ("WHERE", "ON", "HAVING"):
        return line + _INDENT
    return gap
