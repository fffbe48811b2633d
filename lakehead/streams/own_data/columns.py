"""Which column of a person's own file is which field of the contract."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from lakehead.contracts.convert import Convert, converter
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError

Event = dict[str, Any]
_Path = tuple[str, ...]


class Columns:
    """Makes events of rows that have these columns.

    A column is a field's name or alias; ``address.city`` is a field of an object. ``unknown`` are
    the columns that are no field.

    Raises:
        UserError: two columns are the same field.
    """

    def __init__(self, contract: Contract, columns: Sequence[str], zone: tzinfo | None) -> None:
        self.unknown: list[str] = []
        self._known = {n: f for f in contract.fields for n in (*f.aliases, f.name)}
        self._contract = contract
        flat: list[tuple[int, str, Convert]] = []
        nested: list[tuple[int, _Path, Convert]] = []
        taken: dict[_Path, str] = {}
        for i, column in enumerate(columns):
            found = self._field(column)
            if found is None:
                self.unknown.append(column)
                continue
            path, kind = found
            for other, name in taken.items():
                if other[: len(path)] == path or path[: len(other)] == other:
                    raise UserError(
                        f"the columns {name!r} and {column!r} are both the field {path[0]!r}",
                        "leave out one of them",
                    )
            taken[path] = column
            if len(path) == 1:
                flat.append((i, path[0], converter(kind, zone)))
            else:
                nested.append((i, path, converter(kind, zone)))
        self._given = {path[0] for path in taken}
        self._flat, self._nested = flat, nested

    @property
    def missing(self) -> list[str]:
        """The fields that the contract requires, and that no column is."""
        return [f.name for f in self._contract.fields if f.required and f.name not in self._given]

    def event(self, values: Sequence[Any]) -> Event:
        """The row's event; a value that cannot be converted is left as it is."""
        event: Event = {name: convert(values[i]) for i, name, convert in self._flat}
        for i, path, convert in self._nested:
            value = convert(values[i])
            # An object whose columns are all empty is null.
            if value is not None:
                at = event
                for name in path[:-1]:
                    at = at.setdefault(name, {})
                at[path[-1]] = value
        return event

    def _field(self, column: str) -> tuple[_Path, FieldType] | None:
        first, *inner = column.split(".")
        field = self._known.get(first)
        if field is None:
            return None
        path, fields = [field.name], field.fields
        for name in inner:
            following = _by_name(fields, name)
            if following is None:
                return None
            path.append(name)
            field, fields = following, following.fields
        return tuple(path), field.type


def _by_name(fields: Sequence[Field], name: str) -> Field | None:
    return next((f for f in fields if f.name == name), None)


def check_known(contract: Contract, columns: Columns, place: str) -> None:
    """Raises UserError where a column is no field."""
    if columns.unknown:
        raise UserError(
            f"{place}: {', '.join(map(repr, columns.unknown))} is no field of {contract.stream}; "
            f"its fields are {', '.join(_paths(contract.fields))}",
            "rename the columns, or go on without them: --ignore-unknown",
        )


def check_complete(contract: Contract, columns: Columns, place: str) -> None:
    """Raises UserError where a required field has no column."""
    if columns.missing:
        raise UserError(
            f"{place} has no column for {', '.join(columns.missing)}, which {contract.stream} "
            "requires"
        )


def _paths(fields: Sequence[Field]) -> list[str]:
    found: list[str] = []
    for f in fields:
        found += [f"{f.name}.{inner}" for inner in _paths(f.fields)] or [f.name]
    return found
