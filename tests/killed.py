"""A command in a process of its own that is killed, as by kill -9, once it has changed something so
often: the lake, or a file in which it remembers how far it came.

Each change is one commit, so that these are all the states that a kill can leave behind, but for
files that no commit names.
"""

import functools
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.forked import CONTEXT
from tests.small_lake import Lake, window

_DEADLINE_SECONDS = 240


def changes(lake: Lake, what: Sequence[str], kill_after: int | None = None) -> list[str]:
    """What was changed, in order, by ``lakehead WHAT`` or by ``settle MODEL``; all, or the first
    ``kill_after``.

    While it publishes a batch, the stream commits the window from 20, once.
    """
    with tempfile.NamedTemporaryFile("r") as noted:
        process = CONTEXT.Process(target=_run, args=(lake, list(what), noted.name, kill_after))
        process.start()
        process.join(_DEADLINE_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
        assert process.exitcode == (0 if kill_after is None else -signal.SIGKILL)
        return noted.read().splitlines()


def _run(lake: Lake, what: list[str], noted: str, kill_after: int | None) -> None:
    observer = _Observer(Path(noted), kill_after)
    observer.watch(lake)
    if what[0] == "settle":
        from lakehead.proof.settle import settle_late

        settle_late(lake.settings, what[1])
        return
    import sys

    from lakehead.cli.main import main

    os.environ["LAKEHEAD_HOME"] = str(lake.settings.home)
    os.chdir(lake.settings.project)
    with open(os.devnull, "w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        sys.argv = ["lakehead", *what]
        main()


class _Observer:
    def __init__(self, noted: Path, kill_after: int | None) -> None:
        self._noted = noted
        self._left = kill_after
        self._meddling = False

    def watch(self, lake: Lake) -> None:
        """Note what is changed from now on."""
        from pyiceberg.catalog.sql import SqlCatalog

        from lakehead.lake import staging
        from lakehead.maintenance import run
        from lakehead.proof import settle

        self._after(SqlCatalog, "create_table", lambda args: f"make {args[1]}")
        self._after(SqlCatalog, "commit_table", lambda args: f"commit {'.'.join(args[1].name())}")
        self._after(staging, "change_refs", lambda args: f"branches of {' '.join(args[2])}")
        self._after(settle, "write_whole", lambda args: f"write {args[0].name}")
        # Before Spark begins: its own steps are those of an integration test.
        self._before(run, "run_spark", lambda: self._note("say what is to be expired"))
        self._before(staging, "publish", functools.partial(self._meddle, lake))

    def _after(self, owner: Any, name: str, called: Callable[[Any], str]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def observed(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self._note(called(args))
            return result

        setattr(owner, name, observed)

    def _before(self, owner: Any, name: str, do: Callable[[], None]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def observed(*args: Any, **kwargs: Any) -> Any:
            do()
            return original(*args, **kwargs)

        setattr(owner, name, observed)

    def _meddle(self, lake: Lake) -> None:
        self._meddling = True
        lake.answer(window(20, 1), checkpoint=2)
        self._meddling = False

    def _note(self, change: str) -> None:
        if self._meddling:
            return
        with self._noted.open("a") as file:
            file.write(f"{change}\n")
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
