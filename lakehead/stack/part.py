"""One part of a stack in the foreground: what a container, or any other supervisor, runs."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from lakehead.errors import UserError
from lakehead.files import locked
from lakehead.settings import Settings
from lakehead.stack import flink, health, holding, kafka, preflight, registry
from lakehead.stack.java import java_home
from lakehead.stack.lifecycle import programs
from lakehead.stack.supervisor import Program, Supervisor

# Those of Airflow have a database beside the home in containers, and are Airflow's own to run.
_BESIDE = (registry.NAME, "query")
PARTS = (*health.CORE, *_BESIDE)
_FLINK = ("jobmanager", "taskmanager", "controller")
Say = Callable[[str], None]


def program(settings: Settings, name: str, arguments: Sequence[str] = ()) -> Program:
    """How a part is started; ``arguments`` come at the end of its command.

    Raises:
        UserError: there is no such part, or Java is missing.
    """
    check_name(name)
    [found] = [p for p in _programs(settings, java_home()) if p.name == name]
    return replace(found, command=[*found.command, *arguments])


def prepare(settings: Settings, name: str, say: Say = lambda _: None) -> None:
    """Write what a part reads at its start. Parts of one home take turns.

    Raises:
        UserError: there is no such part, Java or the jars are missing, the home is not fit.
    """
    check_name(name)
    preflight.check_home(settings)
    preflight.check_disk(settings)
    preflight.check_jars(settings)
    with locked(settings.run / "prepare.lock"):
        if name == "kafka":
            kafka.prepare(settings, java_home())
        elif name in _FLINK:
            flink.prepare(settings)
        elif name == registry.NAME:
            registry.prepare(settings, say)


def run(settings: Settings, name: str, arguments: Sequence[str] = ()) -> NoReturn:
    """Prepare a part, and become it.

    The process carries nothing that marks it as supervised: ``up`` and ``down`` leave it alone.

    Raises:
        UserError: as ``prepare``, the part runs already on this home, or ``up`` has started it.
    """
    chosen = program(settings, name, arguments)
    preflight.check_home(settings)
    # Before anything is written that the one which runs reads.
    holding.hold(settings, name)
    if Supervisor(settings).pid is not None:
        raise UserError(f"the stack of {settings.home} is up, {name} with it", "lakehead down")
    os.umask(0o077)
    prepare(settings, name)
    if name in health.READY_FILES:
        health.ready_file(settings, name).unlink(missing_ok=True)
    os.chdir(settings.home)
    os.execve(chosen.command[0], chosen.command, os.environ | chosen.environment)


def _programs(settings: Settings, java: Path) -> list[Program]:
    tuning = replace(settings.tuning, extras=_BESIDE)
    return programs(replace(settings, tuning=tuning), java)


def check_name(name: str, known: Sequence[str] = PARTS) -> None:
    """Raises UserError when there is no such part."""
    if name not in known:
        raise UserError(
            f"there is no part {name!r}; known: {', '.join(known)}", "lakehead part --help"
        )
