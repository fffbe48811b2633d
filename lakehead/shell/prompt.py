"""The prompt: reads statements with completion and history, and runs them one by one."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from lakehead.errors import LakeheadError
from lakehead.lake.as_of import AsOf
from lakehead.lake.snapshots import list_tables
from lakehead.settings import Settings
from lakehead.shell.commands import Quit, Shell
from lakehead.shell.completion import WORD, Names, load_names, suggest

_PROMPT, _CONTINUED = "lake> ", "   -> "


def run_shell(settings: Settings, as_of: AsOf | None = None) -> None:
    """Ask on a terminal until the person leaves; from a pipe, run its statements and stop.

    Raises:
        UserError: there is no lake; from a pipe, a statement that is wrong.
        SystemFailure: the lake cannot be read; from a pipe, a statement that failed.
    """
    list_tables(settings)
    shell = Shell(settings, sys.stdout, as_of)
    with contextlib.closing(shell):
        if sys.stdin.isatty():
            _ask(shell)
            return
        with contextlib.suppress(Quit):
            for statement in statements(sys.stdin):
                shell.run(statement)


def statements(lines: Iterable[str]) -> Iterator[str]:
    """Statements of one or more lines, and the last also where no semicolon ends it."""
    held = ""
    for line in lines:
        held += line
        if is_whole(held):
            yield held
            held = ""
    if held.strip():
        yield held


def is_whole(text: str) -> bool:
    """Whether nothing is missing: it ends with a semicolon, is a command, or is blank."""
    stripped = text.strip()
    return not stripped or stripped.startswith("\\") or stripped.endswith(";")


class LakeCompleter(Completer):
    """Completes by names that are loaded beside the prompt, so that no key press waits for them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._worker = ThreadPoolExecutor(1, "names")
        self._names = Names()
        self._loading: Future[Names] | None = None

    def reload(self) -> None:
        """Begin to load the names as they are now."""
        self._loading = self._worker.submit(load_names, self._settings)

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        if self._loading is not None and self._loading.done():
            if self._loading.exception() is None:
                self._names = self._loading.result()
            self._loading = None
        before = document.text_before_cursor
        match = WORD.search(before)
        length = len(match[0]) if match else 0
        for each in suggest(before, document.text_after_cursor, self._names):
            yield Completion(each.text, -length, display_meta=each.kind)


def _ask(shell: Shell) -> None:
    completer = LakeCompleter(shell.settings)
    session: PromptSession[str] = PromptSession(
        history=_history(shell.settings),
        completer=completer,
        complete_in_thread=True,
        key_bindings=_bindings(),
        multiline=True,
        prompt_continuation=_CONTINUED,
        enable_open_in_editor=True,
    )
    shell.out.write("Ask in SQL, end with a semicolon.  \\h is help, \\q quits.\n")
    try:
        while True:
            completer.reload()
            try:
                _run(shell, session.prompt(_PROMPT), sys.stderr)
            except KeyboardInterrupt:
                continue
            except (EOFError, Quit):
                return
    finally:
        completer.close()


def _run(shell: Shell, text: str, err: TextIO) -> None:
    try:
        shell.run(text)
    except LakeheadError as error:
        err.write(f"error: {error.message}\n")
    except KeyboardInterrupt:
        err.write("interrupted\n")


def _bindings() -> KeyBindings:
    """Enter runs what is whole, and is a new line in what is not."""
    from prompt_toolkit.application import get_app

    bindings = KeyBindings()

    @bindings.add("enter", filter=Condition(lambda: is_whole(get_app().current_buffer.text)))
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return bindings


def _history(settings: Settings) -> History:
    """Kept in the home, for its owner alone: queries may hold what the lake does."""
    path = settings.home / "shell-history"
    try:
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
