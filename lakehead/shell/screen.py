"""The shell that takes the whole screen: Harlequin, which is an optional part."""

import importlib.util
import os
import sys

from lakehead.errors import UserError
from lakehead.lake.snapshots import list_tables
from lakehead.settings import Settings

INSTALL = ".tools/uv/bin/uv sync --frozen --extra tui"


def run_screen(settings: Settings) -> None:
    """Become Harlequin over this home; does not come back.

    Raises:
        UserError: it is not installed, or there is no lake.
    """
    if importlib.util.find_spec("harlequin") is None:
        raise UserError("the full-screen shell needs Harlequin, which is not installed", INSTALL)
    list_tables(settings)
    command = ["-m", "harlequin", "--adapter", "lakehead", str(settings.home)]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *command])
