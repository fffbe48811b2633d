"""Processes under supervisord (http://supervisord.org): configuration, control, and the
processes of this home that outlived their supervisor."""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lakehead.errors import SystemFailure
from lakehead.files import write_whole
from lakehead.settings import Settings

# Not LAKEHEAD_HOME: a person may have exported that, and their shell is no part of the stack.
HOME_VARIABLE = "LAKEHEAD_SUPERVISED_HOME"
_SOCKET_PATH_LIMIT = 100  # sun_path holds 108 bytes


@dataclass(frozen=True)
class Program:
    """One supervised process. ``stop_seconds`` is its grace before SIGKILL."""

    name: str
    command: list[str]
    environment: dict[str, str]
    stop_seconds: int = 15


@dataclass(frozen=True)
class ProgramState:
    """``state`` is supervisord's own word: RUNNING, STARTING, BACKOFF, FATAL, STOPPED..."""

    name: str
    state: str
    pid: int
    uptime_seconds: int
    message: str


class Supervisor:
    """supervisord of one home."""

    def __init__(self, settings: Settings) -> None:
        self._home = settings.home
        self._run = settings.run
        self._logs = settings.logs
        self._config = settings.run / "supervisord.conf"

    @property
    def pid(self) -> int | None:
        """Its process id, or None; a stale pid file counts for nothing."""
        try:
            pid = int((self._run / "supervisord.pid").read_text())
            command = psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        return pid if str(self._config) in command else None

    @property
    def has_left_its_pid(self) -> bool:
        """Whether it runs, or did until it was killed."""
        return (self._run / "supervisord.pid").exists()

    def start(self, programs: list[Program]) -> None:
        """Start supervisord and all programs.

        If it runs, programs that it has too much are ended, those that it lacks are added, and
        those that stand still are started; a command that has changed waits for the next start.

        Raises:
            SystemFailure: supervisord does not start; names its log.
        """
        if self.pid is not None:
            self._follow(programs)
            self._start_stopped()
            return
        self._run.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        write_whole(self._config, self._configuration(programs))
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:]
            log = self._logs / "supervisord.log"
            raise SystemFailure(f"supervisord does not start: {''.join(said)}", f"see {log}")

    def states(self) -> list[ProgramState]:
        """The state of each program; empty when supervisord does not run."""
        if self.pid is None:
            return []
        try:
            infos: Any = self._rpc().supervisor.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return []
        return [
            ProgramState(
                name=i["name"],
                state=i["statename"],
                pid=i["pid"],
                uptime_seconds=max(0, i["now"] - i["start"]) if i["pid"] else 0,
                message=i["spawnerr"] or i["description"],
            )
            for i in infos
        ]

    def stop(self, deadline_seconds: float = 60) -> None:
        """Stop all programs, then supervisord, then whatever of this home is left."""
        pid = self.pid
        if pid is not None:
            try:
                self._rpc().supervisor.shutdown()
                psutil.Process(pid).wait(timeout=deadline_seconds)
            except (OSError, xmlrpc.client.Error, psutil.Error):
                pass
        end_processes(leftover_processes(self._home))
        (self._run / "supervisord.pid").unlink(missing_ok=True)
        self._socket().unlink(missing_ok=True)

    def _follow(self, programs: list[Program]) -> None:
        known = {state.name for state in self.states()}
        wanted = {program.name for program in programs}
        if not known or known == wanted:
            return
        write_whole(self._config, self._configuration(programs))
        rpc = self._rpc()
        rpc.supervisor.reloadConfig()
        for name in known - wanted:
            rpc.supervisor.stopProcessGroup(name)
            rpc.supervisor.removeProcessGroup(name)
        for name in wanted - known:
            rpc.supervisor.addProcessGroup(name)

    def _start_stopped(self) -> None:
        rpc = self._rpc()
        for state in self.states():
            if state.state in ("STOPPED", "FATAL", "EXITED"):
                rpc.supervisor.startProcess(state.name, False)

    def _rpc(self) -> xmlrpc.client.ServerProxy:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{self._socket()}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)

    def _socket(self) -> Path:
        """In the home, or, where that path is too long for a socket, in a private folder."""
        usual = self._run / "supervisor.sock"
        if len(str(usual)) <= _SOCKET_PATH_LIMIT:
            return usual
        digest = hashlib.sha256(str(self._home).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"lakehead-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{digest}.sock"

    def _configuration(self, programs: list[Program]) -> str:
        sections = [
            "[supervisord]",
            f"logfile={self._logs / 'supervisord.log'}",
            f"pidfile={self._run / 'supervisord.pid'}",
            f"childlogdir={self._logs}",
            "umask=077",
            "silent=true",
            *(["user=root"] if os.getuid() == 0 else []),
            "",
            "[unix_http_server]",
            f"file={self._socket()}",
            "chmod=0700",
            "",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for program in programs:
            variables = program.environment | {HOME_VARIABLE: str(self._home)}
            sections += [
                "",
                f"[program:{program.name}]",
                f"command={' '.join(_word(w) for w in program.command)}",
                f"environment={','.join(f'{k}={_word(v)}' for k, v in variables.items())}",
                f"directory={_percent(str(self._home))}",
                f"stdout_logfile={_percent(str(self._logs / program.name))}.log",
                "redirect_stderr=true",
                "stdout_logfile_maxbytes=20MB",
                "stdout_logfile_backups=2",
                "autorestart=true",
                "startsecs=2",
                "startretries=10",
                f"stopwaitsecs={program.stop_seconds}",
                "stopasgroup=true",
                "killasgroup=true",
            ]
        return "\n".join(sections) + "\n"


def leftover_processes(home: Path) -> list[psutil.Process]:
    """Processes of this home, known by the variable that every one of them carries."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(HOME_VARIABLE) == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


def end_processes(processes: list[psutil.Process], grace_seconds: float = 10) -> None:
    """SIGTERM, then SIGKILL after the grace."""
    for process in processes:
        _quietly(process.terminate)
    _, alive = psutil.wait_procs(processes, timeout=grace_seconds)
    for process in alive:
        _quietly(process.kill)
    psutil.wait_procs(alive, timeout=grace_seconds)


def _quietly(action: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.Error):
        action()


def _word(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return _percent(f'"{escaped}"')


def _percent(text: str) -> str:
    return text.replace("%", "%%")
