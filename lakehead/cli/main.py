"""``lakehead``: the command line's entry."""

import sys
from typing import Annotated

import typer

from lakehead import __version__
from lakehead.cli import (
    catalogue,
    contract,
    dag,
    dead,
    demo,
    deploy,
    export,
    jobs,
    kafka,
    lineage,
    maintain,
    model,
    part,
    proof,
    quality,
    query,
    replay,
    server,
    shell,
    stack,
    streams,
    tags,
)
from lakehead.errors import LakeheadError

app = typer.Typer(
    name="lakehead",
    help="A streaming lakehouse on one machine that proves its answers.",
    epilog="Begin with:  lakehead demo   ·   then:  lakehead query 'SHOW TABLES'",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    *(demo, stack, part, kafka, deploy, contract, model, lineage, streams, replay, jobs),
    *(query, shell, catalogue, export, server, tags, proof, quality, dead, maintain, dag),
):
    group.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lakehead {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run; a LakeheadError becomes a message, a hint and its exit code, never a traceback."""
    try:
        app()
    except LakeheadError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        # The reader, such as head, has all it wanted.
        sys.stderr.close()
        sys.exit(0)


def _complain(error: LakeheadError) -> None:
    from rich.markup import escape

    from lakehead.cli.render import err

    console = err()
    console.print(f"[bold red]error:[/] {escape(error.message)}", highlight=False, soft_wrap=True)
    if error.hint:
        console.print(f"[bold]next:[/]  {escape(error.hint)}", highlight=False, soft_wrap=True)
