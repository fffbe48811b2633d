"""Leases: a snapshot that somebody reads is not expired, however long it takes.

A reader's lease is a file in the home that its process holds locked; the kernel gives the lock back
with the process, so that no lease outlives its reader. Who expires first says which snapshots are
to go, and then looks at the leases; who reads first takes a lease, and then looks at what is to
go. So one of the two always sees the other.
"""

import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from lakehead.errors import UserError
from lakehead.lake.snapshots import TableState
from lakehead.settings import Settings

_EXPIRING = "expiring"
Snapshots = Mapping[str, Iterable[int]]


class Lease:
    """What is held until ``close``, or until the process ends."""

    def __init__(self, path: Path | None = None, file: IO[str] | None = None) -> None:
        self._path = path
        self._file = file

    def close(self) -> None:
        if self._path and self._file:
            self._path.unlink(missing_ok=True)
            self._file.close()
        self._path = self._file = None


def lease(settings: Settings, states: Iterable[TableState]) -> Lease:
    """Hold the snapshots of these tables.

    Raises:
        UserError: one of them is just being expired.
    """
    read: dict[str, list[int]] = {}
    for state in states:
        if state.snapshot:
            read.setdefault(state.uuid, []).append(state.snapshot.id)
    if not read:
        return Lease()
    try:
        held = _locked(_folder(settings) / uuid.uuid4().hex, read)
    except OSError:
        # A home that cannot be written to is a home in which nothing is expired.
        return Lease()
    going = _read(_folder(settings) / _EXPIRING)
    if any(set(ids) & set(going.get(table, ())) for table, ids in read.items()):
        held.close()
        raise UserError(
            "the snapshot that is asked for is just being expired", "ask for a later moment"
        )
    return held


def held(settings: Settings) -> dict[str, set[int]]:
    """The snapshots that are read now, by the uuid of their table."""
    found: dict[str, set[int]] = {}
    for path in _folder(settings).glob("[0-9a-f]*"):
        if len(path.name) == len(uuid.UUID(int=0).hex):
            for table, ids in _read(path).items():
                found.setdefault(table, set()).update(ids)
    return found


@contextlib.contextmanager
def expiring(settings: Settings, going: Snapshots) -> Iterator[dict[str, set[int]]]:
    """Say that these are to go; gives those that may, since nobody reads them.

    One at a time may say so: the caller sees to that.
    """
    said = _locked(_folder(settings) / _EXPIRING, going)
    try:
        now = held(settings)
        yield {table: set(ids) - now.get(table, set()) for table, ids in going.items()}
    finally:
        said.close()


def _folder(settings: Settings) -> Path:
    return settings.home / "leases"


def _locked(path: Path, content: Snapshots) -> Lease:
    """A file that is there with its content, and locked, at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    file = part.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump({table: list(ids) for table, ids in content.items()}, file)
        file.flush()
        part.rename(path)
    except BaseException:
        file.close()
        part.unlink(missing_ok=True)
        raise
    return Lease(path, file)


def _read(path: Path) -> dict[str, list[int]]:
    """What a file says whose process lives; one that was left behind is taken away."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found: dict[str, list[int]] = json.load(file)
                return found
            path.unlink(missing_ok=True)
    except (FileNotFoundError, ValueError):
        pass
    return {}
