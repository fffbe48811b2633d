"""Whether each part of a stack answers, where, and how much memory it holds."""

import json
import socket
import urllib.request
from dataclasses import dataclass
from typing import Any

import psutil

from lakehead.settings import Settings
from lakehead.stack import registry
from lakehead.stack.supervisor import ProgramState, Supervisor

_TIMEOUT_SECONDS = 2


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
    extras = {}
    if registry.NAME in settings.tuning.extras:
        extras[registry.NAME] = alive.get(registry.NAME, False) and _registry_answers(settings)
    if "query" in settings.tuning.extras:
        extras["query"] = alive.get("query", False) and _query_answers(settings)
    return {
        "kafka": alive.get("kafka", False) and _accepts(settings.ports.kafka),
        "jobmanager": alive.get("jobmanager", False) and overview is not None,
        "taskmanager": alive.get("taskmanager", False)
        and overview is not None
        and int(overview["taskmanagers"]) > 0,
        **{
            part: alive.get(part, False) and (settings.run / f"{part}.ready").exists()
            for part in ("controller", "settler")
        },
        **extras,
    }


def parts(settings: Settings) -> list[PartHealth]:
    """Health of every part; empty when nothing runs."""
    supervisor = Supervisor(settings)
    ready = readiness(settings, supervisor)
    addresses = {
        "kafka": settings.bootstrap,
        "jobmanager": settings.flink_url,
        "taskmanager": f"127.0.0.1:{settings.ports.taskmanager_rpc}",
        registry.NAME: settings.registry_url,
        "query": f"127.0.0.1:{settings.ports.query}",
    }
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
    found: dict[str, int] | None = _answer(f"{settings.flink_url}/overview")
    return found


def _registry_answers(settings: Settings) -> bool:
    """It lists its subjects, for which it must read its database."""
    return isinstance(_answer(f"{settings.registry_url}/subjects"), list)


def _query_answers(settings: Settings) -> bool:
    """It has started its workers, and listens."""
    return isinstance(_answer(f"http://127.0.0.1:{settings.ports.query_http}/health"), dict)


def _answer(url: str) -> Any:
    """What is said there in JSON; None where nothing is."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def _accepts(port: int) -> bool:
    """The broker opens its listener last, once it can serve."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True
