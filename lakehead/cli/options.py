"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer


def complete_stream(incomplete: str) -> list[str]:
    """The streams that begin so, for a shell to complete; none where the project is unreadable."""
    from lakehead.contracts.load import contract_names
    from lakehead.settings import find_project

    try:
        names = contract_names(find_project(Path.cwd()) / "schemas")
    except OSError:
        return []
    return [name for name in names if name.startswith(incomplete)]


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
