"""What the catalog and a table's metadata say, read without an engine.

The embedded catalog is one SQLite table that points at one JSON file a table, so the standard
library is enough: a query that starts here pays for no Iceberg library. Layouts: Iceberg's
JdbcCatalog (``iceberg_tables``) and the table metadata of the Iceberg spec, versions 1 to 3.
"""

import contextlib
import difflib
import gzip
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from lakehead.errors import SystemFailure, UserError
from lakehead.settings import Settings

# lakehead.lake.catalog has the same name for pyiceberg, but importing that imports pyiceberg.
CATALOG = "lake"
BUSY_TIMEOUT_S = 30.0
_T = TypeVar("_T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_READS = 5
_SHOWN = 5


class SnapshotGone(SystemFailure):
    """A file of the snapshot is not there: it was expired while it was being read."""


@dataclass(frozen=True)
class Field:
    """A top-level column. ``type`` is Iceberg's: a name, or the JSON object of a nested type."""

    id: int
    name: str
    type: str | dict[str, Any]
    required: bool = False
    initial_default: object = None

    @property
    def nested(self) -> bool:
        return isinstance(self.type, dict)


@dataclass(frozen=True)
class Snapshot:
    """One commit. ``summary`` has the writer's notes, and Iceberg's counts as decimal text."""

    id: int
    parent_id: int | None
    sequence_number: int
    committed_at: datetime
    schema_id: int | None
    manifest_list: str
    summary: Mapping[str, str]


@dataclass(frozen=True)
class TableState:
    """A table as of one snapshot; ``snapshot`` is None as long as nothing was committed.

    ``snapshots`` are all that are retained, oldest first. ``steady_inside``: in every schema that
    the table has had, a name within a nested type stands for the same field. ``refs`` is branch or
    tag -> snapshot id, ``tags`` are those of them that are tags. ``log`` is when the main branch
    came to be at which snapshot, oldest first. ``schemas`` is schema id -> columns.
    """

    name: str
    uuid: str
    metadata_location: str
    snapshot: Snapshot | None
    fields: tuple[Field, ...]
    snapshots: tuple[Snapshot, ...]
    steady_inside: bool
    refs: Mapping[str, int]
    tags: Mapping[str, int] = field(default_factory=dict)
    log: tuple[tuple[datetime, int], ...] = ()
    schemas: Mapping[int | None, tuple[Field, ...]] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)

    def as_of(self, snapshot_id: int) -> "TableState":
        """The table as of another of its snapshots, with the columns of then.

        Raises:
            UserError: it is not retained.
        """
        found = next((s for s in self.snapshots if s.id == snapshot_id), None)
        if found is None:
            raise _unknown_snapshot(self.name, snapshot_id, self.snapshots)
        fields = self.schemas.get(found.schema_id, self.fields)
        return replace(self, snapshot=found, fields=fields)

    @property
    def snapshot_id(self) -> int | None:
        return self.snapshot.id if self.snapshot else None

    @property
    def sequence_number(self) -> int:
        """Grows by one with each commit; 0 before the first."""
        return self.snapshot.sequence_number if self.snapshot else 0

    @property
    def committed_at(self) -> datetime | None:
        return self.snapshot.committed_at if self.snapshot else None

    @property
    def summary(self) -> Mapping[str, str]:
        return self.snapshot.summary if self.snapshot else {}


def list_tables(settings: Settings) -> list[str]:
    """Every table's name, such as ``landing.orders``, in order.

    Raises:
        UserError: there is no lake yet.
        SystemFailure: the catalog cannot be read.
    """
    return sorted(_locations(settings))


def table_state(settings: Settings, name: str, snapshot_id: int | None = None) -> TableState:
    """The table as of now, or as of ``snapshot_id``.

    Raises:
        UserError: there is no lake, no such table, or no such snapshot.
        SystemFailure: the catalog or the metadata file cannot be read.
    """
    return table_states(settings, {name: snapshot_id})[name]


