"""A moment of the lake as a person writes it: a tag, a time, or snapshots by their ids."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehead.contracts.durations import parse_duration
from lakehead.errors import UserError
from lakehead.lake.history import require_snapshot_at, snapshot_at
from lakehead.lake.snapshots import TableState, unknown_table

TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_EXPECTED = "expected a tag, a snapshot id, TABLE=ID,..., or a time such as 2026-01-31T10:00Z"
_AGO = re.compile(r"(.*\S)\s+ago")


@dataclass(frozen=True)
class Tagged:
    """As the tag has it."""

    tag: str

    def __str__(self) -> str:
        return f"tag {self.tag}"


@dataclass(frozen=True)
class Moment:
    """As it was at a time; ``zone_given`` is whether its zone was written, or taken to be UTC."""

    time: datetime
    zone_given: bool = True

    def __str__(self) -> str:
        said = "" if self.zone_given else ", no zone was given: taken as UTC"
        return f"{self.time.isoformat()}{said}"


@dataclass(frozen=True)
class OneSnapshot:
    """A snapshot of the one table that is read."""

    id: int

    def __str__(self) -> str:
        return f"snapshot {self.id}"


@dataclass(frozen=True)
class Snapshots:
    """A snapshot of each table that is read, by its name in lower case."""

    ids: Mapping[str, int]

    def __str__(self) -> str:
        return "the snapshots given"


AsOf = Tagged | Moment | OneSnapshot | Snapshots


def parse_as_of(text: str, now: datetime | None = None) -> AsOf:
    """What ``text`` means; ``15 minutes ago`` counts from ``now``.

    Raises:
        UserError: it means nothing, or a time to come.
    """
    text = text.strip()
    now = now or datetime.now(UTC)
    if "=" in text:
        return _pairs(text)
    if text.isdecimal():
        return OneSnapshot(int(text))
    if match := _AGO.fullmatch(text):
        try:
            return Moment(now - parse_duration(match[1]))
        except (ValueError, OverflowError) as error:
            raise UserError(f"{text!r} is no moment: {error}", "15 minutes ago") from None
    if TAG_NAME.fullmatch(text):
        return Tagged(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"{text!r} is no moment of the lake; {_EXPECTED}", "lakehead tags"
        ) from None
    given = time.tzinfo is not None
    time = time.astimezone(UTC) if given else time.replace(tzinfo=UTC)
    if time > now:
        raise UserError(
            f"{text!r} is still to come: it is {now.isoformat(timespec='seconds')}",
            "expected a time that has passed",
        )
    return Moment(time, given)


def parse_moments(text: str, now: datetime | None = None) -> tuple[AsOf | None, AsOf | None]:
    """``A..B``: two moments, each as `parse_as_of` takes it, or ``now``, which is None.

    Raises:
        UserError: they are not two, or one of them means nothing.
    """
    first, dots, second = text.partition("..")
    if not dots or not first.strip() or not second.strip():
        raise UserError(
            f"{text!r} is not two moments, expected FIRST..SECOND",
            "--diff '15 minutes ago..now'",
        )
    before, after = (
        None if part.strip() == "now" else parse_as_of(part, now) for part in (first, second)
    )
    return before, after


def choose(as_of: AsOf, state: TableState) -> int:
    """The snapshot of a table that is meant.

    Raises:
        UserError: the table has none; says what it has.
    """
    match as_of:
        case Moment(time=time):
            return require_snapshot_at(state, time)
        case OneSnapshot(id=found):
            return found
        case Tagged(tag=tag):
            if tag not in state.tags:
                has = f"its tags: {', '.join(sorted(state.tags))}" if state.tags else "it has none"
                raise UserError(f"{state.name} has no tag {tag!r}; {has}", "lakehead tags")
            return state.tags[tag]
        case Snapshots(ids=ids):
            if state.name.lower() not in ids:
                raise UserError(
                    f"{state.name} is read, and no snapshot of it was given",
                    f"give {state.name}=ID too",
                )
            return ids[state.name.lower()]


def resolve(
    as_of: AsOf, states: Mapping[str, TableState], required: Collection[str]
) -> dict[str, TableState]:
    """Each table as of then. Of those that are not ``required``, the ones that were there.

    Raises:
        UserError: a required table was not there then, or the snapshots do not fit the tables.
    """
    if isinstance(as_of, OneSnapshot) and len(states) != 1:
        tables = ", ".join(states) or "none"
        raise UserError(
            f"{as_of} is of one table, and these are read: {tables}",
            "give each its own: --as-of landing.orders=ID,marts.m=ID; or a tag, or a time",
        )
    if isinstance(as_of, Snapshots):
        known = {name.lower() for name in states}
        for name in as_of.ids:
            if name not in known:
                raise unknown_table(name, states)
    found = {}
    for name, state in states.items():
        if name in required or _was_there(as_of, state):
            found[name] = state.as_of(choose(as_of, state))
    if not found and states:
        raise UserError(f"the lake had no table as of {as_of}", "lakehead tags")
    return found


def _was_there(as_of: AsOf, state: TableState) -> bool:
    match as_of:
        case Moment(time=time):
            return snapshot_at(state, time) is not None
        case Tagged(tag=tag):
            return tag in state.tags
        case Snapshots(ids=ids):
            return state.name.lower() in ids
        case OneSnapshot():
            return True


def _pairs(text: str) -> Snapshots:
    ids = {}
    for pair in text.split(","):
        table, _, number = (part.strip() for part in pair.partition("="))
        if not table or not number.isdecimal():
            raise UserError(f"{pair.strip()!r} is no TABLE=ID", "--as-of landing.orders=ID")
        ids[table.lower()] = int(number)
    return Snapshots(ids)
