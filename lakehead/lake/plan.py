"""Which data files make up a snapshot, straight from its manifests.

A manifest never changes once it is written. So the files that each manifest lists are kept, in
memory and under the home, and a newer snapshot reads only the manifests that are new. Manifests are
read by fastavro (0.05 s to import) and not by pyiceberg (0.6 s for its manifest reader, 2 s with
its catalog); the tests hold the two equal. Rules: Iceberg spec, "Manifests" and "Sequence number
inheritance".
"""

import contextlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from lakehead.errors import SystemFailure
from lakehead.files import write_whole
from lakehead.lake.snapshots import Field, SnapshotGone, TableState, local_path
from lakehead.settings import Settings

KEPT_PLANS = 20
_FORMAT = 2
# Tables whose newest plan a process keeps in memory.
_KEPT_TABLES = 64
_DELETED = 2
_DATA = 0
# The other columns are most of a manifest's bytes.
_ENTRY = {"status", "snapshot_id", "sequence_number", "data_file"}
_FILE = {
    *("content", "file_path", "partition", "record_count", "file_size_in_bytes"),
    *("lower_bounds", "upper_bounds"),
}
# Types whose bounds are exact, and are whole numbers as Iceberg writes them.
_COUNTED = {"int", "long", "date", "timestamp", "timestamptz"}
_WIDTHS = (4, 8)


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a snapshot.

    ``path`` is a local path. ``sequence_number`` is the data sequence number: that of the commit
    whose rows these are, kept when a manifest is rewritten. ``snapshot_id`` is the commit that
    added the file. ``partition`` is partition field -> value as text. ``bounds`` is field id ->
    least and greatest value, of columns of whole numbers and times: days or microseconds since the
    epoch.
    """

    path: str
    rows: int
    bytes: int
    sequence_number: int
    snapshot_id: int
    partition: dict[str, str | None]
    bounds: Mapping[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The files of a snapshot, as ``manifests`` manifests list them.

    With ``has_deletes``, some rows in them are deleted.
    """

    files: tuple[DataFile, ...] = ()
    has_deletes: bool = False
    manifests: int = 0

    @property
    def rows(self) -> int:
        """Rows in the files; the table's rows unless ``has_deletes``."""
        return sum(file.rows for file in self.files)

    def at_least(self, field_id: int, value: int) -> "Plan":
        """Less the files all of whose values of a column are known to be below ``value``; nulls
        are of no account."""
        kept = (f for f in self.files if f.bounds.get(field_id, (value, value))[1] >= value)
        return replace(self, files=tuple(kept))

    def within(self, field_id: int, spans: Sequence[tuple[int, int]]) -> "Plan":
        """Less the files that are known to have no value of a column in any of these spans, which
        are in order and apart, and do not hold their end; nulls are of no account."""
        starts = [start for start, _ in spans]

        def may_hold(file: DataFile) -> bool:
            if field_id not in file.bounds:
                return True
            least, greatest = file.bounds[field_id]
            # Of the spans that begin in time, the last is the one that ends last.
            last = bisect_right(starts, greatest) - 1
            return last >= 0 and spans[last][1] > least

        return replace(self, files=tuple(filter(may_hold, self.files)))


_Manifests: TypeAlias = dict[str, list[DataFile]]
_Cached: TypeAlias = tuple[_Manifests, bool]
# By table: what was planned last, as ``(snapshot id, plan, what the manifests list)``. A process
# that answers many queries plans each snapshot once.
_memory: dict[str, tuple[int, Plan, _Manifests]] = {}


def plan_files(settings: Settings, state: TableState) -> Plan:
    """The data files of ``state``'s snapshot; none before the first commit.

    Raises:
        SnapshotGone: a manifest is gone, since the snapshot was expired meanwhile.
        SystemFailure: a manifest cannot be read.
    """
    if state.snapshot is None:
        return Plan()
    # Two homes may hold copies of one table.
    key = f"{settings.home}/{state.uuid}"
    kept = _memory.get(key)
    if kept and kept[0] == state.snapshot.id:
        return kept[1]
    folder = settings.home / "cache" / "plans" / state.uuid
    path = folder / f"{state.snapshot.id}.json"
    cached = _load(path)
    if cached is None:
        known = kept[2] if kept else _known_manifests(folder)
        cached = _read_snapshot(state, known)
        _store(path, *cached)
    manifests, has_deletes = cached
    files = tuple(f for listed in manifests.values() for f in listed)
    plan = Plan(files, has_deletes, len(manifests))
    _remember(key, (state.snapshot.id, plan, manifests))
    return plan


def _remember(key: str, plan: tuple[int, Plan, _Manifests]) -> None:
    # The one used last goes last. Threads may share this: each step stands for itself.
    _memory.pop(key, None)
    _memory[key] = plan
    for old in list(_memory)[:-_KEPT_TABLES]:
        _memory.pop(old, None)


