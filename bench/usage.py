"""What processes spend: CPU and memory, with their children."""

import contextlib
import time

import psutil

FORKED_SECONDS = 2


class Usage:
    """CPU seconds since now, and the most memory, by the name of a process."""

    def __init__(self, roots: dict[str, psutil.Process]) -> None:
        self._roots = roots
        self._most = dict.fromkeys(roots, 0)
        self._first = {name: family(root)[0] for name, root in roots.items()}
        self._last = dict(self._first)
        self._busy = busy_seconds()

    def sample(self) -> None:
        for name, root in self._roots.items():
            spent, resident = family(root)
            # One that has ended has no numbers any more.
            self._last[name] = max(self._last[name], spent)
            self._most[name] = max(self._most[name], resident)

    def told(self) -> tuple[dict[str, float], dict[str, int]]:
        self.sample()
        cpu = {name: spent - self._first[name] for name, spent in self._last.items()}
        cpu["others"] = max(busy_seconds() - self._busy - sum(cpu.values()), 0.0)
        return cpu, self._most


def family(root: psutil.Process) -> tuple[float, int]:
    """CPU seconds and bytes of a process with its children; of those that ended, the seconds.

    A child that was just forked shares its parent's memory.
    """
    spent, resident = 0.0, 0
    with contextlib.suppress(psutil.Error):
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                spent += times.user + times.system + times.children_user + times.children_system
                if process is root or time.time() - process.create_time() > FORKED_SECONDS:
                    resident += process.memory_info().rss
    return spent, resident


def busy_seconds() -> float:
    """What all cores of the machine have spent on anything."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)
