"""export, attach."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json, complete_table
from lakehead.cli.render import out, print_json, steps
from lakehead.errors import UserError
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakehead.query.export import Exported

_PANEL = "Query"
_MIB = 2**20
_TOOLS = "duckdb, spark, trino, pyiceberg, python"


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead export landing.orders --to orders.parquet   ·   "
        "lakehead export 'marts.*' --to marts/ --format csv   ·   "
        "lakehead export '*' --to lake.duckdb   ·   "
        "lakehead export --sql 'FROM marts.revenue_by_country' --to revenue.csv",
    )(export)
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead attach duckdb > lake.sql   ·   lakehead attach pyiceberg",
    )(attach)


def export(
    to: Annotated[Path, typer.Option("--to", help="A file, or a folder for a file a table.")],
    tables: Annotated[
        list[str] | None,
        typer.Argument(
            help="Tables; * and ? stand for any letters.",
            show_default=False,
            autocompletion=complete_table,
        ),
    ] = None,
    home: Home = None,
    sql: Annotated[
        str | None, typer.Option("--sql", help="The answer to this, not tables.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="As of query; for --sql.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="parquet, csv or duckdb.",
            show_default="by the name; parquet in a folder",
        ),
    ] = None,
    as_: Annotated[
        str,
        typer.Option(
            "--as", help="In a DuckDB file: data, or views that read the lake's own files."
        ),
    ] = "data",
    as_of: Annotated[
        str | None, typer.Option(help="A moment, as of query.", show_default="now")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    json_: Json = False,
) -> None:
    """Copy tables, or an answer, to files that others can serve from."""
    from lakehead.lake.as_of import parse_as_of
    from lakehead.query.export import Wanted, choose_format
    from lakehead.query.export import export as export_tables
    from lakehead.query.parameters import parse_parameters

    if as_ not in ("data", "views"):
        raise UserError(f"--as is {as_!r}, expected data or views")
    wanted = Wanted(
        to=to,
        format=choose_format(to, format_),
        tables=tables or (),
        sql=sql,
        params=parse_parameters(param or ()),
        as_of=None if as_of is None else parse_as_of(as_of),
        views=as_ == "views",
        force=force,
    )
    with steps(f"exporting to {to}"):
        done = export_tables(load_settings(home), wanted)
    if json_:
        print_json(done)
    else:
        _show(done, wanted.views)


def attach(
    tool: Annotated[
        str | None, typer.Argument(help=f"One of {_TOOLS}.", show_default="which there are")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Print what another tool needs to open the same lake, for reading."""
    from lakehead.query.attach import TOOLS
    from lakehead.query.attach import attach as attach_text

    if tool is None:
        if json_:
            print_json({"tools": TOOLS})
        else:
            typer.echo("\n".join(f"lakehead attach {each}" for each in TOOLS))
        return
    settings = load_settings(home)

    def spark() -> "Mapping[str, str]":
        from lakehead.jobs.spark import session

        return session(settings)

    text = attach_text(settings, tool, spark)
    if json_:
        print_json({"tool": tool, "text": text})
    else:
        typer.echo(text)


def _show(done: "Exported", views: bool) -> None:
    rows = "" if done.rows is None else f"{done.rows:,} rows, "
    lines = [f"{done.to}: {rows}{done.bytes / _MIB:,.1f} MiB"]
    lines += [f"  {name}: snapshot {at or '-'}" for name, at in done.snapshots.items()]
    lines += [f"  {name} was copied: its files need more than a view" for name in done.copied]
    if views:
        lines.append("The files that it reads go when their snapshots expire; a tag keeps them.")
    out().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