def table_states(
    settings: Settings, wanted: Mapping[str, int | None] | None = None
) -> dict[str, TableState]:
    """Several tables as of one moment: the catalog is read in one transaction.

    ``wanted`` is table -> snapshot id, None for the newest; without it, every table.
    Raises as `table_state`.
    """

    def read() -> dict[str, TableState]:
        locations = _locations(settings)
        asked = dict.fromkeys(sorted(locations)) if wanted is None else wanted
        for name in asked:
            if name not in locations:
                raise unknown_table(name, locations)
        return {n: _state(n, locations[n], snapshot) for n, snapshot in asked.items()}

    # A table that commits each second also drops its oldest metadata files each second.
    return again_where_gone(read, _READS)


def again_where_gone(work: Callable[[], _T], tries: int = 3) -> _T:
    """What ``work`` gives. Where what it read was expired meanwhile, it is done once more: the
    newer state has newer files."""
    for _ in range(tries - 1):
        with contextlib.suppress(SnapshotGone):
            return work()
    return work()


def unknown_table(name: str, known: Iterable[str]) -> UserError:
    """The error for a table that is not there, with what it may have meant and what there is."""
    names = sorted(known)
    if not names:
        return UserError(f"there is no table {name!r}: the lake has no tables", "lakehead demo")
    by_last = {n.split(".")[-1]: n for n in names}
    close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.6)
    close += [by_last[n] for n in difflib.get_close_matches(name.split(".")[-1].lower(), by_last)]
    meant = f"; did you mean {' or '.join(dict.fromkeys(close))}?" if close else ""
    message = f"there is no table {name!r}{meant}\ntables: {', '.join(names)}"
    return UserError(message, 'lakehead query "SHOW TABLES"')


def known_table(name: str, known: Iterable[str]) -> str:
    """``name`` as the catalog writes it.

    Raises:
        UserError: there is no such table.
    """
    names = list(known)
    found = next((n for n in names if n.lower() == name.lower()), None)
    if found is None:
        raise unknown_table(name, names)
    return found


def local_path(location: str) -> str:
    """The file behind ``file:///x``, ``file:/x`` (as Hadoop writes it) or ``/x``.

    Raises:
        UserError: the location is on an object store, which the embedded lake does not read.
    """
    if location.startswith("file:"):
        rest = location.removeprefix("file:")
        return rest.removeprefix("//") if rest.startswith("///") else rest
    if "://" in location:
        raise UserError(f"{location} is not a local file; only file:// locations can be read")
    return location


def _locations(settings: Settings) -> dict[str, str]:
    """Table name -> metadata location."""
    path = settings.catalog_db
    if not path.exists():
        raise _no_lake(settings)
    try:
        rows = _read_catalog(path, "ro")
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            raise _no_lake(settings) from error
        try:
            # A writer that was killed leaves a journal, which only a writer may roll back.
            rows = _read_catalog(path, "rw")
        except sqlite3.Error as second:
            raise SystemFailure(f"the catalog {path} cannot be read: {second}") from second
    except sqlite3.Error as error:
        raise SystemFailure(f"the catalog {path} cannot be read: {error}") from error
    return {
        f"{row['table_namespace']}.{row['table_name']}": row["metadata_location"]
        for row in rows
        if row["metadata_location"] and row.get("iceberg_type") != "VIEW"
    }


def _read_catalog(path: Path, mode: str) -> list[dict[str, Any]]:
    db = sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S)
    try:
        cursor = db.execute("SELECT * FROM iceberg_tables WHERE catalog_name = ?", (CATALOG,))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
    finally:
        db.close()


def _no_lake(settings: Settings) -> UserError:
    return UserError(f"there is no lake yet at {settings.home}", "lakehead demo")


