"""An Airflow task that runs one command of ``lakehead``.

Each command may run twice with the outcome of once, so a task may be tried again after any end.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, AssetAlias, BaseOperator, Context

from lakehead.schedules.alerts import alert
from lakehead.stack.airflow import TASK_SLOTS

# What every task has unless it says otherwise; for ``default_args`` of a DAG.
USUAL: dict[str, Any] = {
    "owner": "lakehead",
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(minutes=30),
    "on_failure_callback": alert,
}
# The ``start_date`` of DAGs: Airflow runs no task of an earlier time, and events may be old.
SINCE = datetime(2000, 1, 1, tzinfo=UTC)
# The slots of a task that may start Spark: nothing else runs beside it.
HEAVY = TASK_SLOTS
# The outlet of a task that ``publishes``: which mart it is turns out as it runs.
MARTS = AssetAlias("marts")
_GRACE_SECONDS = 30
_LAST_WORDS = 500


def mart(model: str) -> Asset:
    """What a model's tasks publish; DAGs that read the mart may be scheduled by it."""
    return Asset(name=f"marts.{model}", uri=f"lakehead://marts/{model}")


class LakeheadOperator(BaseOperator):
    """Runs ``lakehead ARGUMENTS OPTIONS --json``; its document is the task's result, or a list
    where it prints several.

    ``arguments`` and ``options`` are templated; those that render empty are left out. Airflow does
    not render what a mapped task is given by ``expand``, which is what ``options`` are for. What
    the command says on standard error is the task's log. ``publishes`` is a model: each success is
    an event of its mart's asset; the task has ``outlets=[MARTS]``. A stopped task's command gets an
    interrupt, as by Ctrl-C, then, after 30 s, a kill.
    """

    template_fields: Sequence[str] = ("arguments", "options", "publishes")
    ui_color = "#d7ecff"

    def __init__(
        self,
        *,
        arguments: Sequence[str],
        options: Sequence[str] = (),
        publishes: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.arguments = arguments
        self.options = options
        self.publishes = publishes
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> Any:
        """Raises RuntimeError with the command's last words where it does not exit with 0."""
        words = [word for word in (*self.arguments, *self.options) if word]
        self.log.info("lakehead %s", " ".join(words))
        said = self._run([sys.executable, "-m", "lakehead.cli", *words, "--json"])
        if self.publishes:
            context["outlet_events"][MARTS].add(mart(self.publishes))
        found = list(_documents(said))
        return found[0] if len(found) == 1 else found

    def on_kill(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)

    def _run(self, command: list[str]) -> str:
        """Standard output of the command; its standard error is logged as it comes."""
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as said,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            ) as self._process,
        ):
            try:
                last = self._follow(self._process)
            except BaseException:
                self.on_kill()
                raise
            code = self._process.wait()
            said.seek(0)
            output = said.read()
        if code:
            self.log.error("%s", output)
            raise RuntimeError(f"exit {code}: {last or output[-_LAST_WORDS:]}")
        return output

    def _follow(self, process: subprocess.Popen[str]) -> str:
        """Log what the process says until it closes its standard error; gives the last lines."""
        last: deque[str] = deque(maxlen=2)
        assert process.stderr
        for line in process.stderr:
            if line.strip():
                last.append(line.strip())
                self.log.info("%s", last[-1])
        return "   ".join(last)[-_LAST_WORDS:]


def _documents(text: str) -> Iterator[Any]:
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        yield found
        rest = rest[end:].lstrip()
