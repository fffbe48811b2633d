"""Tables in which the toolkit keeps its own records: appended to, never changed.

They are tables of the lake like all others, so that SQL can ask them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa  # type: ignore[import-untyped]
from pyiceberg.catalog.sql import SqlCatalog

from lakehead.contracts.iceberg import by_day, numbered
from lakehead.contracts.types import FieldType
from lakehead.lake.catalog import open_catalog
from lakehead.lake.tables import ensure_table
from lakehead.settings import Settings


@dataclass(frozen=True)
class Records:
    """A table such as ``ops.ledger``, laid out by the day of ``time``, one of its columns."""

    table: str
    columns: tuple[tuple[str, FieldType], ...]
    time: str


def append(settings: Settings, records: Records, rows: Sequence[Mapping[str, object]]) -> None:
    """Add rows, by column, in one commit; the table is made with its first ones, and columns that
    it lacks are added.

    Raises:
        UserError: the table is there, with other columns.
    """
    if not rows:
        return
    catalog = open_catalog(settings)
    schema = numbered(list(records.columns))
    _add_columns(catalog, records)
    ensure_table(catalog, records.table, schema, by_day(schema, records.time))
    table = catalog.load_table(records.table)
    table.append(pa.Table.from_pylist([dict(row) for row in rows], table.schema().as_arrow()))


def _add_columns(catalog: SqlCatalog, records: Records) -> None:
    """Those that a later version of the toolkit has come to record."""
    if not catalog.table_exists(records.table):
        return
    table = catalog.load_table(records.table)
    there = {f.name for f in table.schema().fields}
    lacking = [f for f in numbered(list(records.columns)).fields if f.name not in there]
    if not lacking:
        return
    with table.update_schema() as update:
        for each in lacking:
            update.add_column(each.name, each.field_type)
