"""Tags: one name for one consistent set of snapshots.

A tag is an Iceberg tag of that name in each of its tables, so that it keeps its snapshots from
expiry and every reader of Iceberg knows it. All of them are set in one commit of the catalog, at
the snapshots that the tables have at that moment: there is the whole tag or none. ``ops.tags`` is
the record of it, for SQL; it is written after, and made whole by tagging again if that was cut
short.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from lakehead.lake.as_of import TAG_NAME
from lakehead.lake.catalog import open_catalog
from lakehead.lake.ops import Records, append
from lakehead.lake.refs import Change, DropRef, SetRef, change_refs
from lakehead.lake.snapshots import TableState, table_states, unknown_table
from lakehead.settings import Settings

RECORDS = Records(
    "ops.tags",
    (
        ("time", FieldType("timestamp")),
        ("tag", FieldType("string")),
        ("action", FieldType("string")),
        ("table_name", FieldType("string")),
        ("table_uuid", FieldType("string")),
        ("snapshot_id", FieldType("long")),
    ),
    "time",
)
_MADE, _DELETED = "made", "deleted"
_BY_DEFAULT = ("landing.", "marts.")
# Names of branches: Iceberg's, a rollback's, and that of a batch before it is published.
_RESERVED = ("main", "rollback", "reconcile")


@dataclass(frozen=True)
class TaggedTable:
    """``kept`` is whether the table still has the snapshot, and the tag at it."""

    table: str
    uuid: str
    snapshot_id: int
    kept: bool = True


@dataclass(frozen=True)
class Tag:
    """``time`` is when it was recorded, ISO-8601 in UTC; None where that was cut short.

    ``left_out`` are tables that had no snapshot to tag.
    """

    name: str
    time: str | None
    tables: tuple[TaggedTable, ...]
    left_out: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return all(t.kept for t in self.tables)


def make_tag(
    settings: Settings, name: str, tables: Sequence[str] = (), dry_run: bool = False
) -> Tag:
    """Tag the newest snapshots of ``tables``, by default all of ``landing`` and ``marts``.

    Raises:
        UserError: the name is no name for a tag, or there is one already; there is no lake, no such
            table, or none that has a snapshot.
        SystemFailure: the catalog cannot be changed; there is no part of the tag.
    """
    _check(name)

    def decide(states: Mapping[str, TableState]) -> dict[str, list[Change]]:
        _refuse_existing(name, states)
        return {
            state.name: [SetRef(name, state.snapshot.id)]
            for state in _chosen(states, tables)
            if state.snapshot
        }

    states = table_states(settings)
    made = _having(name, states)
    if made and name not in _recorded(settings, states) and not dry_run:
        # Tagging was cut short before it was recorded.
        now = datetime.now(UTC)
        record(settings, name, made, now)
        return Tag(name, now.isoformat(), made)
    if dry_run:
        decide(states)
    else:
        states = change_refs(settings, decide)
    now = datetime.now(UTC)
    chosen = _chosen(states, tables)
    made = tuple(TaggedTable(s.name, s.uuid, s.snapshot.id) for s in chosen if s.snapshot)
    if not dry_run:
        record(settings, name, made, now)
    return Tag(name, now.isoformat(), made, tuple(s.name for s in chosen if s.snapshot is None))


def delete_tag(settings: Settings, name: str, dry_run: bool = False) -> Tag:
    """Drop the tag from all of its tables. What only it kept may then be expired.

    Raises:
        UserError: there is no such tag.
        SystemFailure: the catalog cannot be changed; the tag is whole.
    """

    def decide(states: Mapping[str, TableState]) -> dict[str, list[Change]]:
        found = [s.name for s in states.values() if name in s.tags]
        if not found:
            known = ", ".join(sorted({t for s in states.values() for t in s.tags})) or "none"
            raise UserError(f"there is no tag {name!r}; tags: {known}", "lakehead tags")
        return {table: [DropRef(name)] for table in found}

    if dry_run:
        states = table_states(settings)
        decide(states)
    else:
        states = change_refs(settings, decide)
    gone = _having(name, states)
    now = datetime.now(UTC)
    if not dry_run:
        record(settings, name, gone, now, _DELETED)
    return Tag(name, now.isoformat(), gone)


def list_tags(settings: Settings) -> list[Tag]:
    """All tags, by the time they were recorded; those that were not come last.

    Raises:
        UserError: there is no lake.
        SystemFailure: the catalog or a table cannot be read.
    """
    states = table_states(settings)
    by_uuid = {s.uuid: s for s in states.values()}
    found: dict[str, Tag] = {}
    for name, (time, rows) in _recorded(settings, states).items():
        tables = []
        for row in rows:
            state = by_uuid.get(row.uuid)
            kept = state is not None and state.tags.get(name) == row.snapshot_id
            # A table may have another name since: it is that of now that can be asked.
            table = state.name if state else row.table
            tables.append(TaggedTable(table, row.uuid, row.snapshot_id, kept))
        found[name] = Tag(name, time.isoformat(), tuple(sorted(tables, key=lambda t: t.table)))
    for name in sorted({t for s in states.values() for t in s.tags} - found.keys()):
        found[name] = Tag(name, None, _having(name, states))
    return sorted(found.values(), key=lambda t: (t.time is None, t.time or "", t.name))


def record(
    settings: Settings,
    name: str,
    tables: Sequence[TaggedTable],
    time: datetime,
    action: str = _MADE,
) -> None:
    """Write down that the tag was made or deleted, a row for each table."""
    append(
        settings,
        RECORDS,
        [
            {
                "time": time,
                "tag": name,
                "action": action,
                "table_name": t.table,
                "table_uuid": t.uuid,
                "snapshot_id": t.snapshot_id,
            }
            for t in tables
        ],
    )


def _check(name: str) -> None:
    if not TAG_NAME.fullmatch(name) or name in _RESERVED:
        raise UserError(
            f"{name!r} is no name for a tag; expected a letter, then at most 99 letters, digits, "
            f"'_', '-' or '.', and not {' or '.join(_RESERVED)}",
            "lakehead tag before-migration",
        )


def _refuse_existing(name: str, states: Mapping[str, TableState]) -> None:
    having = [s.name for s in states.values() if name in s.refs]
    if having:
        kind = "tag" if any(name in states[t].tags for t in having) else "branch"
        raise UserError(
            f"there is a {kind} {name!r} already, of {', '.join(having)}",
            f"choose another name, or: lakehead tag {name} --delete"
            if kind == "tag"
            else "choose another name",
        )


def _chosen(states: Mapping[str, TableState], tables: Sequence[str]) -> list[TableState]:
    """The tables that are to be tagged, those among them without a snapshot too."""
    by_lower = {name.lower(): name for name in states}
    for table in tables:
        if table.lower() not in by_lower:
            raise unknown_table(table, states)
    names = dict.fromkeys(by_lower[t.lower()] for t in tables) or [
        name for name in states if name.startswith(_BY_DEFAULT)
    ]
    chosen = [states[name] for name in names]
    if not any(s.snapshot for s in chosen):
        said = ", ".join(names) or "there is no table in landing or marts"
        raise UserError(
            f"nothing to tag, for nothing was committed yet: {said}", "lakehead produce"
        )
    return chosen


def _having(name: str, states: Mapping[str, TableState]) -> tuple[TaggedTable, ...]:
    """The tables that have the tag, and where."""
    found = [s for s in states.values() if name in s.tags]
    return tuple(TaggedTable(s.name, s.uuid, s.tags[name]) for s in found)


def _recorded(
    settings: Settings, states: Mapping[str, TableState]
) -> dict[str, tuple[datetime, list[TaggedTable]]]:
    """By tag, when it was made and of what, those that were deleted since left out."""
    if RECORDS.table not in states:
        return {}
    rows = open_catalog(settings).load_table(RECORDS.table).scan().to_arrow().to_pylist()
    found: dict[str, tuple[datetime, list[TaggedTable]]] = {}
    for row in sorted(rows, key=lambda r: r["time"]):
        name, time = row["tag"], row["time"]
        if row["action"] == _DELETED:
            found.pop(name, None)
            continue
        if name not in found or found[name][0] != time:
            found[name] = (time, [])
        found[name][1].append(TaggedTable(row["table_name"], row["table_uuid"], row["snapshot_id"]))
    return found
