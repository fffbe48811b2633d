"""query."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lakehead.cli.options import Home
from lakehead.errors import UserError
from lakehead.settings import load_settings


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel="Query",
        epilog="lakehead query 'SHOW TABLES'   ·   "
        "lakehead query 'SELECT count(*) FROM landing.orders' --format json   ·   "
        "lakehead query 'FROM marts.revenue_by_country' -o revenue.parquet",
    )(query)


def query(
    sql: Annotated[
        str | None, typer.Argument(help="One SELECT, SHOW, DESCRIBE or EXPLAIN.")
    ] = None,
    home: Home = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the SQL from a file, - is stdin.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="table, csv, json, jsonl, arrow or parquet; by the file's name with -o.",
            show_default="table",
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
    limit: Annotated[int, typer.Option(help="Rows shown in a table.", min=1)] = 100,
) -> None:
    """Ask the lake in SQL (DuckDB). Needs nothing else running."""
    from lakehead.query.engine import run
    from lakehead.query.output import check_format, format_for, write

    settings = load_settings(home)
    chosen = format_ or ("json" if json_ else format_for(output) if output else "table")
    check_format(chosen)
    with run(settings, _text(sql, file)) as result:
        write(result, chosen, output, limit=limit)


def _text(sql: str | None, file: Path | None) -> str:
    if (sql is None) == (file is None):
        raise UserError("expected SQL, as an argument or by --file", "lakehead query 'SHOW TABLES'")
    if sql is not None:
        return sql
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()  # type: ignore[union-attr]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
