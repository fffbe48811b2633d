"""Any text as Markdown that shows it and means nothing else, in a paragraph or in a table."""

import re
from collections.abc import Sequence

_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~!&$^@]|:(?=//))")
# What begins a list, a heading or a rule at a line's start.
_START = re.compile(r"^(\d*)([-+=.)])")


def text(value: str) -> str:
    """``value`` on one line, its signs escaped."""
    line = _SIGNS.sub(r"\\\1", _one_line(value))
    return _START.sub(r"\1\\\2", line)


def code(value: str) -> str:
    """``value`` as code on one line, safe in a table too."""
    line = _one_line(value).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    if not line.strip():
        return '`""`'
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def block(value: str, language: str = "") -> str:
    """``value`` as a block of code."""
    longest = max((len(run) for run in re.findall(r"`+", value)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{value.rstrip()}\n{fence}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _one_line(value: str) -> str:
    return " ".join(value.split())
