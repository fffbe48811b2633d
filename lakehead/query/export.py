"""Copies of tables, or of an answer, that others can serve from: Parquet, CSV, a DuckDB file.

What is written stands beside its place under another name and is moved there when it is whole.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakehead.contracts.sql import literal
from lakehead.errors import SystemFailure, UserError
from lakehead.lake.as_of import AsOf
from lakehead.lake.snapshots import TableState
from lakehead.query.engine import connect_plans, run
from lakehead.query.failures import translated
from lakehead.query.output import write
from lakehead.query.pinned import Pinned, pin
from lakehead.query.result import Result
from lakehead.query.types import quoted, quoted_table
from lakehead.query.views import make_view
from lakehead.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMATS = ("parquet", "csv", "duckdb")
_SUFFIXES = {".parquet": "parquet", ".csv": "csv", ".duckdb": "duckdb", ".db": "duckdb"}
# What the answer to --sql is called in a DuckDB file.
ANSWER = "answer"


@dataclass(frozen=True)
class Wanted:
    """What is exported, and how: the tables like ``tables``, or else the answer to ``sql``.

    ``views``: a DuckDB file that reads the lake's files, not a copy of them. ``force``: what is
    there is replaced.
    """

    to: Path
    format: str
    tables: Sequence[str] = ()
    sql: str | None = None
    params: Sequence[object] | Mapping[str, object] | None = None
    as_of: AsOf | None = None
    views: bool = False
    force: bool = False


@dataclass(frozen=True)
class Exported:
    """``files`` are what was written, ``snapshots`` what was read by table; ``rows`` is None
    where none were copied. ``copied`` are tables that no view can stand for."""

    to: str
    format: str
    files: tuple[str, ...]
    snapshots: dict[str, int | None]
    rows: int | None
    bytes: int
    copied: tuple[str, ...] = ()


def choose_format(to: Path, format: str | None) -> str:
    """The format that is asked for, else that of the name; a name without one is a folder's.

    Raises:
        UserError: no such format, or it is not the name's.
    """
    by_name = _SUFFIXES.get(to.suffix.lower())
    if format is not None and format not in FORMATS:
        raise UserError(f"there is no format {format!r}; expected one of {', '.join(FORMATS)}")
    if format and by_name and format != by_name:
        raise UserError(f"{to} is named as {by_name}, and --format is {format}", "leave out one")
    return format or by_name or "parquet"


def export(settings: Settings, wanted: Wanted) -> Exported:
    """Write what is wanted; all tables are of one moment.

    A folder gets a file for each table, as ``landing.orders.parquet``; one that is there keeps its
    other files.

    Raises:
        UserError: no such table, SQL that is not allowed, or a place that is taken.
        SystemFailure: the lake cannot be read, or the disk failed. What was there is there still.
    """
    if (wanted.sql is None) == (not wanted.tables):
        raise UserError(
            "expected tables or --sql, and not both",
            "lakehead export landing.orders --to o.parquet",
        )
    if wanted.views and (wanted.format != "duckdb" or wanted.sql is not None):
        raise UserError(
            "only tables in a DuckDB file can be views",
            "lakehead export 'marts.*' --to marts.duckdb --as views",
        )
    if wanted.sql is not None:
        with run(settings, wanted.sql, wanted.params, as_of=wanted.as_of) as result:
            return _export_answer(result, wanted)
    pinned = pin(settings, wanted.tables, wanted.as_of)
    with closing(pinned.lease):
        if wanted.format == "duckdb":
            return _export_duckdb(settings, pinned, wanted)
        return _export_files(settings, pinned, wanted)


def _export_answer(result: Result, wanted: Wanted) -> Exported:
    snapshots = {name: state.snapshot_id for name, state in result.tables.items()}
    if _is_folder(wanted.to):
        raise UserError(
            f"{wanted.to} is a folder, and an answer is one file", "--to answer.parquet"
        )
    with _placed([wanted.to], wanted.force) as [part]:
        if wanted.format == "duckdb":
            rows = _answer_to_duckdb(result, part)
        else:
            rows = write(result, wanted.format, part)
    return _exported(wanted, [wanted.to], snapshots, rows)


def _export_files(settings: Settings, pinned: Pinned, wanted: Wanted) -> Exported:
    if _is_folder(wanted.to):
        paths = [wanted.to / f"{state.name}.{wanted.format}" for state in pinned.states]
    elif len(pinned.tables) == 1:
        paths = [wanted.to]
    else:
        names = ", ".join(state.name for state in pinned.states)
        raise UserError(
            f"{wanted.to} is one file, and these are several tables: {names}",
            "give a folder, or a DuckDB file: --to lake.duckdb",
        )
    rows = 0
    with _placed(paths, wanted.force) as parts:
        for (state, plan), part in zip(pinned.tables, parts, strict=True):
            con = connect_plans(settings, [(state, plan)])
            with Result(con, f"FROM {quoted_table(state.name)}") as result:
                rows += write(result, wanted.format, part)
    return _exported(wanted, paths, _snapshots(pinned), rows)


def _export_duckdb(settings: Settings, pinned: Pinned, wanted: Wanted) -> Exported:
    if wanted.to.is_dir():
        raise UserError(f"{wanted.to} is a folder", "--to lake.duckdb")
    with _placed([wanted.to], wanted.force) as [part], translated():
        if wanted.views:
            rows, copied = None, _views_to_duckdb(pinned, part)
        else:
            rows, copied = _data_to_duckdb(settings, pinned, part), ()
    return _exported(wanted, [wanted.to], _snapshots(pinned), rows, copied)


def _data_to_duckdb(settings: Settings, pinned: Pinned, part: Path) -> int:
    rows = 0
    with closing(connect_plans(settings, pinned.tables)) as con:
        con.execute(f"ATTACH {literal(str(part))} AS exported")
        for state in pinned.states:
            schema = state.name.partition(".")[0]
            con.execute(f"CREATE SCHEMA IF NOT EXISTS exported.{quoted(schema)}")
            target = f"exported.{quoted_table(state.name)}"
            done = con.execute(f"CREATE TABLE {target} AS FROM {quoted_table(state.name)}")
            count = done.fetchone()
            rows += int(count[0]) if count else 0
            con.execute(f"COMMENT ON TABLE {target} IS {literal(_said(state))}")
        con.execute("DETACH exported")
    return rows


def _views_to_duckdb(pinned: Pinned, part: Path) -> tuple[str, ...]:
    """The tables that had to be copied, since no view over their files gives the right rows."""
    with closing(_duckdb_file(part)) as con:
        for state, plan in pinned.tables:
            make_view(con, state, plan)
        views = "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal"
        found = {name for (name,) in con.execute(views).fetchall()}
        for state in pinned.states:
            kind = "VIEW" if state.name in found else "TABLE"
            said = literal(_said(state))
            con.execute(f"COMMENT ON {kind} {quoted_table(state.name)} IS {said}")
    return tuple(state.name for state in pinned.states if state.name not in found)


def _answer_to_duckdb(result: Result, part: Path) -> int:
    import pyarrow as pa  # type: ignore[import-untyped]

    schema, batches = result.batches()
    rows = 0
    with closing(_duckdb_file(part)) as con, translated():
        con.register("batch", schema.empty_table())
        con.execute(f"CREATE TABLE {ANSWER} AS FROM batch")
        for batch in batches:
            con.register("batch", pa.Table.from_batches([batch]))
            con.execute(f"INSERT INTO {ANSWER} FROM batch")
            rows += batch.num_rows
    return rows


def _duckdb_file(path: Path) -> "DuckDBPyConnection":
    import duckdb

    return duckdb.connect(str(path))


def _said(state: TableState) -> str:
    at = state.committed_at
    return f"snapshot {state.snapshot_id}, committed {at.isoformat()}" if at else "no snapshot yet"


def _snapshots(pinned: Pinned) -> dict[str, int | None]:
    return {state.name: state.snapshot_id for state in pinned.states}


def _exported(
    wanted: Wanted,
    paths: Sequence[Path],
    snapshots: dict[str, int | None],
    rows: int | None,
    copied: tuple[str, ...] = (),
) -> Exported:
    size = sum(path.stat().st_size for path in paths)
    files = tuple(map(str, paths))
    return Exported(str(wanted.to), wanted.format, files, snapshots, rows, size, copied)


def _is_folder(to: Path) -> bool:
    return to.is_dir() or to.suffix.lower() not in _SUFFIXES


@contextmanager
def _placed(paths: Sequence[Path], force: bool) -> Iterator[list[Path]]:
    """Where to write each first; all are moved to their places if nothing failed.

    ``paths`` are in one folder. One that is not there yet appears with all of them at once.
    """
    taken = [path for path in paths if path.exists()]
    if taken and not force:
        raise UserError(f"{taken[0]} is there already", "give another place, or --force")
    if any(path.is_dir() for path in taken):
        raise UserError(f"{taken[0]} is a folder", "give the name of a file")
    folder = paths[0].parent
    whole = not folder.exists()
    staging = (folder.parent if whole else folder) / f".{folder.name}.{os.getpid()}.part"
    try:
        staging.mkdir()
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        parts = [staging / path.name for path in paths]
        yield parts
        if whole:
            staging.rename(folder)
        else:
            for part, path in zip(parts, paths, strict=True):
                part.replace(path)
    except OSError as error:
        raise SystemFailure(f"{folder} was not written: {error.strerror}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