def _state(name: str, location: str, snapshot_id: int | None) -> TableState:
    metadata = read_metadata(location)
    snapshots = tuple(_snapshot(s) for s in metadata.get("snapshots") or [])
    by_id = {s.id: s for s in snapshots}
    listed = metadata.get("schemas") or [metadata["schema"]]
    schemas: dict[int | None, tuple[Field, ...]] = {
        s.get("schema-id", 0): tuple(_field(f) for f in s["fields"]) for s in listed
    }
    refs = metadata.get("refs") or {}
    state = TableState(
        name=name,
        uuid=metadata.get("table-uuid") or name,
        metadata_location=location,
        snapshot=by_id.get(metadata.get("current-snapshot-id") or -1),
        fields=schemas[metadata.get("current-schema-id", 0)],
        snapshots=snapshots,
        steady_inside=_steady_inside(listed),
        refs={k: v["snapshot-id"] for k, v in refs.items()},
        properties=metadata.get("properties") or {},
        tags={k: v["snapshot-id"] for k, v in refs.items() if v["type"] == "tag"},
        log=tuple(
            (_moment(e["timestamp-ms"]), e["snapshot-id"])
            for e in metadata.get("snapshot-log") or []
        ),
        schemas=schemas,
    )
    return state if snapshot_id is None else state.as_of(snapshot_id)


def _steady_inside(schemas: list[dict[str, Any]]) -> bool:
    """Whether names within nested types mean the same field ids in all schemas.

    Two versions of one struct that share no name count as not: by name nothing would be found.
    """
    members: dict[int, list[dict[str, int]]] = {}
    for schema in schemas:
        for each in schema["fields"]:
            _note_members(each["id"], each["type"], members)
    for versions in members.values():
        ids = {name: number for version in versions for name, number in version.items()}
        if len(set(ids.values())) < len(ids):
            return False
        for version in versions:
            if any(ids[name] != number for name, number in version.items()):
                return False
            if any(not version.keys() & other.keys() for other in versions):
                return False
    return True


def _note_members(owner: int, kind: Any, members: dict[int, list[dict[str, int]]]) -> None:
    """For each struct, by the id of the field whose type it is: name -> id of its members."""
    if isinstance(kind, str):
        return
    for part in ("element", "key", "value"):
        if part in kind:
            _note_members(kind[f"{part}-id"], kind[part], members)
    if kind["type"] == "struct":
        members.setdefault(owner, []).append({f["name"]: f["id"] for f in kind["fields"]})
        for each in kind["fields"]:
            _note_members(each["id"], each["type"], members)


def read_metadata(location: str) -> dict[str, Any]:
    """A table's metadata file, as the Iceberg spec has it.

    Raises:
        SystemFailure: it is gone, or cannot be read.
    """
    path = local_path(location)
    try:
        content = Path(path).read_bytes()
        if path.endswith((".gz.metadata.json", ".metadata.json.gz")):
            content = gzip.decompress(content)
        metadata: dict[str, Any] = json.loads(content)
    except FileNotFoundError as error:
        raise SnapshotGone(
            f"the table metadata {path} is gone",
            "run it again; if it stays so, the lake's files were removed by hand",
        ) from error
    except (OSError, ValueError) as error:
        raise SystemFailure(f"the table metadata {path} cannot be read: {error}") from error
    return metadata


def _snapshot(raw: dict[str, Any]) -> Snapshot:
    return Snapshot(
        id=raw["snapshot-id"],
        parent_id=raw.get("parent-snapshot-id"),
        sequence_number=raw.get("sequence-number", 0),
        committed_at=_moment(raw["timestamp-ms"]),
        schema_id=raw.get("schema-id"),
        manifest_list=raw.get("manifest-list", ""),
        summary=raw.get("summary") or {},
    )


def _moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def _field(raw: dict[str, Any]) -> Field:
    default = raw.get("initial-default")
    return Field(raw["id"], raw["name"], raw["type"], bool(raw.get("required")), default)


def _unknown_snapshot(name: str, wanted: int, snapshots: tuple[Snapshot, ...]) -> UserError:
    if not snapshots:
        return UserError(f"{name} has no snapshot {wanted}: nothing was committed to it yet")
    newest = ", ".join(f"{s.id} ({s.committed_at:%Y-%m-%d %H:%M:%S})" for s in snapshots[-_SHOWN:])
    return UserError(
        f"{name} has no snapshot {wanted}; it was expired, or never was. Newest: {newest}",
        f"choose one of the {len(snapshots)} retained snapshots",
    )
