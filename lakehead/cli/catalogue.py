"""tables, describe, sample."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json, complete_table
from lakehead.cli.render import out, print_json, short_time
from lakehead.cli.render import table as show_table
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from lakehead.query.catalogue import Listed
    from lakehead.query.describe import Described

_PANEL = "Query"
_MIB = 2**20
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
# What lakehead gives every table, and what each commit writes anew, is not worth a line.
_USUAL = ("write.", "commit.", "format-version")

Table = Annotated[str, typer.Argument(help="A table.", autocompletion=complete_table)]


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead tables   ·   lakehead tables 'marts.*'   ·   lakehead tables --json",
    )(tables)
    app.command(rich_help_panel=_PANEL, epilog="lakehead describe landing.orders")(describe)
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead sample landing.orders   ·   lakehead sample landing.orders -n 3 --json",
    )(sample)


def tables(
    pattern: Annotated[
        str | None,
        typer.Argument(
            help="A part of the name, or all of it with * and ?.",
            show_default="all",
            autocompletion=complete_table,
        ),
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """List the lake's tables: rows, files, bytes, and how fresh each is."""
    from lakehead.query.catalogue import tables as list_tables

    found = list_tables(load_settings(home), pattern)
    if json_:
        print_json({"tables": found})
        return
    show_table(
        "",
        ["table", "rows", "files", "MiB", "newest commit (UTC)", "age"],
        [_line(each) for each in found],
    )


def describe(table: Table, home: Home = None, json_: Json = False) -> None:
    """Say what a table is: columns, layout, snapshots, and who writes it."""
    from lakehead.query.describe import describe as describe_table

    found = describe_table(load_settings(home), table)
    if json_:
        print_json(found)
        return
    console = out()
    for line in _facts(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    comments = any(c.comment for c in found.columns)
    show_table(
        "",
        ["column", "type", "null", *(["comment"] if comments else [])],
        [
            [c.name, c.type, "yes" if c.nullable else "no", *([c.comment] if comments else [])]
            for c in found.columns
        ],
    )


def sample(
    table: Table,
    home: Home = None,
    rows: Annotated[int, typer.Option("--rows", "-n", help="How many.", min=1)] = 10,
    format_: Annotated[
        str, typer.Option("--format", help="table, csv, json, jsonl, markdown, arrow, parquet.")
    ] = "table",
    json_: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
) -> None:
    """Show some rows of a table: those that are found first."""
    from lakehead.query.catalogue import sample as sample_table
    from lakehead.query.output import check_format, write

    chosen = "json" if json_ else format_
    check_format(chosen)
    with sample_table(load_settings(home), table, rows) as result:
        write(result, chosen, limit=rows)


def _line(each: "Listed") -> list[object]:
    size = None if each.bytes is None else round(each.bytes / _MIB, 1)
    at, age = short_time(each.committed_at), _age(each.age_seconds)
    return [each.table, each.rows, each.files, size, at, age]


def _age(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    size, unit = next((a for a in _AGES if seconds >= a[0]), _AGES[-1])
    return f"{max(0, int(seconds // size))} {unit}"


def _facts(found: "Described") -> list[str]:
    listed, origin = found.table, found.origin
    rows = "-" if listed.rows is None else f"{listed.rows:,}"
    size = "-" if listed.bytes is None else f"{listed.bytes / _MIB:,.1f} MiB"
    facts = {
        "from": f"{origin.kind} {origin.file or origin.name}".strip(),
        "": origin.what,
        "rows": f"{rows}, files {listed.files or 0:,}, {size}",
        "newest": f"{short_time(listed.committed_at)} UTC, {_age(listed.age_seconds)} ago"
        if listed.committed_at
        else "nothing was committed yet",
        "snapshots": f"{found.snapshots}, since {short_time(found.oldest_snapshot_at)} UTC"
        if found.snapshots
        else "none",
        "tags": ", ".join(found.tags),
        "layout": _layout(found),
        "location": found.location,
        **{k: v for k, v in found.properties.items() if not k.startswith(_USUAL)},
    }
    width = max(len(name) for name in facts)
    return [found.table.table, *(f"  {k:<{width}}  {v}" for k, v in facts.items() if v)]


def _layout(found: "Described") -> str:
    parts = [f"Iceberg v{found.format_version}"]
    if found.partitioned_by:
        parts.append(f"partitioned by {', '.join(found.partitioned_by)}")
    if found.sorted_by:
        parts.append(f"sorted by {', '.join(found.sorted_by)}")
    return ", ".join(parts)
