"""The stack that integration and recovery tests share: started once, on free ports, in a state
directory of its own, and stopped by its own process ids, after a failure too."""

import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest

from lakehead.settings import Ports, Settings, load_settings
from lakehead.stack.supervisor import leftover_processes
from tests.draws import SEARCH, draws
from tests.forked import run_command

ROOT = Path(__file__).parent.parent
# No deadline: what an example takes says more of the machine than of the code. The same examples
# in every run, so that what passed here passes in CI; `make test-search` draws others.
hypothesis.settings.register_profile(
    "lakehead", deadline=None, derandomize=not SEARCH, max_examples=draws(100), print_blob=True
)
hypothesis.settings.load_profile("lakehead")
PORTS_OF_A_STACK = len(Ports().all())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests without engines first, then those with a stack of their own, then those that share one:
    each stack runs while it is needed, and takes no time from the others."""

    def needs(item: pytest.Item) -> tuple[bool, bool]:
        fixtures = getattr(item, "fixturenames", ())
        return "stack" in fixtures, "new_stack" in fixtures

    items.sort(key=needs)


def pytest_collection_finish() -> None:
    """What imports and collection left stays to the end: the collector need not walk it again."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Stack:
    """A running stack, driven as a person would: by its command line."""

    home: Path
    port_base: int
    project: Path = ROOT

    def of(self, project: Path) -> "Stack":
        """The same stack, asked from another project."""
        return replace(self, project=project)

    @property
    def settings(self) -> Settings:
        return replace(load_settings(self.home), project=self.project)

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "lakehead.cli", *args]

    def environment(self) -> dict[str, str]:
        return os.environ | {"LAKEHEAD_HOME": str(self.home), "COLUMNS": "120"}

    def run(self, *args: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        return run_command(args, self.environment(), self.project, timeout)

    def ok(self, *args: str) -> str:
        """Standard output of a command that must succeed."""
        done = self.run(*args)
        assert done.returncode == 0, f"lakehead {' '.join(args)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *args: str) -> Any:
        return json.loads(self.ok(*args, "--json"))

    def audit(self, stream: str) -> dict[str, Any]:
        """The counts of one stream, once all that was produced is there."""
        return dict(self.json("audit", stream, "--wait", "200")["streams"][stream])

    def start(self, *args: str) -> "subprocess.Popen[str]":
        """A command in the background."""
        return subprocess.Popen(
            self.command(*args),
            env=self.environment(),
            cwd=self.project,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pid(self, part: str) -> int:
        parts = {p["name"]: p["pid"] for p in self.json("status")["parts"]}
        return int(parts[part])


def wait_until(
    condition: Callable[[], object],
    what: str | Callable[[], str],
    deadline_seconds: float = 120,
) -> None:
    """Wait for a condition; on the deadline fail with what was missing."""
    end = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() > end:
            missing = what if isinstance(what, str) else what()
            pytest.fail(f"after {deadline_seconds:.0f} s still missing: {missing}")
        time.sleep(0.1)


def free_port_base() -> int:
    """A base from which on enough ports are free now."""
    for base in range(24_000 + os.getpid() % 500 * 20, 60_000, 20):
        probes = [socket.socket() for _ in range(PORTS_OF_A_STACK)]
        try:
            for i, probe in enumerate(probes):
                probe.bind(("127.0.0.1", base + i))
            return base
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    raise RuntimeError("no free ports")


@pytest.fixture(autouse=True, scope="session")
def _sigint_is_heard() -> None:
    """A run that a shell started in the background has inherited an ignored SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def new_stack() -> Iterator[Callable[[], Stack]]:
    """Makes stacks that are not up yet; what was left running of them is ended afterwards."""
    stacks: list[Stack] = []

    def make() -> Stack:
        home = Path(tempfile.mkdtemp(prefix="lakehead-test-"))
        stacks.append(Stack(home, free_port_base()))
        return stacks[-1]

    yield make
    left = {}
    for stack in stacks:
        stack.run("down")
        left[stack.home] = leftover_processes(stack.home)
        for process in left[stack.home]:
            process.kill()
        psutil.wait_procs(left[stack.home], timeout=10)
        if "LAKEHEAD_KEEP" not in os.environ:
            shutil.rmtree(stack.home, ignore_errors=True)
    assert not any(left.values()), f"down left processes behind: {left}"


@pytest.fixture(scope="session")
def stack(new_stack: Callable[[], Stack], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack that tests share, up, with the job of ``orders`` running.

    Its project has one model: what the gallery's ten need of memory and time, other tests are to be
    spared.
    """
    project = tmp_path_factory.mktemp("shop")
    shutil.copytree(ROOT / "schemas", project / "schemas")
    (project / "pipelines").mkdir()
    shutil.copy(ROOT / "pipelines" / "revenue_by_country.sql", project / "pipelines")
    shared = new_stack().of(project)
    shared.ok("up", "--port-base", str(shared.port_base))
    shared.ok("submit", "orders")
    # A few events first: with them there is a watermark that later ones can be late to.
    shared.ok("produce", "orders", "--events", "2000", "--rate", "2000")
    shared.json("audit")
    return shared
