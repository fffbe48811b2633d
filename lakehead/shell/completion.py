"""What could be meant by the word that is being typed. Knows no terminal."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lakehead.lake.snapshots import table_states
from lakehead.query.types import quoted, type_name
from lakehead.settings import Settings

WORD = re.compile(r"[\w.]*$")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_BEFORE_TABLE = re.compile(r"(\b(from|join|describe|summarize|table)|^\s*\\[a-z]+)\s+$", re.I)
_USED = re.compile(r"\b(?:from|join)\s+([\w.]+)(?:\s+(?:as\s+)?(\w+))?", re.I)
_MOST = 200


@dataclass(frozen=True)
class Suggestion:
    """``text`` takes the word's place; ``kind`` says what it is."""

    text: str
    kind: str


@dataclass(frozen=True)
class Names:
    """What there is to be named: ``tables`` is table -> column -> type."""

    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    keywords: frozenset[str] = frozenset()
    reserved: frozenset[str] = frozenset()
    functions: tuple[str, ...] = ()


def load_names(settings: Settings) -> Names:
    """The lake's tables as they are now, and the words of DuckDB.

    Raises as `lakehead.lake.snapshots.table_states`.
    """
    import duckdb

    tables = {
        name: {field.name: type_name(field.type) for field in state.fields}
        for name, state in table_states(settings).items()
    }
    with duckdb.connect() as con:
        words = con.execute("SELECT keyword_name, keyword_category FROM duckdb_keywords()")
        categories = dict(words.fetchall())
        functions = con.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions()"
            " WHERE function_type IN ('scalar', 'aggregate', 'macro')"
            " AND regexp_full_match(function_name, '[a-z][a-z0-9_]*') ORDER BY ALL"
        ).fetchall()
    reserved = frozenset(word for word, kind in categories.items() if kind == "reserved")
    return Names(tables, frozenset(categories), reserved, tuple(name for (name,) in functions))


def suggest(before: str, after: str, names: Names) -> list[Suggestion]:
    """Suggestions for the word that ``before`` ends with, the likeliest first.

    ``before`` and ``after`` are the text on both sides of the cursor.
    """
    match = WORD.search(before)
    word = match[0] if match else ""
    if _BEFORE_TABLE.search(before.removesuffix(word)):
        found = _tables(word, names)
    elif not word or before.lstrip().startswith("\\"):
        return []
    elif "." in word:
        found = [*_columns_of(word, f"{before} {after}", names), *_tables(word, names)]
    else:
        found = list(_words(word, f"{before} {after}", names))
    return list(dict.fromkeys(found))[:_MOST]


def _tables(word: str, names: Names) -> list[Suggestion]:
    """By the whole name or, without a dot, by the table's own."""
    begun = word.lower()
    found = [name for name in names.tables if name.lower().startswith(begun)]
    if "." not in word:
        own = [name for name in names.tables if name.partition(".")[2].lower().startswith(begun)]
        found += own if word else []
    return [Suggestion(_quoted_table(name, names), "table") for name in found]


def _columns_of(word: str, text: str, names: Names) -> Iterator[Suggestion]:
    """``o.coun`` where ``o`` is a table of the query, or its alias."""
    owner, _, begun = word.rpartition(".")
    for table, alias in _used(text, names):
        if owner.lower() in (alias.lower(), table.lower(), table.partition(".")[2].lower()):
            for column in _begun(names.tables[table], begun):
                text_of = f"{owner}.{_identifier(column, names)}"
                yield Suggestion(text_of, names.tables[table][column])


def _words(word: str, text: str, names: Names) -> Iterator[Suggestion]:
    used = [table for table, _ in _used(text, names)]
    for table in used or names.tables:
        for column in _begun(names.tables[table], word):
            yield Suggestion(_identifier(column, names), names.tables[table][column])
    for keyword in _begun(sorted(names.keywords), word):
        yield Suggestion(keyword if word.islower() else keyword.upper(), "keyword")
    for function in _begun(names.functions, word):
        yield Suggestion(f"{function}(", "function")
    yield from _tables(word, names)


def _used(text: str, names: Names) -> list[tuple[str, str]]:
    """The lake's tables that the query names, each with its alias or nothing."""
    by_lower = {name.lower(): name for name in names.tables}
    found = []
    for match in _USED.finditer(text):
        table = by_lower.get(match[1].lower())
        if table is not None:
            found.append((table, match[2] or ""))
    return found


def _begun(candidates: Iterable[str], word: str) -> list[str]:
    return [each for each in candidates if each.lower().startswith(word.lower())]


def _identifier(name: str, names: Names) -> str:
    plain = _PLAIN.fullmatch(name) and name not in names.reserved
    return name if plain else quoted(name)


def _quoted_table(name: str, names: Names) -> str:
    return ".".join(_identifier(part, names) for part in name.split("."))
