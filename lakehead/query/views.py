"""A table of the lake as a DuckDB view over the Parquet files of its snapshot.

Columns are found by Iceberg field id, not by name, so that files written before a rename or an
added column still answer (DuckDB: ``read_parquet``'s parameter ``schema``). What is within a nested
type is found by name there, so a table where one name has stood for two fields is read by pyiceberg
instead, as is a snapshot with delete files.
"""

from typing import TYPE_CHECKING

from lakehead.contracts.sql import literal
from lakehead.lake.plan import Plan
from lakehead.lake.snapshots import Field, TableState
from lakehead.query.types import duckdb_type, has_escaped_name, quoted

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from duckdb import DuckDBPyConnection

FILE_COLUMN = "lake_file"


def make_view(
    con: "DuckDBPyConnection",
    state: TableState,
    plan: Plan,
    with_file: bool = False,
    prefix: str = "",
) -> None:
    """Make ``<namespace>.<table>``; ``with_file`` adds ``lake_file``: a row's `DataFile.path`.

    ``prefix`` is put before the namespace.
    """
    namespace, _, table = f"{prefix}{state.name}".rpartition(".")
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(namespace)}")
    target = f"{quoted(namespace)}.{quoted(table)}"
    if not plan.files:
        body = _no_rows(state.fields, with_file)
    elif plan.has_deletes or not _found_by_id(state):
        source = f"pyiceberg {state.name}"
        con.register(source, scanned(state, with_file))
        body = f"SELECT {_columns(state.fields, with_file)} FROM {quoted(source)}"
        # A registered name is a temporary view, which a lasting one may not use.
        con.execute(f"CREATE TABLE {target} AS {body}")
        con.unregister(source)
        return
    else:
        body = _parquet(state.fields, plan, with_file)
    con.execute(f"CREATE VIEW {target} AS {body}")


def _found_by_id(state: TableState) -> bool:
    """Whether ids, and the names inside nested types, find every column in every file."""
    nested = [f.type for f in state.fields if f.nested]
    return not nested or (state.steady_inside and not any(map(has_escaped_name, nested)))


def scanned(state: TableState, with_file: bool = False) -> "pa.Table":
    """The rows by pyiceberg's own reader: slow, whole in memory, right in every case."""
    import pyarrow as pa
    from pyiceberg.io.pyarrow import ArrowScan
    from pyiceberg.table import StaticTable

    from lakehead.lake.snapshots import local_path

    table = StaticTable.from_metadata(state.metadata_location)
    current = table.current_snapshot()
    travels = current is None or current.snapshot_id != state.snapshot_id
    # A scan of a named snapshot has the columns of then, even of the newest.
    scan = table.scan(snapshot_id=state.snapshot_id if travels else None)
    if not with_file:
        return scan.to_arrow()
    parts = []
    for task in scan.plan_files():
        reader = ArrowScan(table.metadata, table.io, scan.projection(), scan.row_filter)
        rows = reader.to_table([task])
        paths = pa.array([local_path(task.file.file_path)] * len(rows), pa.string())
        parts.append(rows.append_column(FILE_COLUMN, paths))
    return pa.concat_tables(parts)


def _parquet(fields: tuple[Field, ...], plan: Plan, with_file: bool) -> str:
    entries = (
        f"{f.id}: {{'name': {literal(f.name)}, 'type': {literal(duckdb_type(f.type))},"
        f" 'default_value': {_default(f)}}}"
        for f in fields
    )
    files = ", ".join(literal(file.path) for file in plan.files)
    name = f", filename = {literal(FILE_COLUMN)}" if with_file else ""
    return (
        f"SELECT {_columns(fields, with_file)} FROM read_parquet([{files}],"
        f" schema = MAP {{{', '.join(entries)}}}, hive_partitioning = false{name})"
    )


def _default(field: Field) -> str:
    # Every value of the map is one struct type, so a default is text and is cast by the reader.
    if field.initial_default is None:
        return "NULL::VARCHAR"
    value = field.initial_default
    return literal(str(value).lower() if isinstance(value, bool) else str(value))


def _no_rows(fields: tuple[Field, ...], with_file: bool) -> str:
    columns = [f"NULL::{duckdb_type(f.type)} AS {quoted(f.name)}" for f in fields]
    if with_file:
        columns.append(f"NULL::VARCHAR AS {FILE_COLUMN}")
    return f"SELECT {', '.join(columns)} WHERE false"


def _columns(fields: tuple[Field, ...], with_file: bool) -> str:
    names = [quoted(f.name) for f in fields]
    return ", ".join([*names, FILE_COLUMN] if with_file else names)
