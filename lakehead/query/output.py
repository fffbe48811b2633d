"""Write an answer: to a person, or to a file that another program reads.

All but ``table`` stream: memory holds one batch, whatever the answer's size. A file appears
whole or not at all.
"""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from lakehead.errors import SystemFailure, UserError
from lakehead.query.paging import page
from lakehead.query.result import Result
from lakehead.query.text import csv_line, csv_text, json_text, shown_text

if TYPE_CHECKING:
    from rich.table import Table

SHOWN_ROWS = 100
_CELL_WIDTH = 60
_NUMBERS = ("INT", "UINT", "BIGINT", "HUGEINT", "DECIMAL", "DOUBLE", "FLOAT")
# An underscore within a word is no markup, and column names are full of them.
_MARKUP = re.compile(r"[\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_EXPLAINED = ["explain_key", "explain_value"]
_SUFFIXES = {".arrows": "arrow", ".ndjson": "jsonl", ".md": "markdown"}
# Below the rows of a table: the line that counts them, and the prompt. Above: two of the head.
_LINES_AROUND = 4


def write(
    result: Result, format: str = "table", path: Path | None = None, *, limit: int = SHOWN_ROWS
) -> int:
    """Write all of ``result`` to ``path``, else to standard output; gives the rows written.

    ``format`` is one of `FORMATS`: table (the first ``limit`` rows; in a pager where it does not
    fit the screen), csv, json (a list of objects), jsonl (an object a line), markdown (a table),
    arrow (IPC stream), parquet. How values are written is in `lakehead.query.text`. A reader that
    closes the pipe early ends the writing quietly.

    Raises:
        UserError: no such format; a binary format to a terminal; ``path`` cannot be written;
            a value that the SQL made impossible (a failed cast), which may come mid-stream.
        SystemFailure: the disk or a data file failed.
    """
    check_format(format)
    if path is not None:
        with _whole_file(path) as file:
            return _write(result, format, file, limit)
    if format in BINARY and sys.stdout.isatty():
        raise UserError(
            f"{format} is binary and would garble the terminal", f"--output answer.{format}"
        )
    if format == "table":
        return _to_table(result, sys.stdout, limit)
    try:
        sys.stdout.flush()
        rows = _write(result, format, sys.stdout.buffer, limit)
        sys.stdout.buffer.flush()
        return rows
    except BrokenPipeError:
        # The interpreter flushes once more as it ends; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def check_format(format: str) -> None:
    """Raise a UserError that lists the formats, unless ``format`` is one."""
    if format not in FORMATS:
        raise UserError(f"there is no format {format!r}; expected one of {', '.join(FORMATS)}")


def format_for(path: Path) -> str:
    """The format that a file name asks for by its suffix.

    Raises:
        UserError: the suffix is no format's.
    """
    suffix = path.suffix.lower()
    format = _SUFFIXES.get(suffix, suffix.removeprefix("."))
    if format not in FORMATS:
        own = {f".{name}" for name in FORMATS if name != "table"}
        known = ", ".join(sorted(own | _SUFFIXES.keys()))
        raise UserError(f"{path.name!r} does not say its format; expected one of {known}")
    return format


def _write(result: Result, format: str, out: BinaryIO, limit: int) -> int:
    if format == "table":
        import io

        text = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
        rows = _to_table(result, text, limit)
        text.detach()
        return rows
    return _WRITERS[format](result, out)


def _to_table(result: Result, out: IO[str], limit: int) -> int:
    rows: list[tuple[object, ...]] = []
    for chunk in result.rows(limit + 1):
        rows.extend(chunk)
        if len(rows) > limit:
            break
    if [c.name for c in result.columns] == _EXPLAINED:
        # A drawn plan: its lines are the point.
        out.writelines(f"{row[1]}\n" for row in rows)
        return len(rows)
    more, rows = len(rows) > limit, rows[:limit]
    note = f"(the first {limit} rows; there are more)" if more else f"({_counted(len(rows))})"
    _show(_drawn(result, rows), len(rows), note, out)
    return len(rows)


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _drawn(result: Result, rows: list[tuple[object, ...]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in result.columns:
        table.add_column(
            Text(shown_text(column.name)),
            justify="right" if column.type.startswith(_NUMBERS) else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=_CELL_WIDTH,
        )
    types = [column.type for column in result.columns]
    for row in rows:
        table.add_row(
            *(
                Text(shown_text(v, t), style="dim" if v is None else "")
                for v, t in zip(row, types, strict=True)
            )
        )
    return table


def _show(table: "Table", rows: int, note: str, out: IO[str]) -> None:
    """Each column as wide as it is, up to `_CELL_WIDTH`: only without a pager is more cut away."""
    import io

    from rich.console import Console

    screen = Console(file=out, highlight=False)
    natural = (_CELL_WIDTH + 3) * max(1, len(table.columns))
    if out.isatty():
        width = screen.measure(table, options=screen.options.update(width=natural)).maximum
        if width > screen.width or rows + _LINES_AROUND > screen.height:
            coloured = screen.color_system is not None
            text = io.StringIO()
            Console(file=text, width=width, force_terminal=coloured, highlight=False).print(table)
            if page(f"{text.getvalue()}{note}\n"):
                return
        screen.print(table)
    else:
        # Into a pipe or a file, no line is cut to the width of a terminal that is not there.
        Console(file=out, width=natural, highlight=False).print(table)
    out.write(f"{note}\n")


def _to_csv(result: Result, out: BinaryIO) -> int:
    types = [column.type for column in result.columns]
    out.write(csv_line(csv_text(column.name) for column in result.columns).encode())
    count = 0
    for chunk in result.rows():
        lines = (csv_line(map(csv_text, row, types)) for row in chunk)
        out.write("".join(lines).encode())
        count += len(chunk)
    return count


def _to_jsonl(result: Result, out: BinaryIO) -> int:
    count = 0
    for objects in _objects(result):
        out.write("".join(f"{line}\n" for line in objects).encode())
        count += len(objects)
    return count


def _to_json(result: Result, out: BinaryIO) -> int:
    count = 0
    out.write(b"[")
    for objects in _objects(result):
        out.write((",\n" if count else "\n").encode() + ",\n".join(objects).encode())
        count += len(objects)
    out.write(b"\n]\n" if count else b"]\n")
    return count


def _objects(result: Result) -> Iterator[list[str]]:
    columns = [(f"{json_text(column.name)}: ", column.type) for column in result.columns]
    for chunk in result.rows():
        yield [
            "{"
            + ", ".join(k + json_text(v, t) for (k, t), v in zip(columns, row, strict=True))
            + "}"
            for row in chunk
        ]


def _to_markdown(result: Result, out: BinaryIO) -> int:
    types = [column.type for column in result.columns]
    marks = ("---:" if t.startswith(_NUMBERS) else "---" for t in types)
    head = [markdown_line(shown_text(column.name) for column in result.columns)]
    out.write("".join([*head, markdown_line(marks, escaped=True)]).encode())
    count = 0
    for chunk in result.rows():
        lines = (markdown_line(map(shown_text, row, types)) for row in chunk)
        out.write("".join(lines).encode())
        count += len(chunk)
    return count


def markdown_line(cells: Iterable[str], escaped: bool = False) -> str:
    """A row of a table of GitHub's Markdown; what it would take for markup is escaped."""
    texts = cells if escaped else (_MARKUP.sub(r"\\\g<0>", cell) for cell in cells)
    return f"| {' | '.join(texts)} |\n"


def _to_arrow(result: Result, out: BinaryIO) -> int:
    import pyarrow as pa  # type: ignore[import-untyped]

    count = 0
    schema, batches = result.batches()
    with pa.ipc.new_stream(out, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _to_parquet(result: Result, out: BinaryIO) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    count = 0
    schema, batches = result.batches()
    first = next(batches, None)
    try:
        writer = pq.ParquetWriter(out, schema, compression="zstd")
    except pa.ArrowNotImplementedError as error:
        raise UserError(f"Parquet has no such column: {error}", "CAST it to VARCHAR") from error
    with writer:
        for batch in chain([first] if first else [], batches):
            writer.write_batch(batch)
            count += batch.num_rows
    return count


@contextlib.contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        file = part.open("wb")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with file:
            yield file
        part.replace(path)
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder") from error
    except OSError as error:
        raise SystemFailure(f"{path} was not written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


_WRITERS: dict[str, Callable[[Result, BinaryIO], int]] = {
    "csv": _to_csv,
    "json": _to_json,
    "jsonl": _to_jsonl,
    "markdown": _to_markdown,
    "arrow": _to_arrow,
    "parquet": _to_parquet,
}
FORMATS = ("table", *_WRITERS)
BINARY = ("arrow", "parquet")
