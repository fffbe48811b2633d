"""query."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home
from lakehead.cli.render import err
from lakehead.errors import UserError
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from lakehead.lake.as_of import AsOf
    from lakehead.query.result import Result
    from lakehead.settings import Settings


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel="Query",
        epilog="lakehead query 'SHOW TABLES'   ·   "
        "lakehead query 'SELECT count(*) FROM landing.orders' --format json   ·   "
        "lakehead query 'FROM marts.revenue_by_country' -o revenue.parquet   ·   "
        "lakehead query 'FROM landing.orders WHERE country = $c' -p c=France   ·   "
        "lakehead query 'FROM marts.revenue_by_country' --as-of '15 minutes ago'   ·   "
        "lakehead query 'FROM marts.revenue_by_country' --live   ·   "
        "lakehead query 'FROM marts.revenue_by_country' --diff '1 hour ago..now'",
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
            help="table, csv, json, jsonl, markdown, arrow or parquet; by the file's name with -o.",
            show_default="table",
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
    limit: Annotated[int, typer.Option(help="Rows shown in a table.", min=1)] = 100,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            help="NAME=VALUE for $name, or VALUE for ?, as often as needed. Numbers, true, false "
            "and null are those; else it is text.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Read the tables as of a tag, a time (ISO-8601, or '15 minutes ago'), or "
            "snapshots (ID, or TABLE=ID,...).",
            show_default="now",
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Up to the last event in Kafka, and marts with their open windows."
        ),
    ] = False,
    diff: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST..SECOND",
            help="Rows removed (-) and added (+) from one moment to another: each as for --as-of, "
            "or now.",
        ),
    ] = None,
    certificate: Annotated[
        bool,
        typer.Option(
            "--certificate",
            help="Say in JSON what the answer was made of: beside the rows in JSON, in "
            "FILE.certificate.json with -o, else on the error stream.",
        ),
    ] = False,
) -> None:
    """Ask the lake in SQL (DuckDB). Needs nothing else running, but Kafka for --live."""
    from lakehead.query.output import check_format, format_for, write
    from lakehead.query.parameters import parse_parameters

    settings = load_settings(home)
    chosen = format_ or ("json" if json_ else format_for(output) if output else "table")
    check_format(chosen)
    text = _text(sql, file)
    params = parse_parameters(param or ())
    with _answer(settings, text, params, live, as_of, diff) as result:
        if certificate:
            _write_certified(settings, text, result, chosen, output, limit)
            return
        write(result, chosen, output, limit=limit)
        if chosen == "table":
            _say_how_fresh(result)


@contextmanager
def _answer(
    settings: "Settings",
    sql: str,
    params: "Sequence[object] | Mapping[str, object] | None",
    live: bool,
    as_of: str | None,
    diff: str | None,
) -> "Iterator[Result]":
    from lakehead.lake.as_of import parse_as_of, parse_moments
    from lakehead.query import engine

    if sum([live, as_of is not None, diff is not None]) > 1:
        raise UserError("expected one of --live, --as-of and --diff")
    if live:
        from lakehead.live.live import Live

        with Live(settings) as lake, lake.run(sql, params) as result:
            yield result
    elif diff is not None:
        with engine.diff(settings, sql, *parse_moments(diff), params) as result:
            yield result
    else:
        moment = parse_as_of(as_of) if as_of is not None else None
        with engine.run(settings, sql, params, as_of=moment) as result:
            if moment is not None:
                _say_what_is_read(moment, result)
            yield result


def _write_certified(
    settings: "Settings", sql: str, result: "Result", format: str, path: Path | None, limit: int
) -> None:
    import json

    from lakehead.files import write_whole
    from lakehead.live.certificate import certify_answer
    from lakehead.query.output import write

    said = json.dumps(certify_answer(settings, sql, result).as_json(), indent=2)
    if path is None and format == "json":
        sys.stdout.write('{"rows": ')
        write(result, format)
        sys.stdout.write(f', "certificate": {said}}}\n')
        return
    write(result, format, path, limit=limit)
    if path is not None:
        write_whole(path.with_name(f"{path.name}.certificate.json"), f"{said}\n")
    else:
        sys.stderr.write(f"{said}\n")


def _say_how_fresh(result: "Result") -> None:
    for name, fresh in sorted(result.freshness.items()):
        newest = fresh.newest_event_time
        age = f", {fresh.age_seconds:.1f} s before it was read" if newest else ""
        parts = [
            f"newest event {newest.isoformat() if newest else 'none'}{age}",
            f"offsets {_offsets(fresh.offsets)}",
            f"{fresh.tail_rows} rows from Kafka",
        ]
        if fresh.open_rows is not None:
            closed = fresh.closed_until.isoformat() if fresh.closed_until else "never"
            parts.append(f"closed until {closed}, {fresh.open_rows} rows open")
        if fresh.gone:
            parts.append(f"Kafka has dropped {_offsets(fresh.gone)} that the lake has not")
        line = f"{name}: {'; '.join(parts)}"
        err().print(line, markup=False, highlight=False, soft_wrap=True)


def _offsets(offsets: "Mapping[str, int]") -> str:
    return " ".join(f"{p}:{o}" for p, o in offsets.items()) or "none"


def _say_what_is_read(moment: "AsOf", result: "Result") -> None:
    console = err()
    lines = [f"as of {moment}"]
    for name, state in sorted(result.tables.items()):
        at = state.committed_at
        assert at
        lines.append(f"  {name}: snapshot {state.snapshot_id}, committed {at.isoformat()}")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _text(sql: str | None, file: Path | None) -> str:
    if (sql is None) == (file is None):
        raise UserError("expected SQL, as an argument or by --file", "lakehead query 'SHOW TABLES'")
    if sql is not None:
        return sql
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()  # type: ignore[union-attr]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
