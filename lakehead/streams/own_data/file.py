"""Rows of a person's own file: Parquet and CSV by DuckDB, JSON lines as they come."""

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from lakehead.contracts.convert import parse_json
from lakehead.errors import UserError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMATS = ("parquet", "csv", "jsonl")
STANDARD_INPUT = "-"
_SUFFIXES = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_BATCH_ROWS = 4096
_CHUNK_BYTES = 1 << 18
_LONGEST_LINE = 8 << 20
_SLICE = 0.1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONFIG: dict[str, Any] = {
    "memory_limit": "512MB",
    "threads": 2,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# All text, so that what a cell says is converted as its contract says and not as it looks.
_READ_CSV = (
    "read_csv(?, all_varchar = true, header = true, sample_size = 20480, store_rejects = true,"
    " rejects_limit = 100000)"
)
# Called while there is nothing to read; False where nobody waits any longer.
Idle = Callable[[], bool]


class Row(NamedTuple):
    """A row by the names of its columns, or the text of one that cannot be read, and why.

    ``number`` counts rows from 1; where a row cannot be read it is the line.
    """

    number: int
    values: dict[str, Any]
    broken: str | None = None
    text: str = ""


class OwnFile(NamedTuple):
    """An open file. ``columns`` are its columns, None where each row has its own."""

    columns: list[str] | None
    rows: Iterator[Row]


def format_of(path: str, given: str | None) -> str:
    """``given``, else what the file's name says; JSON lines on standard input.

    Raises:
        UserError: neither says a format that can be read.
    """
    listed = ", ".join(FORMATS)
    if given is not None:
        if given not in FORMATS:
            raise UserError(f"format is {given!r}, expected one of {listed}")
        if path == STANDARD_INPUT and given != "jsonl":
            raise UserError(f"format is {given!r}; standard input is read as jsonl only")
        return given
    if path == STANDARD_INPUT:
        return "jsonl"
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise UserError(
            f"{path}: its format is not known by its name; expected {', '.join(_SUFFIXES)}",
            f"say which with --format {listed.replace(', ', '|')}",
        )
    return _SUFFIXES[suffix]


@contextmanager
def opened(path: str, kind: str, stdin: IO[bytes], idle: Idle) -> Iterator[OwnFile]:
    """The file, or ``stdin`` where ``path`` is ``-``.

    Raises, when opened and when read:
        UserError: it is not there, or it is no such file.
    """
    if path == STANDARD_INPUT:
        yield OwnFile(None, _parsed(_lines(stdin.fileno(), idle)))
        return
    if not Path(path).is_file():
        raise UserError(f"{path} is not a file")
    if kind == "jsonl":
        with _reading(path, kind), open(path, "rb") as file:
            yield OwnFile(None, _parsed(_lines(file.fileno(), idle)))
        return
    import duckdb

    with _reading(path, kind), duckdb.connect(":memory:", config=_CONFIG) as connection:
        yield _table(connection, Path(path), kind)


@contextmanager
def _reading(path: str, kind: str) -> Iterator[None]:
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError, OverflowError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path} cannot be read as {kind}: {reason}") from error


def _table(connection: "DuckDBPyConnection", path: Path, kind: str) -> OwnFile:
    place = _literal_path(path)
    source = "read_parquet(?)" if kind == "parquet" else _READ_CSV
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}", [place]).fetchall()
    columns = [row[0] for row in described]
    zoned = [i for i, row in enumerate(described) if row[1] == "TIMESTAMP WITH TIME ZONE"]
    listed = ", ".join(_selected(name, type_) for name, type_, *_ in described)

    def rows() -> Iterator[Row]:
        # Rows as tuples and not as Arrow, whose values become Python's one by one, three times
        # slower.
        result = connection.execute(f"SELECT {listed} FROM {source}", [place])
        number = 0
        while batch := result.fetchmany(_BATCH_ROWS):
            for values in batch:
                number += 1
                row = dict(zip(columns, values, strict=True))
                for i in zoned:
                    row[columns[i]] = _moment(values[i])
                yield Row(number, row)
        if kind == "csv":
            yield from _rejects(connection)

    return OwnFile(columns, rows())


def _selected(name: str, type_: str) -> str:
    quoted = _quoted(name)
    if type_ == "TIMESTAMP WITH TIME ZONE":
        # A number is a tenth of the work.
        return f"epoch_us({quoted})"
    # Python's times hold microseconds.
    return f"{quoted}::TIMESTAMP" if type_ == "TIMESTAMP_NS" else quoted


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def _rejects(connection: "DuckDBPyConnection") -> Iterator[Row]:
    """Lines that are no row: a cell too many, a quote without end."""
    found = connection.execute(
        "SELECT line, any_value(csv_line), any_value(error_message) FROM reject_errors"
        " GROUP BY line ORDER BY line"
    ).fetchall()
    for line, text, message in found:
        yield Row(line, {}, f"line {line}: {message}", text or "")


def _literal_path(path: Path) -> str:
    """``path`` for DuckDB: absolute, and with nothing in it that stands for other files."""
    text = str(path.absolute())
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _parsed(lines: Iterator[bytes]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = parse_json(line)
        except ValueError as error:
            reason = f"line {number} is not JSON: {error}"
            yield Row(number, {}, reason, line.decode(errors="replace"))
            continue
        if type(values) is dict:
            yield Row(number, values)
        else:
            text = line.decode(errors="replace")
            yield Row(number, {}, f"line {number} is not a JSON object", text)


def _lines(descriptor: int, idle: Idle) -> Iterator[bytes]:
    """Lines as they come. A read that waits for more lets a signal be noticed."""
    rest = b""
    number = 0
    while True:
        while not select.select([descriptor], [], [], _SLICE)[0]:
            if not idle():
                return
        chunk = os.read(descriptor, _CHUNK_BYTES)
        *whole, rest = (rest + chunk).split(b"\n")
        number += len(whole)
        yield from whole
        if len(rest) > _LONGEST_LINE:
            raise UserError(
                f"line {number + 1} has more than {_LONGEST_LINE} bytes; expected one JSON object "
                "a line"
            )
        if not chunk:
            if rest:
                yield rest
            return
