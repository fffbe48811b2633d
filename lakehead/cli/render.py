"""How the command line shows things: results on standard output, everything else on the error."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


_COUNT_SECONDS = 5


def out() -> "Console":
    from rich.console import Console

    return Console()


def err() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document; dataclasses become objects, decimals their exact text."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, default=str) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table; numbers to the right, with thousands set apart; None is a dash."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    view = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for i, column in enumerate(columns):
        numeric = any(isinstance(row[i], int | float | Decimal) for row in rows)
        view.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        view.add_row(*(_cell(value) for value in row))
    out().print(view)


class Steps:
    """Says what is going on: a spinner on a terminal, a line for each step elsewhere."""

    def __init__(self) -> None:
        from rich.status import Status

        self._console = err()
        self._status: Status | None = None
        self._counted = time.monotonic()

    def say(self, text: str) -> None:
        """A step has begun."""
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, soft_wrap=True)
        elif self._status:
            self._status.update(text)

    def count(self, text: str) -> None:
        """How far the step is; where it cannot be overwritten, only every few seconds."""
        if self._console.is_terminal or time.monotonic() - self._counted > _COUNT_SECONDS:
            self._counted = time.monotonic()
            self.say(text)

    @contextmanager
    def shown(self, text: str) -> Iterator[None]:
        if self._console.is_terminal:
            with self._console.status(text) as self._status:
                yield
            self._status = None
        else:
            self.say(text)
            yield


@contextmanager
def steps(text: str) -> Iterator[Steps]:
    """Show ``text`` and what is said within, until done."""
    view = Steps()
    with view.shown(text):
        yield view


def short_time(iso: str | None) -> str | None:
    """An ISO-8601 time for a table: to the second, UTC."""
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M:%S}" if iso else None


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | Decimal):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    from rich.markup import escape

    return escape(str(value))
