"""Files that several processes write, or that others may not read."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only one that holds ``path`` locked; others wait their turn.

    The kernel gives the lock back with the process, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def append_line(path: Path, line: str) -> None:
    """Add a line in one write, so that those of processes that write at once do not mix.

    A file that this makes is readable to its owner alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader or a crash never sees half of it."""
    _replace(path, text, 0o666)


def write_private(path: Path, text: str) -> None:
    """As ``write_whole``, by a file that its owner alone can read."""
    _replace(path, text, 0o600)


def _replace(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    # Of a process of the same number that was killed.
    part.unlink(missing_ok=True)
    try:
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(file, "w", encoding="utf-8") as open_file:
            open_file.write(text)
            open_file.flush()
            os.fsync(file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
