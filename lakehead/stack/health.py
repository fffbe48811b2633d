"""Whether each part of a stack answers, where, and how much memory it holds."""

from dataclasses import dataclass

import psutil

from lakehead.settings import Settings
from lakehead.stack import extras
from lakehead.stack.probe import accepts, answer
from lakehead.stack.supervisor import ProgramState, Supervisor


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
    alive = {s.name: s.state in ("RUNNING", "STARTING") for s in supervisor.states()}
    overview = _flink_overview(settings)
    wanted = {
        name: alive.get(name, False) and answers
        for extra in extras.wanted(settings)
        for name, answers in extra.ready(settings).items()
    }
    return {
        # The broker opens its listener last, once it can serve.
        "kafka": alive.get("kafka", False) and accepts(settings.ports.kafka),
        "jobmanager": alive.get("jobmanager", False) and overview is not None,
        "taskmanager": alive.get("taskmanager", False)
        and overview is not None
        and int(overview["taskmanagers"]) > 0,
        **{
            part: alive.get(part, False) and (settings.run / f"{part}.ready").exists()
            for part in ("controller", "settler")
        },
        **wanted,
    }


def parts(settings: Settings) -> list[PartHealth]:
    """Health of every part; empty when nothing runs."""
    supervisor = Supervisor(settings)
    ready = readiness(settings, supervisor)
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
        for s in supervisor.states()
    ]


def _memory_mb(state: ProgramState) -> int:
    try:
        process = psutil.Process(state.pid)
        family = [process, *process.children(recursive=True)]
        return sum(p.memory_info().rss for p in family) // 2**20
    except (psutil.Error, ValueError):
        return 0


def _flink_overview(settings: Settings) -> dict[str, int] | None:
    found: dict[str, int] | None = answer(f"{settings.flink_url}/overview")
    return found
