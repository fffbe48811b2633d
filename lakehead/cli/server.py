"""serve, token."""

from pathlib import Path
from typing import Annotated

import typer

from lakehead.cli.options import Home, Json
from lakehead.cli.render import err, out, print_json, table
from lakehead.settings import load_settings

_PANEL = "Query"


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead token new ann   ·   lakehead serve   ·   "
        "psql -h 127.0.0.1 -p 19100 -U ann lakehead",
    )(serve)
    token = typer.Typer(
        help="Who may ask the query server, as what, and how much.", no_args_is_help=True
    )
    token.command(
        epilog="lakehead token new ann   ·   lakehead token new shop --role reader "
        "--tables 'marts.*' --max-rows 10000"
    )(new)
    token.command("list")(list_)
    token.command(epilog="lakehead token revoke ann")(revoke)
    app.add_typer(token, name="token", rich_help_panel=_PANEL)


def serve(
    home: Home = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            help="Port for PostgreSQL's protocol.", min=0, max=65535, show_default="the home's"
        ),
    ] = None,
    http_port: Annotated[
        int | None, typer.Option(help="Port for HTTP.", min=0, max=65535, show_default="the home's")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate chain, PEM; then only TLS is spoken.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without TLS.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(help="Queries at once.", min=1, max=256, show_default="one by core, 4 to 8"),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds that a query may take.", min=0.1, max=86_400)
    ] = 60.0,
    memory_mb: Annotated[
        int | None,
        typer.Option(
            help="Memory of one query.", min=64, max=2**20, show_default="an eighth of the machine"
        ),
    ] = None,
) -> None:
    """Answer SQL over the lake to psql, BI tools, Python and HTTP, until Ctrl-C."""
    import asyncio
    from dataclasses import replace

    from lakehead.server.limits import Limits
    from lakehead.server.serve import Listening, Server
    from lakehead.server.serve import serve as run
    from lakehead.server.tokens import listed

    settings = load_settings(home)
    limits = Limits(timeout_seconds=timeout)
    if workers is not None:
        limits = replace(limits, workers=workers)
    if memory_mb is not None:
        limits = replace(limits, memory_bytes=memory_mb * 2**20)
    listening = Listening(host, port, http_port, tls_cert, tls_key, insecure, limits)

    def say(server: Server) -> None:
        scheme = "https" if tls_cert else "http"
        out().print(f"SQL:   psql -h {host} -p {server.port} -U TOKEN_NAME lakehead")
        out().print(f"HTTP:  {scheme}://{host}:{server.http_port}/query")
        if not listed(settings):
            err().print("There is no token yet.  Make one:  lakehead token new NAME")

    asyncio.run(run(settings, listening, say))


def new(
    name: Annotated[str, typer.Argument(help="Who or what it is for; the user name in psql.")],
    role: Annotated[
        str, typer.Option(help="reader: landing and marts. operator: all tables, and /metrics.")
    ] = "reader",
    tables: Annotated[
        str | None,
        typer.Option(
            help="Only these tables, such as 'marts.*,landing.orders'.", show_default="the role's"
        ),
    ] = None,
    max_rows: Annotated[
        int | None, typer.Option(help="Most rows of an answer.", min=1, show_default="the role's")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Make a token. Its secret is shown now, and never again."""
    from lakehead.server import tokens

    settings = load_settings(home)
    patterns = [p.strip() for p in (tables or "").split(",") if p.strip()]
    secret = tokens.new(settings, name, role, patterns, max_rows)
    if json_:
        print_json({"name": name, "role": role, "token": secret})
        return
    err().print(f"The token of {name}, role {role}; it is shown once:")
    typer.echo(secret)


def list_(home: Home = None, json_: Json = False) -> None:
    """Show the tokens, without their secrets."""
    from lakehead.server import tokens

    found = tokens.listed(load_settings(home))
    if json_:
        print_json(
            [
                {"name": t.name, "role": t.role, "tables": t.tables, "max_rows": t.max_rows}
                | {"created": t.created}
                for t in found
            ]
        )
        return
    if not found:
        out().print("There is no token yet.  Make one:  lakehead token new NAME")
        return
    table(
        "Tokens",
        ["name", "role", "tables", "max rows", "created"],
        [[t.name, t.role, ", ".join(t.tables), t.max_rows, t.created] for t in found],
    )


def revoke(
    name: Annotated[str, typer.Argument(help="The token's name.")], home: Home = None
) -> None:
    """Take a token back; what it has open is asked no more."""
    from lakehead.server import tokens

    tokens.revoke(load_settings(home), name)
    out().print(f"The token {name} is revoked.")
