"""Set and drop tags and branches, of several tables in one commit of the catalog.

The catalog of this home is one SQLite table with a row for each table, so one transaction is one
commit. Nobody else commits while it is open: there is no conflict to try again after, and no half
of a change. A writer such as Flink waits a moment, finds another row, and commits anew.
"""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import StaticTable
from pyiceberg.table.update import (
    RemoveSnapshotRefUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableUpdate,
    update_table_metadata,
)

from lakehead.lake.snapshots import CATALOG, TableState, list_tables, local_path, table_states
from lakehead.lake.swap import catalog_transaction
from lakehead.settings import Settings

_DELETES_OLD = "write.metadata.delete-after-commit.enabled"


@dataclass(frozen=True)
class SetRef:
    """The tag or branch is to be at the snapshot, wherever it was. ``main`` is a branch."""

    name: str
    snapshot_id: int
    kind: Literal["tag", "branch"] = "tag"


@dataclass(frozen=True)
class DropRef:
    name: str


@dataclass(frozen=True)
class SetProperty:
    """What is to be known of the table, however many snapshots go."""

    name: str
    value: str


Change = SetRef | DropRef | SetProperty
Changes = Mapping[str, Iterable[Change]]


def change_refs(
    settings: Settings,
    decide: Callable[[dict[str, TableState]], Changes],
    names: Iterable[str] | None = None,
) -> dict[str, TableState]:
    """Commit what ``decide`` makes of tables as they are, all or those of ``names``; gives how they
    were.

    ``decide`` returns the changes by table. What it raises ends it all, with nothing changed.

    Raises:
        UserError: there is no lake, or no table of a name.
        SystemFailure: the catalog or a table's metadata cannot be read or changed; nothing was.
    """
    list_tables(settings)
    old: set[str] = set()
    with catalog_transaction(settings) as db:
        states = table_states(settings, None if names is None else dict.fromkeys(names))
        for name, changes in decide(states).items():
            if updates := [_update(change) for change in changes]:
                old |= _commit(db, states[name], updates)
    for path in old:
        with contextlib.suppress(OSError):
            Path(local_path(path)).unlink()
    return states


def _commit(db: sqlite3.Connection, state: TableState, updates: list[TableUpdate]) -> set[str]:
    """Point the table's row at its new metadata; gives the metadata files that are old then."""
    table = StaticTable.from_metadata(state.metadata_location)
    base = table.metadata
    changed = update_table_metadata(base, tuple(updates), metadata_location=state.metadata_location)
    location = table.location_provider().new_table_metadata_file_location(_next_version(state))
    ToOutputFile.table_metadata(changed, table.io.new_output(location))
    db.execute(
        "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?"
        " WHERE catalog_name = ? AND table_namespace || '.' || table_name = ?",
        (location, state.metadata_location, CATALOG, state.name),
    )
    if base.properties.get(_DELETES_OLD) != "true":
        return set()
    return {e.metadata_file for e in base.metadata_log} - {
        e.metadata_file for e in changed.metadata_log
    }


def _update(change: Change) -> TableUpdate:
    if isinstance(change, SetProperty):
        return SetPropertiesUpdate(updates={change.name: change.value})
    if isinstance(change, DropRef):
        return RemoveSnapshotRefUpdate.model_validate({"ref-name": change.name})
    return SetSnapshotRefUpdate.model_validate(
        {"ref-name": change.name, "type": change.kind, "snapshot-id": change.snapshot_id}
    )


def _next_version(state: TableState) -> int:
    """The number that the name of the metadata file begins with, plus 1."""
    match = re.match(r"(\d+)-", state.metadata_location.rsplit("/", 1)[-1])
    return int(match[1]) + 1 if match else 0
