"""Change a table's columns, by field id, while others read it and commit to it.

The plan is made from the table as it is, so that a change that was cut short goes on where it
stopped, and one that is there already is no step at all.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.schema import Schema
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.types import IcebergType, ListType, MapType, NestedField, PrimitiveType, StructType

from lakehead.errors import SystemFailure

# The stream commits once a second; each time that it comes first, the change is tried again.
_PATIENCE_S = 30.0
_AGAIN_S = 0.05
_Path = tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One change to a column. ``path`` leads through structs, ``element`` and ``value``."""

    kind: Literal["rename", "add", "widen", "drop"]
    path: _Path
    to: IcebergType | str = ""
    after: str | None = None

    def __str__(self) -> str:
        name = ".".join(self.path)
        match self.kind:
            case "rename":
                return f"rename column {name} to {self.to}"
            case "add":
                return f"add column {name} {self.to}"
            case "widen":
                return f"widen column {name} to {self.to}"
        return f"drop column {name}"


def plan_steps(current: Schema, wanted: Schema, renamed: Mapping[str, str]) -> list[Step]:
    """What makes ``current`` into ``wanted``, names and types; ``renamed`` is old name -> new."""
    here = {f.name for f in current.fields}
    targets = {f.name for f in wanted.fields}
    steps = [
        Step("rename", (old,), new)
        for old, new in renamed.items()
        if old in here and new not in here and old not in targets
    ]
    names = {str(step.path[0]): str(step.to) for step in steps}
    before = [(names.get(f.name, f.name), f.field_type) for f in current.fields]
    return [*steps, *_members((), before, [(f.name, f.field_type) for f in wanted.fields])]


def _members(
    path: _Path, before: list[tuple[str, IcebergType]], after: list[tuple[str, IcebergType]]
) -> Iterator[Step]:
    known, wanted = dict(before), dict(after)
    previous = None
    for name, kind in after:
        if name not in known:
            yield Step("add", (*path, name), kind, after=previous)
        else:
            yield from _within((*path, name), known[name], kind)
        previous = name
    for name, _ in before:
        if name not in wanted:
            yield Step("drop", (*path, name))


def _within(path: _Path, before: IcebergType, after: IcebergType) -> Iterator[Step]:
    match before, after:
        case StructType(), StructType():
            yield from _members(path, _named(before.fields), _named(after.fields))
        case ListType(), ListType():
            yield from _within((*path, "element"), before.element_type, after.element_type)
        case MapType(), MapType():
            yield from _within((*path, "value"), before.value_type, after.value_type)
        case _ if before != after:
            yield Step("widen", path, after)


def _named(fields: tuple[NestedField, ...]) -> list[tuple[str, IcebergType]]:
    return [(f.name, f.field_type) for f in fields]


def table_steps(
    catalog: SqlCatalog, name: str, wanted: Schema, renamed: Mapping[str, str]
) -> list[Step]:
    """The steps that the table ``name`` needs; none where it is not there yet."""
    if not catalog.table_exists(name):
        return []
    return plan_steps(catalog.load_table(name).schema(), wanted, renamed)


def evolve_table(
    catalog: SqlCatalog, name: str, wanted: Schema, renamed: Mapping[str, str]
) -> list[Step]:
    """Bring the table's columns to ``wanted`` in one commit; gives the steps that it took.

    Raises:
        SystemFailure: others committed first for half a minute on end; nothing was changed.
    """
    end = time.monotonic() + _PATIENCE_S
    while True:
        table = catalog.load_table(name)
        steps = plan_steps(table.schema(), wanted, renamed)
        if not steps:
            return []
        try:
            with table.transaction() as transaction:
                # Names within one update are those before it, so renames go first.
                with transaction.update_schema() as update:
                    for step in steps:
                        if step.kind == "rename":
                            update.rename_column(step.path, str(step.to))
                with transaction.update_schema() as update:
                    for step in steps:
                        _take(update, step)
            return steps
        except CommitFailedException as error:
            if time.monotonic() > end:
                raise SystemFailure(
                    f"the columns of {name} could not be changed: others commit to it without "
                    f"a gap ({error})",
                    "run it again; nothing was changed",
                ) from error
            time.sleep(_AGAIN_S)


def _take(update: UpdateSchema, step: Step) -> None:
    match step.kind, step.to:
        case "add", IcebergType() as kind:
            update.add_column(step.path, kind)
            if step.after is not None:
                update.move_after(step.path, (*step.path[:-1], step.after))
        case "widen", PrimitiveType() as kind:
            update.update_column(step.path, kind)
        case "drop", _:
            update.delete_column(step.path)
