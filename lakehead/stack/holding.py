"""Which parts run without supervisord, such as each in a container of its own.

A part that runs so holds a file of the home locked. The kernel gives the lock back with the
process, so that no part is taken to run that was killed.
"""

import fcntl
import os
import time
from contextlib import AbstractContextManager

import psutil

from lakehead.errors import UserError
from lakehead.files import locked
from lakehead.settings import Settings
from lakehead.stack.supervisor import ProgramState, Supervisor

# Any number of these may run on one home, each on ports of its own.
SEVERAL = ("taskmanager",)
# Not that of a file which is just being written.
_ENDING = ".held"


def hold(settings: Settings, part: str) -> None:
    """Say that ``part`` runs, until this process ends; what it becomes by ``exec`` goes on.

    Raises:
        UserError: the part runs already on this home.
    """
    settings.run.mkdir(parents=True, exist_ok=True)
    kind = fcntl.LOCK_SH if part in SEVERAL else fcntl.LOCK_EX
    with _no_other_looks(settings):
        file = os.open(settings.run / f"{part}{_ENDING}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise UserError(
                f"{part} runs already on {settings.home}", "stop that one, or choose another home"
            ) from None
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        os.set_inheritable(file, True)


def held(settings: Settings) -> list[ProgramState]:
    """The parts that hold their file now; ``pid`` is 0 where it is not to be seen from here."""
    files = sorted(settings.run.glob(f"*{_ENDING}"))
    if not files:
        return []
    found = []
    with _no_other_looks(settings):
        for path in files:
            with path.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    found.append(_state(path.stem, file.read()))
    return found


def check_none(settings: Settings) -> None:
    """Raises UserError where parts run by themselves: what supervises them is not known here."""
    if running := [state.name for state in held(settings)]:
        raise UserError(
            f"{', '.join(running)} of {settings.home} run by themselves (lakehead part run)",
            "stop them, or choose another home with --home",
        )


def is_up(settings: Settings) -> bool:
    """Whether a stack of this home runs: under supervisord, or its controller by itself."""
    if Supervisor(settings).pid is not None:
        return True
    return any(state.name == "controller" for state in held(settings))


def _no_other_looks(settings: Settings) -> AbstractContextManager[None]:
    """Who looks whether a file is held locks it for a moment: not while another would hold it."""
    return locked(settings.run / "parts.lock")


def _state(part: str, said: str) -> ProgramState:
    pid, seconds = int(said or 0), 0
    try:
        seconds = int(time.time() - psutil.Process(pid).create_time())
    except psutil.Error:
        pid = 0
    return ProgramState(part, "RUNNING", pid, max(0, seconds), "")
