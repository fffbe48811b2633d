"""How long a person waits: from the start of a shell to its first answer, and for the next ones.

    .venv/bin/python bench/shell.py HOME [TABLE] [--runs 5]

Each run starts ``lakehead shell`` in a terminal of its own, types as soon as the prompt is there,
and stops the clock as the answer's last line comes.
"""

import argparse
import os
import pty
import select
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

NEXT = 5
DEADLINE_S = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home")
    parser.add_argument("table", nargs="?", default="landing.orders")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    runs = [one_run(asked.home, asked.table) for _ in range(asked.runs)]
    for name, seconds in (
        ("prompt", [run.prompt for run in runs]),
        ("first answer", [run.first for run in runs]),
        ("  CPU until it", [run.cpu for run in runs]),
        ("next answers", [each for run in runs for each in run.following]),
    ):
        worst = max(seconds)
        print(f"{name:<14} median {statistics.median(seconds):.3f} s   worst {worst:.3f} s")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


@dataclass(frozen=True)
class Run:
    """Seconds from the start to the prompt and to the first answer, its CPU, and of each next."""

    prompt: float
    first: float
    cpu: float
    following: list[float]


def one_run(home: str, table: str) -> Run:
    leader, terminal = pty.openpty()
    environment = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "PAGER": ""}
    began = time.monotonic()
    command = [sys.executable, "-m", "lakehead.cli", "shell", "--home", home]
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as shell:
        os.close(terminal)
        screen = Screen(leader)
        prompt = screen.wait_for(b"lake>") - began
        first = screen.ask(table) - began
        used = psutil.Process(shell.pid).cpu_times()
        following = []
        for _ in range(NEXT):
            asked = time.monotonic()
            following.append(screen.ask(table) - asked)
        shell.kill()
    os.close(leader)
    return Run(prompt, first, used.user + used.system, following)


class Screen:
    """What a terminal shows, read on from text to text."""

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self.seen = b""

    def ask(self, table: str) -> float:
        """Type a query; when its answer was whole."""
        os.write(self.leader, f"SELECT count(*) AS n FROM {table};\r".encode())
        done = self.wait_for(b"(1 row)")
        self.wait_for(b"lake>")
        return done

    def wait_for(self, text: bytes) -> float:
        end = time.monotonic() + DEADLINE_S
        while text not in self.seen:
            if not select.select([self.leader], [], [], max(0, end - time.monotonic()))[0]:
                sys.exit(f"no {text!r} within {DEADLINE_S} s; there was {self.seen!r}")
            self.seen += os.read(self.leader, 65536)
        self.seen = self.seen.partition(text)[2]
        return time.monotonic()


if __name__ == "__main__":
    main()
