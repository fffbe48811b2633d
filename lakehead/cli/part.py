"""part run, part check."""

from typing import Annotated

import typer

from lakehead.cli.options import Home, Json
from lakehead.cli.render import out, print_json, steps, table
from lakehead.settings import load_settings

_PANEL = "Stack"


def complete_part(incomplete: str) -> list[str]:
    """The parts to run that begin so, for a shell to complete."""
    from lakehead.stack.part import PARTS

    return [name for name in PARTS if name.startswith(incomplete)]


def complete_any(incomplete: str) -> list[str]:
    """As `complete_part`, with those that cannot be run alone."""
    from lakehead.stack.health import ALL

    return [name for name in ALL if name.startswith(incomplete)]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        help="Run one part of a stack by itself, such as in a container.", no_args_is_help=True
    )
    group.command(
        epilog="lakehead part run kafka   ·   "
        "lakehead part run taskmanager -- -Dtaskmanager.rpc.port=0"
    )(run)
    group.command(epilog="lakehead part prepare registry")(prepare)
    group.command(epilog="lakehead part check   ·   lakehead part check kafka")(check)
    app.add_typer(group, name="part", rich_help_panel=_PANEL)


Name = Annotated[
    str, typer.Argument(help="kafka, jobmanager, taskmanager...", autocompletion=complete_part)
]


def run(
    name: Name,
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Added to its command, after --.")
    ] = None,
    home: Home = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the command and what is set for it.")
    ] = False,
    json_: Json = False,
) -> None:
    """Prepare a part and become it, in the foreground, its log on the terminal."""
    from lakehead.stack import part

    settings = load_settings(home)
    if not dry_run:
        part.run(settings, name, arguments or [])
    found = part.program(settings, name, arguments or [])
    if json_:
        print_json({"part": name, "command": found.command, "environment": dict(found.environment)})
        return
    import shlex

    for key, value in found.environment.items():
        typer.echo(f"{key}={shlex.quote(value)} \\")
    typer.echo(shlex.join(found.command))


def prepare(name: Name, home: Home = None) -> None:
    """Write what a part reads at its start, and fetch what it needs, without starting it."""
    from lakehead.stack import part

    with steps(f"preparing {name}") as view:
        part.prepare(load_settings(home), name, view.say)
    out().print(f"{name} is prepared.")


def check(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Only this part.", autocompletion=complete_any, show_default="all of the home"
        ),
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Tell whether parts answer, whoever started them; exit code 1 where one does not."""
    from lakehead.stack import health, part

    settings = load_settings(home)
    if name is not None:
        part.check_name(name, health.ALL)
    wanted = [name] if name else health.wanted(settings)
    found = {each: health.answers(settings, each) for each in wanted}
    if json_:
        print_json({"answers": found})
    else:
        table(f"Parts of {settings.home}", ["part", "answers"], [[n, a] for n, a in found.items()])
    if not all(found.values()):
        raise typer.Exit(1)