def _read_snapshot(state: TableState, known: _Manifests) -> _Cached:
    assert state.snapshot
    counted = {f.id for fields in state.schemas.values() for f in fields if _is_counted(f)}
    manifests: _Manifests = {}
    has_deletes = False
    for manifest in _read_avro(state.snapshot.manifest_list):
        if not _has_live_files(manifest):
            continue
        location = manifest["manifest_path"]
        if manifest.get("content", _DATA) != _DATA:
            has_deletes = True
        elif location in known:
            manifests[location] = known[location]
        else:
            manifests[location] = _read_manifest(manifest, counted)
    return manifests, has_deletes


def _has_live_files(manifest: dict[str, Any]) -> bool:
    # Version 1 has other names for the counts, and may leave them out.
    added = manifest.get("added_files_count", manifest.get("added_data_files_count"))
    existing = manifest.get("existing_files_count", manifest.get("existing_data_files_count"))
    return added is None or existing is None or added + existing > 0


def _is_counted(column: Field) -> bool:
    return isinstance(column.type, str) and column.type in _COUNTED


def _read_manifest(manifest: dict[str, Any], counted: set[int]) -> list[DataFile]:
    files = []
    for entry in _read_avro(manifest["manifest_path"], only_needed=True):
        if entry["status"] == _DELETED:
            continue
        file = entry["data_file"]
        sequence_number = entry.get("sequence_number")
        if sequence_number is None:
            sequence_number = manifest.get("sequence_number") or 0
        snapshot_id = entry["snapshot_id"]
        if snapshot_id is None:
            snapshot_id = manifest["added_snapshot_id"]
        partition = {k: None if v is None else str(v) for k, v in file["partition"].items()}
        files.append(
            DataFile(
                path=local_path(file["file_path"]),
                rows=file["record_count"],
                bytes=file["file_size_in_bytes"],
                sequence_number=sequence_number,
                snapshot_id=snapshot_id,
                partition=partition,
                bounds=_bounds(file, counted),
            )
        )
    return files


def _bounds(file: dict[str, Any], counted: set[int]) -> dict[int, tuple[int, int]]:
    lower, upper = (
        {b["key"]: b["value"] for b in file.get(name) or () if b["key"] in counted}
        for name in ("lower_bounds", "upper_bounds")
    )
    return {
        key: (_number(lower[key]), _number(upper[key]))
        for key in lower.keys() & upper.keys()
        if len(lower[key]) in _WIDTHS and len(upper[key]) in _WIDTHS
    }


def _number(value: bytes) -> int:
    return int.from_bytes(value, "little", signed=True)


def _read_avro(location: str, only_needed: bool = False) -> Iterator[dict[str, Any]]:
    import fastavro

    path = local_path(location)
    try:
        with open(path, "rb") as file:
            reader = fastavro.reader(file)
            if only_needed:
                wanted = _narrowed(reader.writer_schema)
                file.seek(0)
                reader = fastavro.reader(file, wanted)
            for record in reader:
                assert isinstance(record, dict)
                yield record
    except FileNotFoundError as error:
        raise SnapshotGone(
            f"the manifest {path} is gone: its snapshot was expired", "run it again"
        ) from error
    except (OSError, ValueError, EOFError) as error:
        raise SystemFailure(f"the manifest {path} cannot be read: {error}") from error


def _narrowed(schema: Any) -> Any:
    """The writer's schema of a manifest, less the columns that a plan does not need."""
    fields = [dict(f) for f in schema["fields"] if f["name"] in _ENTRY]
    for entry in fields:
        if entry["name"] == "data_file":
            file = entry["type"]
            kept = [f for f in file["fields"] if f["name"] in _FILE]
            entry["type"] = {**file, "fields": kept}
    return {"type": "record", "name": schema["name"], "fields": fields}


def _known_manifests(folder: Path) -> _Manifests:
    """What the newest plan of the table knows."""
    for path in _plans(folder):
        if (cached := _load(path)) is not None:
            return cached[0]
    return {}


def _plans(folder: Path) -> list[Path]:
    """Cached plans, newest first."""
    dated = []
    for path in folder.glob("*.json"):
        with contextlib.suppress(FileNotFoundError):
            dated.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(dated, reverse=True)]


def _load(path: Path) -> _Cached | None:
    """A cached plan; None if there is none, or none that can be read."""
    try:
        raw = json.loads(path.read_bytes())
        if raw["format"] != _FORMAT:
            return None
        manifests = {
            location: [_file(file) for file in files]
            for location, files in raw["manifests"].items()
        }
        return manifests, bool(raw["has_deletes"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _file(values: list[Any]) -> DataFile:
    *plain, bounds = values
    exact = {int(key): (low, high) for key, (low, high) in bounds.items()}
    return DataFile(*[*plain, exact])


def _store(path: Path, manifests: _Manifests, has_deletes: bool) -> None:
    raw = {
        "format": _FORMAT,
        "has_deletes": has_deletes,
        "manifests": {k: [list(vars(f).values()) for f in v] for k, v in manifests.items()},
    }
    # A home that cannot be written to still answers, only slower.
    with contextlib.suppress(OSError):
        write_whole(path, json.dumps(raw))
        for old in _plans(path.parent)[KEPT_PLANS:]:
            old.unlink(missing_ok=True)
