"""Files that several processes write."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakehead.files import locked, write_private, write_whole

WRITE = """
import sys
from pathlib import Path
from lakehead.files import append_line
for i in range(200):
    append_line(Path(sys.argv[1]), sys.argv[2] * 20_000)
"""


def test_lines_of_two_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "made" / "lines"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(path), letter]) for letter in "ab"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    lines = path.read_text().splitlines()
    assert sorted(lines) == ["a" * 20_000] * 200 + ["b" * 20_000] * 200
    assert path.stat().st_mode & 0o077 == 0


def test_a_lock_is_held_by_one_until_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "made" / "lock"
    with locked(path), path.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_private_file_is_replaced_whole_and_stays_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old, and open to all")
    write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    write_whole(path, "one")
    write_whole(path, "two")
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")

    def fail(*_: object, **__: object) -> int:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
