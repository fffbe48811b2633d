"""docker-compose.yml as it is read, and its services as plain processes of this machine."""

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}|(?P<bare>\w+))"
)
_IN_IMAGE = "/opt/lakehead"
_PACKAGES_IN_IMAGE = f"{_IN_IMAGE}/.venv/lib/python3.11/site-packages"


def variables(text: str) -> dict[str, str | None]:
    """The variables that the file asks for, with their defaults; None where it demands one."""
    found = {}
    for match in _VARIABLE.finditer(text):
        if name := match["name"] or match["bare"]:
            found[name] = match["rest"] if match["kind"] == "-" else None
    return found


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """As compose does it, for what this file uses: ``${A:-default}``, ``${A:?message}``, ``$$``."""

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["name"] or match["bare"]
        found = values.get(name, "")
        if found:
            return found
        if match["kind"] == "-":
            return match["rest"]
        raise LookupError(f"{name} is missing: {match['rest']}")

    return _VARIABLE.sub(value, text)


def example_values() -> dict[str, str]:
    """What .env.example says, and a word for each secret that it leaves empty."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return {name: value or f"test-{name.lower()}" for name, value in pairs}


def load(values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The compose file with its variables set, by default as ``example_values`` says."""
    text = interpolated(FILE.read_text(), example_values() if values is None else values)
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load()["services"]
    return found


@dataclass
class Plain:
    """Services as processes: the paths of the image become those of this machine.

    What listens on all addresses in a container listens on loopback here. ``places`` are further
    words of the file, and what stands for them; ``project`` is where the processes start.
    """

    home: Path
    places: dict[str, str] = field(default_factory=dict)
    project: Path = ROOT

    def start(self, name: str, log: Path) -> "subprocess.Popen[bytes]":
        """A service's command with its environment."""
        service = services()[name]
        command = [*service.get("entrypoint", []), *service["command"]]
        with log.open("wb") as said:
            return subprocess.Popen(
                self.words(command),
                env=self.environment(name),
                stdout=said,
                stderr=said,
                cwd=self.project,
            )

    def is_healthy(self, name: str) -> bool:
        """What the service's own health check says."""
        kind, *test = services()[name]["healthcheck"]["test"]
        command = ["sh", "-c", test[0]] if kind == "CMD-SHELL" else test
        done = subprocess.run(
            self.words(command), env=self.environment(name), capture_output=True, cwd=self.project
        )
        return done.returncode == 0

    def environment(self, name: str) -> dict[str, str]:
        said = services()[name]["environment"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        mine = {"PATH": path, "PYTHONPATH": str(ROOT)}
        return os.environ | {key: self._here(value) for key, value in said.items()} | mine

    def words(self, command: list[str]) -> list[str]:
        found = [self._here(word) for word in command]
        begins = {"lakehead": [sys.executable, "-m", "lakehead.cli"], "python": [sys.executable]}
        return [*begins.get(found[0], found[:1]), *found[1:]]

    def _here(self, text: str) -> str:
        places = {
            **self.places,
            _PACKAGES_IN_IMAGE: sysconfig.get_path("purelib"),
            _IN_IMAGE: str(ROOT),
            "0.0.0.0": "127.0.0.1",
        }
        if text == "/lake":
            return str(self.home)
        for there, here in places.items():
            text = text.replace(there, here)
        return text
