"""Whether each part of a stack answers, where, and how much memory it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil

from lakehead.settings import Settings
from lakehead.stack import extras, holding
from lakehead.stack.probe import accepts, answer
from lakehead.stack.supervisor import ProgramState, Supervisor

# What every stack runs; a home may want EXTRAS beside these.
CORE = ("kafka", "jobmanager", "taskmanager", "controller", "settler")
# All that there is to run.
ALL = (*CORE, *(part for extra in extras.EXTRAS for part in extra.parts))
# Those that listen to nobody, and say by a file that they have begun.
READY_FILES = ("controller", "settler")


@dataclass(frozen=True)
class PartHealth:
    """``memory_mb`` is resident memory with that of child processes; ``state`` is supervisord's."""

    name: str
    healthy: bool
    state: str
    address: str
    pid: int
    memory_mb: int
    uptime_seconds: int


def readiness(settings: Settings, supervisor: Supervisor) -> dict[str, bool]:
    """Whether each part answers as it should."""
    return _readiness(settings, supervisor.states())


def wanted(settings: Settings) -> list[str]:
    """The parts that should run."""
    core = [part for part in CORE if part != "kafka" or settings.runs_kafka]
    return [*core, *(part for extra in extras.wanted(settings) for part in extra.parts)]


def answers(settings: Settings, part: str) -> bool:
    """Whether something answers as this part should, whoever started it."""
    # The file of one that was killed stays.
    is_left = part in READY_FILES and part not in {state.name for state in states(settings)}
    return not is_left and _Look(settings).answers(part)


def ready_file(settings: Settings, part: str) -> Path:
    """What a part of ``READY_FILES`` writes once it has begun."""
    return settings.run / f"{part}.ready"


class _Look:
    """A look at the parts at one time: what tells of several of them is asked once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._extras: dict[str, Mapping[str, bool]] = {}

    def answers(self, part: str) -> bool:
        match part:
            case "kafka":
                # The broker opens its listener last, once it can serve.
                return accepts(self._settings.ports.kafka)
            case "jobmanager":
                return self._overview is not None
            case "taskmanager":
                return self._overview is not None and int(self._overview["taskmanagers"]) > 0
            case "controller" | "settler":
                return ready_file(self._settings, part).exists()
        [extra] = [extra for extra in extras.EXTRAS if part in extra.parts]
        if extra.name not in self._extras:
            self._extras[extra.name] = extra.ready(self._settings)
        return self._extras[extra.name][part]

    @cached_property
    def _overview(self) -> dict[str, int] | None:
        return _flink_overview(self._settings)


def states(settings: Settings) -> list[ProgramState]:
    """The parts that run: under supervisord, else each by itself; empty when nothing runs."""
    return Supervisor(settings).states() or holding.held(settings)


def _readiness(settings: Settings, running: list[ProgramState]) -> dict[str, bool]:
    alive = {s.name for s in running if s.state in ("RUNNING", "STARTING")}
    look = _Look(settings)
    return {part: part in alive and look.answers(part) for part in wanted(settings)}


def parts(settings: Settings) -> list[PartHealth]:
    """Health of every part; empty when nothing runs."""
    running = states(settings)
    ready = _readiness(settings, running)
    addresses = {
        "kafka": settings.bootstrap,
        "jobmanager": settings.flink_url,
        "taskmanager": f"127.0.0.1:{settings.ports.taskmanager_rpc}",
    }
    for extra in extras.wanted(settings):
        addresses |= extra.addresses(settings)
    return [
        PartHealth(
            name=s.name,
            healthy=ready.get(s.name, False),
            state=s.state,
            address=addresses.get(s.name, ""),
            pid=s.pid,
            memory_mb=_memory_mb(s),
            uptime_seconds=s.uptime_seconds,
        )
        for s in running
    ]


def _memory_mb(state: ProgramState) -> int:
    try:
        process = psutil.Process(state.pid)
        family = [process, *process.children(recursive=True)]
        return sum(p.memory_info().rss for p in family) // 2**20
    except (psutil.Error, ValueError):
        return 0


def _flink_overview(settings: Settings) -> dict[str, int] | None:
    found = answer(f"{settings.flink_url}/overview")
    return found if isinstance(found, dict) and "taskmanagers" in found else None
