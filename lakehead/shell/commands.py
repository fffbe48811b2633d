"""Run what was typed: SQL, or a command that begins with a backslash."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from lakehead.errors import UserError
from lakehead.lake.as_of import AsOf, parse_as_of
from lakehead.lake.snapshots import known_table, list_tables
from lakehead.query.catalogue import sample
from lakehead.query.engine import run
from lakehead.query.output import SHOWN_ROWS, check_format, format_for, write
from lakehead.query.result import Result
from lakehead.query.types import quoted_table
from lakehead.settings import Settings

HELP = r"""
  SELECT ... ;         any query of DuckDB's, ended by a semicolon
  \d                   tables, with rows, files and newest commit
  \d TABLE             columns of a table
  \s TABLE [ROWS]      some rows of a table
  \asof MOMENT         read as of a tag, a time, '15 minutes ago'; \asof now ends it
  \f FORMAT            table, csv, json, jsonl, markdown
  \o FILE              write the next answer to a file, by its suffix
  \q                   quit
""".strip("\n")
NAMES = ("d", "s", "asof", "f", "o", "h", "q")
_SAMPLE_ROWS = 10


class Quit(Exception):
    """The person asked to leave."""


@dataclass
class Shell:
    """One person's session: where answers go, and as of when they are."""

    settings: Settings
    out: TextIO
    as_of: AsOf | None = None
    format: str = "table"
    next_file: Path | None = None

    def run(self, text: str) -> None:
        """Do what ``text`` says, and write the answer.

        Raises:
            Quit: it says so.
            LakeheadError: it is wrong, or failed.
            KeyboardInterrupt: Ctrl-C; the query was stopped.
        """
        text = text.strip()
        if text.startswith("\\"):
            self._command(text)
        elif text.rstrip("; \n\t"):
            self._query(text)

    def _command(self, text: str) -> None:
        name, _, rest = text[1:].rstrip("; \t").partition(" ")
        rest = rest.strip()
        match name:
            case "q":
                raise Quit
            case "h" | "?" | "":
                self.out.write(f"{HELP}\n")
            case "d" if not rest:
                self._query("SHOW TABLES")
            case "d":
                self._query(f"DESCRIBE {quoted_table(self._known(rest))}")
            case "s" if rest:
                self._sample(*rest.rsplit(None, 1))
            case "asof" if rest:
                self.as_of = None if rest == "now" else parse_as_of(rest)
                self.out.write(f"as of {self.as_of or 'now'}\n")
            case "f" if rest:
                check_format(rest)
                self.format = rest
            case "o" if rest:
                format_for(Path(rest))
                self.next_file = Path(rest)
            case _:
                raise UserError(f"\\{name} {rest}".strip() + " is no command of the shell", "\\h")

    def _sample(self, table: str, rows: str = "") -> None:
        if rows and not rows.isdecimal():
            raise UserError(f"{rows!r} is no number of rows", "\\s landing.orders 5")
        began = time.monotonic()
        with sample(self.settings, table, int(rows or _SAMPLE_ROWS)) as result:
            self._answer(result, began)

    def _query(self, sql: str) -> None:
        began = time.monotonic()
        with run(self.settings, sql, as_of=self.as_of) as result:
            self._answer(result, began)

    def _answer(self, result: Result, began: float) -> None:
        path, self.next_file = self.next_file, None
        if path is not None:
            rows = write(result, format_for(path), path)
            self.out.write(f"{rows:,} rows to {path}\n")
        else:
            write(result, self.format, limit=SHOWN_ROWS)
        if self.format == "table":
            self.out.write(f"{time.monotonic() - began:.3f} s\n")
        self.out.flush()

    def _known(self, table: str) -> str:
        return known_table(table, list_tables(self.settings))
