"""What the documents say of commands, folders and layers is so."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lakehead.cli.main import app
from tests.conftest import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docker-compose.yml")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
# A command at the beginning of a line of code, after a prompt, a variable or another command; one
# in a container; or one within backquotes.
_CALL = re.compile(
    r"(?:^(?: {4}|# {3}|\$ )(?:.*[ /\"(])?|`)(?:lakehead|run --rm cli)((?: [^`|&;#)\n]*)?)",
    re.MULTILINE,
)


def calls(page: Path) -> Iterator[list[str]]:
    """The words of each command that a page shows."""
    for match in _CALL.finditer(page.read_text()):
        try:
            words = shlex.split(match[1])
        except ValueError:
            # What was cut lies within quotes.
            words = match[1].split()
        if words and re.fullmatch(r"[a-z][a-z-]*", words[0].removeprefix("--")):
            yield words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    root: Any = typer.main.get_command(app)
    for words in calls(page):
        command, rest = root, list(words)
        while hasattr(command, "commands") and rest and rest[0] in command.commands:
            command = command.commands[rest.pop(0)]
        assert command is not root or rest[0].startswith("-"), words
        options = ((*parameter.opts, *parameter.secondary_opts) for parameter in command.params)
        known = {"--help", "-h"}.union(*options)
        given = rest[: rest.index("--")] if "--" in rest else rest
        for word in given:
            if re.match(r"--[a-z]|-[a-z]$", word):
                assert word.split("=")[0].rstrip(".,:") in known, words


def test_the_folders_of_a_home_are_those_of_the_reference() -> None:
    text = (ROOT / "docs" / "reference.md").read_text().split("\n## A home\n")[1]
    told = set(re.findall(r"^\| `([\w.-]+)/?` \|", text, re.MULTILINE))
    made = set()
    for path in (ROOT / "lakehead").rglob("*.py"):
        made |= set(re.findall(r"(?:self|settings)\.home / \"([\w.-]+)\"", path.read_text()))
    # Written and removed again at once.
    assert made - {".writable"} <= told
    # Written by a DAG, and by its failures.
    assert told - made == {"alerts.jsonl", "exports"}


def test_contributing_has_the_layers_and_every_folder() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [layer.replace("lakehead.", "") for layer in rules["contracts"][0]["layers"]]
    assert "\n".join(f"    {layer}" for layer in layers) in text
    table = text.split("## The house")[1].split("Imports go down")[0]
    for name in re.findall(r"\w+", " ".join(layers)):
        assert re.search(rf"`(lakehead/)?{name}(/|\.py)`", table), name
