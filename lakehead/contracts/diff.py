"""What changed between two versions of a contract, and whether a stream can take the change live.

A change is compatible where every event that was valid stays valid and keeps its meaning, and
where every row that was landed can still be read: Iceberg widens int to long, float to double and
a decimal's precision, adds, renames and drops columns by field id.
Source: https://iceberg.apache.org/spec/#schema-evolution
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lakehead.contracts.model import Bound, Contract, Field
from lakehead.contracts.types import FieldType

_WIDER = {("int", "long"), ("float", "double")}
_BESIDE = "add a field of another name beside it, and let producers move over"
_NEW_STREAM = "make a stream of another name, and let producers move over"


@dataclass(frozen=True)
class Change:
    """One difference. ``refused`` says why it is not compatible, ``way_out`` what to do instead.

    ``job`` is whether the stream's job must be restarted for it.
    """

    what: str
    refused: str = ""
    way_out: str = ""
    job: bool = True

    @property
    def compatible(self) -> bool:
        return not self.refused


def compare(old: Contract, new: Contract) -> list[Change]:
    """All changes from ``old`` to ``new``; empty where both say the same."""
    changes = [*_fields(old.fields, new.fields, ""), *_settings(old, new), *_own_rules(old, new)]
    for name in ("version", "description", "owner", "limitations"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            changes.append(Change(f"{name} becomes {after!r}", job=False))
    return changes


def compatible(changes: list[Change]) -> bool:
    """Whether all of them are."""
    return all(change.compatible for change in changes)


def renames(old: tuple[Field, ...], new: tuple[Field, ...]) -> dict[str, str]:
    """Old name -> new name of the fields that were renamed with an alias."""
    before = {f.name for f in old}
    after = {f.name for f in new}
    return {
        alias: f.name
        for f in new
        if f.name not in before
        for alias in f.aliases
        if alias in before and alias not in after
    }


def _fields(old: tuple[Field, ...], new: tuple[Field, ...], within: str) -> Iterator[Change]:
    renamed = renames(old, new)
    before = {renamed.get(f.name, f.name): f for f in old}
    after = {f.name: f for f in new}
    for f in new:
        path = f"{within}{f.name}"
        if f.name not in before:
            yield _added(path, f)
            continue
        earlier = before[f.name]
        if earlier.name != f.name:
            yield Change(f"{path}: is the new name of {within}{earlier.name}")
        yield from _field(path, earlier, f)
    for name, f in before.items():
        if name not in after:
            yield _removed(f"{within}{f.name}", f)


def _added(path: str, f: Field) -> Change:
    if f.required:
        return Change(
            f"{path}: is new, and required",
            "the events that are there, and producers of today, do not have it",
            "leave out required, or give the old name as an alias where it is a rename",
        )
    return Change(f"{path}: is new, an optional {f.type}")


def _removed(path: str, f: Field) -> Change:
    if f.required:
        return Change(
            f"{path}: is gone, and was required",
            "who reads the stream was promised that it is there",
            "make it optional first, apply, then drop it; to rename it, list it under aliases",
        )
    return Change(f"{path}: is gone")


def _field(path: str, old: Field, new: Field) -> Iterator[Change]:
    yield from _type(path, old, new)
    if new.required and not old.required:
        yield Change(
            f"{path}: becomes required",
            "valid events of today may lack it",
            "leave it optional, and check it where it is read",
        )
    elif old.required and not new.required:
        yield Change(f"{path}: becomes optional")
    if lost := [a for a in old.aliases if a not in (*new.aliases, new.name)]:
        yield Change(
            f"{path}: the alias {', '.join(lost)} is gone",
            "producers that still write the old name would lose the value",
            "keep the alias: it costs nothing",
        )
    elif added := [a for a in new.aliases if a not in (*old.aliases, old.name)]:
        yield Change(f"{path}: has the new alias {', '.join(added)}")
    yield from _rules(path, old, new)
    for what, before, after in (
        ("description", old.description, new.description),
        ("examples", old.examples, new.examples),
        ("unique_within", old.unique_within, new.unique_within),
        ("references", old.references, new.references),
    ):
        if before != after:
            yield Change(f"{path}: {what} becomes {after or 'nothing'}", job=False)


def _type(path: str, old: Field, new: Field) -> Iterator[Change]:
    if old.type.kind == new.type.kind == "object":
        yield from _fields(old.fields, new.fields, f"{path}.")
    elif old.type != new.type:
        if not _widens(old.type, new.type):
            yield Change(
                f"{path}: {old.type} becomes {new.type}",
                "values that are there do not fit, or would be read as something else",
                _BESIDE,
            )
        else:
            yield Change(f"{path}: {old.type} becomes {new.type}, which is wider")


def _widens(old: FieldType, new: FieldType) -> bool:
    if old == new or (old.kind, new.kind) in _WIDER:
        return True
    if old.kind != new.kind:
        return False
    if old.kind == "decimal":
        return new.scale == old.scale and new.precision > old.precision
    if old.kind == "object":
        # Within arrays and maps a member has no rules: it may come, go and widen.
        before, after = dict(old.members), dict(new.members)
        common = before.keys() & after.keys()
        return bool(common) and all(_widens(before[n], after[n]) for n in common)
    return old.items is not None and new.items is not None and _widens(old.items, new.items)


def _rules(path: str, old: Field, new: Field) -> Iterator[Change]:
    if old.enum != new.enum:
        yield _enum(path, old.enum, new.enum)
    for name, lower in (
        ("minimum", True),
        ("maximum", False),
        ("min_length", True),
        ("max_length", False),
    ):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield _limit(f"{path}: {name}", before, after, lower)
    if old.pattern != new.pattern:
        if new.pattern is None:
            yield Change(f"{path}: any text is allowed, no longer only {old.pattern}")
        else:
            yield Change(
                f"{path}: pattern becomes {new.pattern}",
                "whether every value of today matches it cannot be told",
                f"leave the pattern out, or {_BESIDE}",
            )


def _enum(path: str, old: tuple[str, ...], new: tuple[str, ...]) -> Change:
    if not new:
        return Change(f"{path}: any value is allowed, no longer only {', '.join(old)}")
    if not old:
        return Change(
            f"{path}: only {', '.join(new)} are allowed",
            "valid events of today may have other values",
            _BESIDE,
        )
    if lost := [value for value in old if value not in new]:
        return Change(
            f"{path}: {', '.join(lost)} is no longer allowed",
            "valid events of today have it",
            "keep the value, and stop producing it",
        )
    added = [value for value in new if value not in old]
    if not added:
        return Change(f"{path}: the values are listed in another order", job=True)
    return Change(f"{path}: {', '.join(added)} is allowed too")


def _limit(what: str, old: Bound | int | None, new: Bound | int | None, lower: bool) -> Change:
    before: Any = old
    after: Any = new
    if new is None:
        return Change(f"{what} {old} is lifted")
    tighter = old is None or (after > before if lower else after < before)
    if tighter:
        return Change(
            f"{what} becomes {new}, from {'none' if old is None else old}",
            "valid events of today may be outside",
            "leave the limit as it was, and check it where the stream is read",
        )
    return Change(f"{what} becomes {new}, from {old}")


def _settings(old: Contract, new: Contract) -> Iterator[Change]:
    renamed = renames(old.fields, new.fields)
    for name, word in (("event_time", "event time"), ("key", "key")):
        before, after = getattr(old, name), getattr(new, name)
        if renamed.get(before, before) != after:
            yield Change(
                f"the {word} becomes {after}, from {before}",
                "windows and lateness are counted by it"
                if name == "event_time"
                else "records of one key would be in two partitions, out of order",
                _NEW_STREAM,
            )
    for name in ("encoding", "cleanup"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change(
                f"{name} becomes {after}, from {before}",
                "the records in the topic are written the other way",
                _NEW_STREAM,
            )
    if new.partitions < old.partitions:
        yield Change(
            f"partitions becomes {new.partitions}, from {old.partitions}",
            "Kafka cannot take a partition away",
            _NEW_STREAM,
        )
    elif new.partitions > old.partitions:
        yield Change(f"partitions becomes {new.partitions}, from {old.partitions}")
    if new.clock_skew < old.clock_skew:
        yield Change(
            f"clockSkew becomes {new.clock_skew}, from {old.clock_skew}",
            "valid events of today may be further ahead",
            "leave it as it was",
        )
    elif new.clock_skew > old.clock_skew:
        yield Change(f"clockSkew becomes {new.clock_skew}, from {old.clock_skew}")
    for name, word in (("watermark_delay", "watermarkDelay"), ("idle_timeout", "idleTimeout")):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change(f"{word} becomes {after}, from {before}")
    if old.retention != new.retention:
        yield Change(f"retention becomes {new.retention}, from {old.retention}", job=False)
    if old.snapshot_retention != new.snapshot_retention:
        yield Change(
            f"snapshotRetention becomes {new.snapshot_retention}, from {old.snapshot_retention}",
            job=False,
        )


def _own_rules(old: Contract, new: Contract) -> Iterator[Change]:
    before = {r.name: r.condition for r in old.rules}
    after = {r.name: r.condition for r in new.rules}
    for name, condition in after.items():
        if before.get(name) != condition:
            yield Change(
                f"rule {name}: {condition}",
                "whether every event of today keeps it cannot be told",
                "check it where the stream is read, or make a stream of another name",
            )
    for name in before.keys() - after.keys():
        yield Change(f"rule {name} is gone")
