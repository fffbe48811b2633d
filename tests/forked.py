"""The command line in a process of its own, forked from one that has imported it already.

To import what a command needs takes longer than most commands do, and a test run gives hundreds.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "tests.forkserver_main",
        "lakehead.cli.main",
        "lakehead.jobs.controller",
        "lakehead.jobs.submit",
        "lakehead.lake.tags",
        "lakehead.maintenance.run",
        "lakehead.proof.audit",
        "lakehead.proof.certificate",
        "lakehead.proof.reconcile",
        "lakehead.query.output",
        "lakehead.streams.produce.run",
        "confluent_kafka.admin",
        "duckdb",
        "pyiceberg.catalog.sql",
        "pyarrow.parquet",
        "rich.table",
    ]
)


def run_command(
    args: Sequence[str], environment: Mapping[str, str], folder: Path, timeout: float
) -> "subprocess.CompletedProcess[str]":
    """``lakehead ARGS`` in a folder; raises TimeoutExpired, as subprocess does."""
    with tempfile.TemporaryDirectory() as said:
        out, err = Path(said) / "out", Path(said) / "err"
        process = CONTEXT.Process(
            target=_command, args=(list(args), dict(environment), folder, out, err)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["lakehead", *args], timeout, _text(out), _text(err))
        return subprocess.CompletedProcess(
            ["lakehead", *args], process.exitcode, _text(out), _text(err)
        )


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _command(
    args: list[str], environment: dict[str, str], folder: Path, out: Path, err: Path
) -> None:
    for number, path in ((1, out), (2, err)):
        target = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(target, number)
        os.close(target)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)

    from lakehead.cli.main import main

    sys.argv = ["lakehead", *args]
    main()
