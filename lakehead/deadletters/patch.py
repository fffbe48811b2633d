"""How an event is mended: fields renamed, values cast, then a JSON merge patch (RFC 7386)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lakehead.contracts.convert import converter
from lakehead.contracts.types import FieldType, parse_type
from lakehead.deadletters.codec import Event
from lakehead.errors import UserError

_HINT = "lakehead dead redrive --help"
Path = tuple[str, ...]


class CannotPatch(Exception):
    """The patch does not fit the event; its text says why."""


@dataclass(frozen=True)
class Patch:
    """``merge`` is None where there is none. Paths name a field, or one in an object."""

    merge: dict[str, Any] | None = None
    renames: tuple[tuple[Path, Path], ...] = ()
    casts: tuple[tuple[Path, FieldType], ...] = ()

    def __bool__(self) -> bool:
        return self.merge is not None or bool(self.renames or self.casts)

    @property
    def names(self) -> set[str]:
        """The top-level keys that the patch decides."""
        return {*(self.merge or {}), *(new[0] for _, new in self.renames)}

    def apply(self, event: Event) -> Event:
        """The mended event; the one given is left as it is.

        Raises:
            CannotPatch: a name to rename to is taken.
        """
        for old, new in self.renames:
            event = _renamed(event, old, new)
        for path, kind in self.casts:
            event = _at(event, path, _caster(kind))
        return event if self.merge is None else _merged(event, self.merge)


def read_patch(
    merge: str | None = None, renames: Sequence[str] = (), casts: Sequence[str] = ()
) -> Patch:
    """A patch as the command line has it: JSON, ``old=new`` and ``field=type``.

    Raises:
        UserError: one of them is not that.
    """
    return Patch(
        None if merge is None else _read_merge(merge),
        tuple((_path(old, text), _path(new, text)) for text in renames for old, new in _pair(text)),
        tuple((_path(f, text), _type(t, text)) for text in casts for f, t in _pair(text)),
    )


def _read_merge(text: str) -> dict[str, Any]:
    try:
        patch = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the merge patch is {text!r}, expected JSON: {error}", _HINT) from error
    if not isinstance(patch, dict):
        raise UserError(
            f"the merge patch is {text!r}, expected a JSON object such as "
            '{"status": "placed", "note": null}',
            _HINT,
        )
    return patch


def _pair(text: str) -> list[tuple[str, str]]:
    left, equals, right = (part.strip() for part in text.partition("="))
    if not (left and equals and right):
        raise UserError(f"{text!r} is not of the form old=new or field=type", _HINT)
    return [(left, right)]


def _path(text: str, around: str) -> Path:
    path = tuple(text.split("."))
    if not all(path):
        raise UserError(f"{text!r} in {around!r} is no field, such as city or address.city", _HINT)
    return path


def _type(text: str, around: str) -> FieldType:
    try:
        return parse_type(text)
    except ValueError as error:
        raise UserError(f"{around!r}: {error}", _HINT) from error


def _merged(target: Any, patch: dict[str, Any]) -> Event:
    merged: Event = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merged(merged.get(key), value)
        else:
            merged[key] = value
    return merged


def _renamed(event: Event, old: Path, new: Path) -> Event:
    found: list[Any] = []
    without = _without(event, old, found)
    if not found:
        return event
    taken: list[Any] = []
    _without(without, new, taken)
    if taken:
        raise CannotPatch(f"{'.'.join(old)} cannot become {'.'.join(new)}: it has both")
    return _with(without, new, found[0])


def _without(event: Event, path: Path, found: list[Any]) -> Event:
    name, *rest = path
    if name not in event:
        return event
    if not rest:
        found.append(event[name])
        return {k: v for k, v in event.items() if k != name}
    if not isinstance(event[name], dict):
        return event
    return event | {name: _without(event[name], tuple(rest), found)}


def _with(event: Event, path: Path, value: Any) -> Event:
    name, *rest = path
    if not rest:
        return event | {name: value}
    inner = event.get(name, {})
    if not isinstance(inner, dict):
        raise CannotPatch(f"{name} is no object, so it cannot have {'.'.join(rest)}")
    return event | {name: _with(inner, tuple(rest), value)}


def _at(event: Event, path: Path, change: Callable[[Any], Any]) -> Event:
    name, *rest = path
    if event.get(name) is None:
        return event
    if not rest:
        return event | {name: change(event[name])}
    inner = event[name]
    return event | {name: _at(inner, tuple(rest), change)} if isinstance(inner, dict) else event


def _caster(kind: FieldType) -> Callable[[Any], Any]:
    """What cannot be cast is left as it is, and refused by the contract."""
    if kind.kind == "string":
        return _to_text
    convert = converter(kind)
    return lambda value: convert(value.strip() if type(value) is str else value)


def _to_text(value: Any) -> Any:
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is Decimal:
        return f"{value:f}" if abs(value.adjusted()) < 100 else str(value)
    return str(value) if type(value) is int else value
