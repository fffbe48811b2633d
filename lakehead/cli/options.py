"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

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


def submit_hint(settings: Settings) -> str:
    """The command that starts a first stream of the project, or makes one."""
    from lakehead.contracts.load import contract_names

    names = contract_names(settings.schemas)
    if not names:
        return "lakehead contract new NAME"
    return f"lakehead submit {'orders' if 'orders' in names else names[0]}"


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
Models = Annotated[
    list[str] | None,
    typer.Argument(help="Models; all by default.", autocompletion=complete_model),
]
