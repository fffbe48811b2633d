"""Start and stop a stack."""

import fcntl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehead.errors import SystemFailure, UserError
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.stack import extras, flink, health, holding, kafka, preflight
from lakehead.stack.java import java_home
from lakehead.stack.supervisor import (
    Program,
    Supervisor,
    end_processes,
    leftover_processes,
)

READY_DEADLINE_SECONDS = 90
_DYING_SECONDS = 20
Say = Callable[[str], None]


def up(settings: Settings, say: Say = lambda _: None) -> float:
    """Start what is not running and wait until all of it answers; gives the seconds taken.

    What the home wants is what ``settings`` say, and is recorded in the home.

    Raises:
        UserError: a port is taken, Java or the jars are missing, the disk is full, the schema
            registry cannot be fetched, or a part of the home runs by itself.
        SystemFailure: a part did not become ready; names its log.
    """
    began = time.monotonic()
    preflight.check_home(settings)
    preflight.check_disk(settings)
    with only_one(settings):
        supervisor = Supervisor(settings)
        if supervisor.pid is None:
            _start(settings, supervisor, say)
        else:
            _change(settings, supervisor, say)
        say("waiting until all parts answer")
        wait_ready(settings, supervisor)
    return time.monotonic() - began


def down(settings: Settings) -> None:
    """Stop every process of this home. Jobs should have been suspended before.

    Raises:
        UserError: parts of it run by themselves, and go on.
    """
    if not settings.home.exists():
        return
    with only_one(settings):
        Supervisor(settings).stop()
    holding.check_none(settings)


def programs(settings: Settings, java: Path) -> list[Program]:
    """What is supervised, and how each is started."""
    flink_environment = flink.environment(settings, java)
    controller = [sys.executable, "-m", "lakehead.jobs.controller", str(settings.home)]
    settler = [sys.executable, "-m", "lakehead.settler", str(settings.home), str(settings.project)]
    python_path = {"PYTHONPATH": str(INSTALL_ROOT)}
    wanted = [p for extra in extras.wanted(settings) for p in extra.programs(settings, java)]
    broker = Program("kafka", kafka.command(settings, java), {}, stop_seconds=30)
    return [
        *([broker] if settings.runs_kafka else []),
        *wanted,
        Program("jobmanager", flink.jobmanager_command(settings, java), flink_environment),
        Program("taskmanager", flink.taskmanager_command(settings, java), flink_environment),
        Program("controller", controller, flink_environment | python_path),
        Program("settler", settler, python_path),
    ]


def wait_ready(settings: Settings, supervisor: Supervisor) -> None:
    """Wait until every part answers.

    Raises:
        SystemFailure: the deadline passed, or supervisord gave a part up; names the log.
    """
    end = time.monotonic() + READY_DEADLINE_SECONDS
    while True:
        waiting = [p for p, ready in health.readiness(settings, supervisor).items() if not ready]
        if not waiting:
            return
        given_up = [s.name for s in supervisor.states() if s.state == "FATAL"]
        if given_up or time.monotonic() > end:
            part = (given_up or waiting)[0]
            problem = "cannot be started" if given_up else "is not ready"
            raise SystemFailure(f"{part} {problem}", f"lakehead logs {part}")
        time.sleep(0.1)


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """One ``up`` or ``down`` at a time.

    Raises:
        UserError: another is at work.
    """
    settings.run.mkdir(parents=True, exist_ok=True)
    with (settings.run / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another lakehead is starting or stopping {settings.home}", "try again shortly"
            ) from None
        yield


def _start(settings: Settings, supervisor: Supervisor, say: Say) -> None:
    java = java_home()
    preflight.check_jars(settings)
    holding.check_none(settings)
    # A supervisor that was killed leaves its children behind, on our ports.
    end_processes(leftover_processes(settings.home))
    # Of one that was killed just now, the kernel frees the memory first, and the ports then.
    crashed = supervisor.has_left_its_pid
    preflight.check_ports(settings, _DYING_SECONDS if crashed else 0)
    _prepare_extras(settings, say)
    settings.save()
    for part in health.READY_FILES:
        health.ready_file(settings, part).unlink(missing_ok=True)
    say("preparing Kafka and Flink")
    if settings.runs_kafka:
        kafka.prepare(settings, java)
    flink.prepare(settings)
    supervisor.start(programs(settings, java))


def _change(settings: Settings, supervisor: Supervisor, say: Say) -> None:
    """What a running stack lacks, or has too much."""
    running = {state.name for state in supervisor.states()}
    for extra in extras.wanted(settings):
        if not running & set(extra.parts):
            for port in extra.ports:
                preflight.check_port(settings, port)
    _prepare_extras(settings, say)
    settings.save()
    supervisor.start(programs(settings, java_home()))


def _prepare_extras(settings: Settings, say: Say) -> None:
    for extra in extras.wanted(settings):
        extra.prepare(settings, say)
