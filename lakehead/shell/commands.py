"""Run what was typed: SQL, or a command that begins with a backslash."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lakehead.errors import UserError
from lakehead.lake.as_of import AsOf, parse_as_of
from lakehead.lake.snapshots import known_table, list_tables
from lakehead.query.catalogue import sample
from lakehead.query.engine import run
from lakehead.query.output import SHOWN_ROWS, check_format, format_for, write
from lakehead.query.result import Result
from lakehead.query.types import quoted_table
from lakehead.settings import Settings

if TYPE_CHECKING:
    from lakehead.live.live import Live

HELP = r"""
  SELECT ... ;         any query of DuckDB's, ended by a semicolon
  \d                   tables, with rows, files and newest commit
  \d TABLE             columns of a table
  \s TABLE [ROWS]      some rows of a table
  \asof MOMENT         read as of a tag, a time, '15 minutes ago'; \asof now ends it
  \live on             answers up to the last event of Kafka; \live off ends it
  \f FORMAT            table, csv, json, jsonl, markdown
  \o FILE              write the next answer to a file, by its suffix
  \q                   quit
""".strip("\n")
NAMES = ("d", "s", "asof", "live", "f", "o", "h", "q")
_SAMPLE_ROWS = 10


class Quit(Exception):
    """The person asked to leave."""


@dataclass
class Shell:
    """One person's session: where answers go, and as of when they are; close it after."""

    settings: Settings
    out: TextIO
    as_of: AsOf | None = None
    format: str = "table"
    next_file: Path | None = None
    live: "Live | None" = None

    def close(self) -> None:
        if self.live is not None:
            self.live.close()
            self.live = None

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
                self._of_lake("SHOW TABLES")
            case "d":
                self._of_lake(f"DESCRIBE {quoted_table(self._known(rest))}")
            case "s" if rest:
                self._sample(*rest.rsplit(None, 1))
            case "live" if rest in ("on", "off"):
                self._switch(rest == "on")
            case "asof" if rest:
                moment = None if rest == "now" else parse_as_of(rest)
                if moment is not None and self.live is not None:
                    raise UserError("answers are live, which no earlier moment is", "\\live off")
                self.as_of = moment
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

    def _switch(self, live: bool) -> None:
        if live and self.as_of is not None:
            raise UserError(f"answers are as of {self.as_of}, which is not live", "\\asof now")
        self.close()
        if live:
            from lakehead.live.live import Live

            self.live = Live(self.settings, warm=True)
        self.out.write(f"live is {'on' if live else 'off'}\n")

    def _of_lake(self, sql: str) -> None:
        began = time.monotonic()
        with run(self.settings, sql, as_of=self.as_of) as result:
            self._answer(result, began)

    def _query(self, sql: str) -> None:
        if self.live is None:
            self._of_lake(sql)
            return
        began = time.monotonic()
        with self.live.run(sql) as result:
            self._answer(result, began)
            if self.format == "table":
                self._say_how_fresh(result)

    def _say_how_fresh(self, result: Result) -> None:
        for name, fresh in sorted(result.freshness.items()):
            newest = fresh.newest_event_time
            at = newest.isoformat() if newest else "none"
            self.out.write(f"{name}: newest event {at}, {fresh.tail_rows:,} rows from Kafka\n")

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
