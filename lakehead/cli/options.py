"""Options that several commands have, and what they demand."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from lakehead.errors import NotRunning, UserError
from lakehead.settings import Settings


def complete_stream(incomplete: str) -> list[str]:
    """The streams that begin so, for a shell to complete; none where the project is unreadable."""
    from lakehead.contracts.load import contract_names
    from lakehead.settings import find_project

    try:
        names = contract_names(find_project(Path.cwd()) / "schemas")
    except OSError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def complete_model(incomplete: str) -> list[str]:
    """The models that begin so, as `complete_stream`."""
    from lakehead.models.model import model_names
    from lakehead.settings import find_project

    try:
        names = model_names(find_project(Path.cwd()) / "pipelines")
    except OSError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def complete_table(context: typer.Context, incomplete: str) -> list[str]:
    """The tables of the lake that begin so, as `complete_stream`."""
    from lakehead.errors import LakeheadError
    from lakehead.lake.snapshots import list_tables
    from lakehead.settings import load_settings

    try:
        names = list_tables(load_settings(context.params.get("home")))
    except (LakeheadError, OSError):
        return []
    return [name for name in names if name.startswith(incomplete)]


def submit_hint(settings: Settings) -> str:
    """The command that starts a first stream of the project, or makes one."""
    from lakehead.contracts.load import contract_names

    names = contract_names(settings.schemas)
    if not names:
        return "lakehead contract new NAME"
    return f"lakehead submit {'orders' if 'orders' in names else names[0]}"


def require_up(settings: Settings) -> None:
    """Raises NotRunning when no stack of this home runs."""
    from lakehead.stack.holding import is_up

    if not is_up(settings):
        raise NotRunning(f"the stack of {settings.home} is down", "lakehead up")


Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="LAKEHEAD_HOME",
        help="State directory of the stack.",
        show_default=".lakehead in the project",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Streams = Annotated[
    list[str] | None,
    typer.Argument(
        help="Streams; all that have a contract by default.", autocompletion=complete_stream
    ),
]
Master = Annotated[
    str | None,
    typer.Option(
        "--master",
        help="Where Spark runs, such as spark://host:7077.",
        show_default="the home's spark_master, else here",
    ),
]
Submitted = Annotated[
    list[str] | None,
    typer.Argument(
        help="Streams; all that were submitted by default.", autocompletion=complete_stream
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Argument(help="Models; all by default.", autocompletion=complete_model),
]
From = Annotated[
    str | None,
    typer.Option("--from", help="Windows that begin then or later (ISO-8601, UTC)."),
]
To = Annotated[
    str | None, typer.Option("--to", help="Windows that begin before then (ISO-8601, UTC).")
]


def moment(option: str, text: str | None) -> datetime | None:
    """The time that an option says, in UTC where it names no zone; None where it is not given.

    Raises:
        UserError: it is no time.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} is {text!r}, expected a time such as 2026-01-31T10:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def with_master(settings: Settings, master: str | None) -> Settings:
    """The settings, with Spark elsewhere where ``--master`` says so."""
    if master is None:
        return settings
    return replace(settings, tuning=replace(settings.tuning, spark_master=master))
