"""shell."""

from typing import Annotated

import typer

from lakehead.cli.options import Home
from lakehead.errors import UserError
from lakehead.settings import load_settings


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel="Query",
        epilog="lakehead shell   ·   lakehead shell --as-of '15 minutes ago'   ·   "
        "lakehead shell --tui",
    )(shell)


def shell(
    home: Home = None,
    as_of: Annotated[
        str | None, typer.Option(help="Begin as of a moment, as of query.", show_default="now")
    ] = None,
    tui: Annotated[bool, typer.Option("--tui", help="The full-screen shell, Harlequin.")] = False,
) -> None:
    """Ask again and again, with completion and history. SQL on a pipe is run, and that is all."""
    from lakehead.lake.as_of import parse_as_of

    settings = load_settings(home)
    moment = parse_as_of(as_of) if as_of is not None else None
    if tui:
        from lakehead.shell.screen import run_screen

        if moment is not None:
            raise UserError("--as-of is of the plain shell", "lakehead shell --as-of ...")
        run_screen(settings)
        return
    from lakehead.shell.prompt import run_shell

    run_shell(settings, moment)
