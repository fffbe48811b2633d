"""The process that hands a job to Flink.

A client takes seconds to start and to plan the job. So a changed job is *prepared* while the old
one still runs, and is handed over the moment that the old one has left its savepoint.
"""

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from lakehead.files import write_whole
from lakehead.jobs.spec import JobSpec
from lakehead.settings import INSTALL_ROOT

DEADLINE_SECONDS = 180


class Submission:
    """One client process for ``spec``, which it is given by the file ``path``.

    It ends when this process does: it waits for its order on standard input. ``ahead`` is whether
    there is time before the order comes: then it plans the job once, which makes it ready to do so
    quickly.
    """

    def __init__(self, spec: JobSpec, path: Path, ahead: bool = False) -> None:
        self.fingerprint = spec.fingerprint()
        write_whole(path, json.dumps(asdict(spec), indent=2))
        self._errors = path.with_name("client.log").open("w+", encoding="utf-8")
        script = INSTALL_ROOT / "jobs" / "flink" / "run_statements.py"
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(path), *(["--ahead"] if ahead else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        # Lines, and None at the end.
        self._said: SimpleQueue[str | None] = SimpleQueue()
        Thread(target=self._listen, daemon=True).start()

    def prepare(self) -> bool:
        """Wait until the job is planned; False where that failed or took too long."""
        end = time.monotonic() + DEADLINE_SECONDS
        # Java may have something to say first.
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(Empty):
                line = self._said.get(timeout=left)
                if line is None or line == "ready":
                    return line is not None
        return False

    def run(self, job_id: str, restore: Path | None) -> str | None:
        """Hand the job over under ``job_id``; gives what the client said when it failed."""
        order = {"job_id": job_id, "restore": f"file://{restore}" if restore else None}
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        try:
            code = self._process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.close()
            return f"the submission took more than {DEADLINE_SECONDS} s"
        self._errors.seek(0)
        said = self._errors.read()
        self.close()
        return said or f"the client ended with {code}" if code else None

    def close(self) -> None:
        """End the process, if it has not ended."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._errors):
            assert stream
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _listen(self) -> None:
        assert self._process.stdout
        with self._process.stdout as said:
            for line in said:
                self._said.put(line.strip())
        self._said.put(None)
