"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

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
