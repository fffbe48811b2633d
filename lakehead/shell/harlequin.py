"""The lake as a database of Harlequin's, the SQL IDE for terminals: `harlequin -a lakehead HOME`.

Every query goes through the engine and its sandbox, and reads one consistent set of snapshots.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from harlequin.adapter import HarlequinAdapter, HarlequinConnection, HarlequinCursor
from harlequin.autocomplete.completion import HarlequinCompletion
from harlequin.catalog import Catalog, CatalogItem
from harlequin.exception import HarlequinConnectionError, HarlequinQueryError

from lakehead.errors import LakeheadError
from lakehead.lake.snapshots import list_tables, table_states
from lakehead.query.engine import run
from lakehead.query.result import Result
from lakehead.query.types import quoted, quoted_table, type_name
from lakehead.settings import Settings, load_settings
from lakehead.shell.completion import load_names

# What a column's head says of its type, by how the type's name begins; the first that fits.
_SHORT = (
    ("BOOLEAN", "t/f"),
    ("TIMESTAMP", "ts"),
    ("TIME", "t"),
    ("DATE", "d"),
    ("INTERVAL", "|-|"),
    ("DECIMAL", "#.#"),
    ("DOUBLE", "#.#"),
    ("FLOAT", "#.#"),
    ("INTEGER", "#"),
    ("BIGINT", "##"),
    ("HUGEINT", "###"),
    ("BLOB", "0b"),
    ("UUID", "uid"),
    ("STRUCT", "{}"),
    ("MAP", "{m}"),
    ("VARCHAR", "s"),
)
_FUNCTION_PRIORITY = 1000


class LakeCursor(HarlequinCursor):
    """One answer, read once."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._limit: int | None = None

    def columns(self) -> list[tuple[str, str]]:
        return [(column.name, short_type(column.type)) for column in self._result.columns]

    def set_limit(self, limit: int) -> "LakeCursor":
        self._limit = limit
        return self

    def fetchall(self) -> Any:
        """An Arrow table of at most the limit's rows."""
        try:
            with self._result:
                schema, batches = self._result.batches()
                taken: list[pa.RecordBatch] = []
                rows = 0
                for batch in batches:
                    taken.append(batch)
                    rows += batch.num_rows
                    if self._limit is not None and rows >= self._limit:
                        break
                return pa.Table.from_batches(taken, schema).slice(0, self._limit)
        except LakeheadError as error:
            raise _query_error(error) from error


class LakeConnection(HarlequinConnection):
    """Opens nothing: each query opens its own DuckDB, over the newest snapshots."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(init_message=f"The lake of {settings.home}, for reading.")
        self._settings = settings

    def execute(self, query: str) -> LakeCursor:
        try:
            return LakeCursor(run(self._settings, query))
        except LakeheadError as error:
            raise _query_error(error) from error

    def get_catalog(self) -> Catalog:
        """Namespaces, their tables, the columns of these."""
        tables = [self._table(state.name, state.fields) for state in self._states()]
        return Catalog(
            items=[
                CatalogItem(
                    qualified_identifier=quoted(namespace),
                    query_name=quoted(namespace),
                    label=namespace,
                    type_label="sch",
                    children=[table for _, table in members],
                )
                for namespace, members in groupby(tables, key=lambda each: each[0])
            ]
        )

    def get_completions(self) -> list[HarlequinCompletion]:
        return [
            HarlequinCompletion(name, "fn", name, _FUNCTION_PRIORITY)
            for name in load_names(self._settings).functions
        ]

    def _states(self) -> list[Any]:
        try:
            return list(table_states(self._settings).values())
        except LakeheadError as error:
            raise _query_error(error) from error

    @staticmethod
    def _table(name: str, fields: Sequence[Any]) -> tuple[str, CatalogItem]:
        namespace, _, table = name.partition(".")
        identifier = quoted_table(name)
        columns = [
            CatalogItem(
                qualified_identifier=f"{identifier}.{quoted(each.name)}",
                query_name=quoted(each.name),
                label=each.name,
                type_label=short_type(type_name(each.type)),
                type_name=type_name(each.type),
            )
            for each in fields
        ]
        return namespace, CatalogItem(identifier, identifier, table, "t", list(columns), "TABLE")


class LakeAdapter(HarlequinAdapter):
    """What Harlequin finds by the entry point ``harlequin.adapter``; takes a home, or none."""

    IMPLEMENTS_READ_ONLY = True
    ADAPTER_DETAILS = "The tables of a lakehead, by DuckDB, read as of their newest snapshots."

    def __init__(self, conn_str: Sequence[str], read_only: bool = True, **_: Any) -> None:
        self._settings = load_settings(Path(conn_str[0]) if conn_str else None)

    @property
    def connection_id(self) -> str:
        return f"lakehead {self._settings.home}"

    def connect(self) -> LakeConnection:
        try:
            list_tables(self._settings)
        except LakeheadError as error:
            raise HarlequinConnectionError(error.message, "There is no lake to read.") from error
        return LakeConnection(self._settings)


def short_type(name: str) -> str:
    """One to three characters for a type of DuckDB's."""
    if name.endswith("[]"):
        return "[]"
    return next((short for begun, short in _SHORT if name.startswith(begun)), "?")


def _query_error(error: LakeheadError) -> HarlequinQueryError:
    return HarlequinQueryError(error.message, "The lake could not answer:")
