"""Every command in the README works, in the order in which it stands there."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Stack

pytestmark = pytest.mark.integration


def commands() -> list[list[str]]:
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_every_command_of_the_readme_works(new_stack: Callable[[], Stack], tmp_path: Path) -> None:
    listed = commands()
    assert ["lakehead", "up"] in listed
    assert ["lakehead", "down"] in listed
    # Some of them write files, which the checkout is to be spared; one model is enough.
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "pipelines").mkdir()
    shutil.copy(ROOT / "pipelines" / "revenue_by_country.sql", tmp_path / "pipelines")
    # Beside the stack that the other tests share: two homes, two port bases.
    own = new_stack().of(tmp_path)
    own.ok("up", "--port-base", str(own.port_base))
    for program, *args in listed:
        assert program == "lakehead"
        own.ok(*args)


def test_make_targets_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make ([a-z-]+)$", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
