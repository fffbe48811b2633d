"""Rename tables, several in one commit of the catalog: a reader sees all of it or nothing.

The files of a table stay where they are. The catalog of this home is one SQLite table with a row
for each table (Iceberg's JdbcCatalog, ``iceberg_tables``), so one transaction is one commit. No
engine may write to the tables meanwhile: a writer finds its table by name.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lakehead.errors import SystemFailure, UserError
from lakehead.lake.snapshots import BUSY_TIMEOUT_S, CATALOG, list_tables, local_path, table_state
from lakehead.settings import Settings


@dataclass(frozen=True)
class Rename:
    """The table ``uuid`` is to be called ``target``. Twice is once: the uuid tells it apart."""

    uuid: str
    source: str
    target: str


def rename_tables(settings: Settings, renames: Iterable[Rename]) -> bool:
    """Do what is not done yet, in order, all or nothing; gives whether there was anything to do.

    Raises:
        SystemFailure: there is a table of a new name already; nothing was changed.
    """
    with catalog_transaction(settings) as db:
        undone = _undone(db, renames)
        for rename in undone:
            if rename.target in _locations(db):
                raise SystemFailure(
                    f"{rename.source} cannot be renamed: there is a table {rename.target} already",
                    "lakehead query 'SHOW TABLES'",
                )
            space, name = rename.target.split(".")
            db.execute(
                "UPDATE iceberg_tables SET table_namespace = ?, table_name = ?"
                " WHERE catalog_name = ? AND table_namespace || '.' || table_name = ?",
                (space, name, CATALOG, rename.source),
            )
    return bool(undone)


def pending(settings: Settings, renames: Iterable[Rename]) -> tuple[Rename, ...]:
    """Those that are not done yet."""
    wanted = tuple(renames)
    if not wanted:
        return ()
    with catalog_transaction(settings) as db:
        return tuple(_undone(db, wanted))


def rename(settings: Settings, source: str, target: str) -> Rename:
    """What renames the table that is called ``source`` now."""
    return Rename(table_state(settings, source).uuid, source, target)


def free_name(settings: Settings, wanted: str) -> str:
    """``wanted``, or with a number after it where there is such a table."""
    try:
        taken = set(list_tables(settings))
    except UserError:
        return wanted
    names = (wanted if n == 1 else f"{wanted}_{n}" for n in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _undone(db: sqlite3.Connection, renames: Iterable[Rename]) -> list[Rename]:
    """What is left to do. A table that was dropped or renamed since by hand is let be."""
    uuids = {name: _uuid(location) for name, location in _locations(db).items()}
    return [each for each in renames if uuids.get(each.source) == each.uuid]


def _locations(db: sqlite3.Connection) -> dict[str, str]:
    rows = db.execute(
        "SELECT table_namespace || '.' || table_name, metadata_location FROM iceberg_tables"
        " WHERE catalog_name = ? AND metadata_location IS NOT NULL",
        (CATALOG,),
    )
    return dict(rows.fetchall())


def _uuid(location: str) -> str | None:
    try:
        found = json.loads(Path(local_path(location)).read_bytes())["table-uuid"]
    except (OSError, ValueError, KeyError):
        return None
    return str(found)


@contextmanager
def catalog_transaction(settings: Settings) -> Iterator[sqlite3.Connection]:
    """What is changed within is one commit; nobody else commits meanwhile. Readers go on.

    Raises:
        SystemFailure: the catalog cannot be changed; nothing was.
    """
    path = settings.catalog_db
    try:
        db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        finally:
            # What is not committed is undone.
            db.close()
    except sqlite3.Error as error:
        raise SystemFailure(f"the catalog {path} cannot be changed: {error}") from error
