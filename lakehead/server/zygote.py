"""The process that workers are forked from: it has imported what they need, and runs no SQL.

A worker starts in milliseconds, so it may be killed without a second thought. Over the socket that
is its standard input, the zygote is sent one end of a socket pair by worker; it answers with the
worker's process id.

python -m lakehead.server.zygote HOME PROJECT MEMORY_BYTES
"""

import ctypes
import gc
import importlib
import os
import resource
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

from lakehead.server import wire, worker
from lakehead.settings import load_settings

# What a first query would import: DuckDB looks for pandas, pyiceberg and sqlglot come in on demand.
_PRELOADED = (
    "pandas",
    "pyarrow.dataset",
    "pytz",
    "sqlglot.dialects.duckdb",
    "sqlglot.dialects.postgres",
)
_PR_SET_PDEATHSIG = 1
_SPILL_BYTES = 16 * 2**30
_FILES = 4096


def confine(memory_bytes: int) -> None:
    """The operating system's fences around this process; they cannot be undone from inside.

    ``RLIMIT_DATA`` counts what is private and writable: heaps and anonymous maps, but not the
    address space that allocators reserve, which ``RLIMIT_AS`` would.
    """
    data = _data_bytes() + memory_bytes
    for kind, limit in (
        (resource.RLIMIT_DATA, data),
        (resource.RLIMIT_FSIZE, _SPILL_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        _, most = resource.getrlimit(kind)
        low = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(kind, (low, low))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The server comes first when memory runs out.
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    home, project, memory = sys.argv[1:]
    settings = replace(load_settings(Path(home)), project=Path(project))
    for name in _PRELOADED:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=0)
    control.sendall(wire.PID.pack(os.getpid()))
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            confine(int(memory))
            worker.serve(settings, socket.socket(fileno=descriptors[0]))
            os._exit(0)
        os.close(descriptors[0])
        control.sendall(wire.PID.pack(pid))


def _data_bytes() -> int:
    """What counts towards RLIMIT_DATA now."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
