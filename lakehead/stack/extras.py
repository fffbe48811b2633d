"""Parts of a stack that run only where the home wants them: what each needs, starts and answers."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.stack import airflow, registry
from lakehead.stack.probe import answer
from lakehead.stack.supervisor import Program

Say = Callable[[str], None]


@dataclass(frozen=True)
class Extra:
    """One part, by the name that ``up --with`` takes.

    ``parts`` are its processes, ``ports`` names of ``Ports``. ``prepare`` makes what they need
    before they start, and may fetch it. ``programs`` are given the folder of Java. ``ready`` says
    of each process whether it answers; ``addresses`` of each that listens, where.
    """

    name: str
    parts: tuple[str, ...]
    ports: tuple[str, ...]
    prepare: Callable[[Settings, Say], None]
    programs: Callable[[Settings, Path], list[Program]]
    ready: Callable[[Settings], Mapping[str, bool]]
    addresses: Callable[[Settings], Mapping[str, str]]


def wanted(settings: Settings) -> list[Extra]:
    """Those that the home wants."""
    return [extra for extra in EXTRAS if extra.name in settings.tuning.extras]


def _registry_programs(settings: Settings, java: Path) -> list[Program]:
    return [Program(registry.NAME, registry.command(settings, java), {})]


def _registry_ready(settings: Settings) -> Mapping[str, bool]:
    """It lists its subjects, for which it must read its database."""
    subjects = answer(f"{settings.registry_url}/subjects")
    return {registry.NAME: isinstance(subjects, list)}


def _query_programs(settings: Settings, java: Path) -> list[Program]:
    command = [sys.executable, "-m", "lakehead.server.serve"]
    command += [str(settings.home), str(settings.project)]
    return [Program("query", command, {"PYTHONPATH": str(INSTALL_ROOT)})]


def _query_ready(settings: Settings) -> Mapping[str, bool]:
    """It has started its workers, and listens."""
    health = answer(f"http://127.0.0.1:{settings.ports.query_http}/health")
    return {"query": isinstance(health, dict)}


EXTRAS = (
    Extra(
        name=registry.NAME,
        parts=(registry.NAME,),
        ports=("registry",),
        prepare=registry.prepare,
        programs=_registry_programs,
        ready=_registry_ready,
        addresses=lambda settings: {registry.NAME: settings.registry_url},
    ),
    Extra(
        name="query",
        parts=("query",),
        ports=("query", "query_http"),
        prepare=lambda settings, say: None,
        programs=_query_programs,
        ready=_query_ready,
        addresses=lambda settings: {"query": f"127.0.0.1:{settings.ports.query}"},
    ),
    Extra(
        name=airflow.NAME,
        parts=(airflow.API, airflow.SCHEDULER, airflow.PROCESSOR),
        ports=("airflow",),
        prepare=airflow.prepare,
        programs=airflow.programs,
        ready=airflow.ready,
        addresses=lambda settings: {airflow.API: settings.airflow_url},
    ),
)
