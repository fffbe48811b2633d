"""Flink's REST interface, as far as jobs need it.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.1/docs/ops/rest_api/
"""

import re
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import httpx

from lakehead.errors import NotRunning, SystemFailure

_CAUSED_BY = re.compile(r"^Caused by: (.*)", re.MULTILINE)
_EXCEPTION = re.compile(r"^(?:: )?([\w.$]+(?:Exception|Error): .*)", re.MULTILINE)
# Our own failures say enough without the name of their class.
_OWN_CLASS = re.compile(r"^io\.lakehead\.[\w.$]+: ")
ACTIVE = (
    "INITIALIZING",
    "CREATED",
    "RUNNING",
    "RESTARTING",
    "FAILING",
    "CANCELLING",
    "RECONCILING",
)


@dataclass(frozen=True)
class Failure:
    """``at_ms`` is since the epoch. ``overcome``: a checkpoint was begun and completed since."""

    cause: str
    at_ms: int
    overcome: bool


class FlinkRest:
    """Every call raises NotRunning when the JobManager does not answer; use it as a context."""

    def __init__(self, url: str, timeout_seconds: float = 10) -> None:
        self._client = httpx.Client(base_url=url, timeout=timeout_seconds, trust_env=False)
        self._url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def state(self, job_id: str) -> str | None:
        """The job's status, None when Flink does not know it."""
        answer = self._get(f"/jobs/{job_id}/status", missing_ok=True)
        return None if answer is None else str(answer["status"])

    def cause(self, job_id: str) -> str:
        """The root cause of the job's last failure, in one line."""
        answer = self._get(f"/jobs/{job_id}/exceptions", missing_ok=True) or {}
        entries = answer.get("exceptionHistory", {}).get("entries", [])
        return root_cause(entries[0]["stacktrace"]) if entries else "no cause given"

    def checkpoint_counts(self, job_id: str) -> dict[str, Any]:
        """Flink's statistics of the job's checkpoints; empty when it has none."""
        return self._get(f"/jobs/{job_id}/checkpoints", missing_ok=True) or {}

    def last_failure(self, job_id: str) -> Failure | None:
        """The newest failure that the job was restarted from, or is being restarted from."""
        answer = self._get(f"/jobs/{job_id}/exceptions", missing_ok=True) or {}
        entries = answer.get("exceptionHistory", {}).get("entries", [])
        if not entries:
            return None
        completed = self.checkpoint_counts(job_id).get("latest", {}).get("completed") or {}
        at = int(entries[0]["timestamp"])
        overcome = completed.get("trigger_timestamp", 0) > at
        cause = _OWN_CLASS.sub("", root_cause(entries[0]["stacktrace"]))
        return Failure(cause, at, overcome)

    def vertices(self, job_id: str) -> list[dict[str, Any]]:
        """The job's vertices, source first."""
        answer = self._get(f"/jobs/{job_id}", missing_ok=True) or {}
        return list(answer.get("vertices", []))

    def watermark_ms(self, job_id: str) -> int | None:
        """The lowest watermark of any subtask in milliseconds since the epoch, None before one."""
        lows = []
        for vertex in self.vertices(job_id):
            for metric in self._get(f"/jobs/{job_id}/vertices/{vertex['id']}/watermarks") or []:
                lows.append(int(float(metric["value"])))
        # An operator that has seen none yet states the lowest long there is.
        return min((low for low in lows if low > 0), default=None)

    def passed_ms(self, job_id: str) -> int | None:
        """The watermark that every operator has received; None where one has received none."""
        lows = []
        for vertex in self.vertices(job_id):
            # A source makes watermarks, and receives none.
            if not vertex["name"].startswith("Source:"):
                path = f"/jobs/{job_id}/vertices/{vertex['id']}/watermarks"
                metrics = self._get(path, missing_ok=True)
                if not metrics:
                    return None
                lows += [int(float(metric["value"])) for metric in metrics]
        low = min(lows, default=0)
        return low if low > 0 else None

    def records_read(self, job_id: str) -> int | None:
        """How many records the job's sources have read since it began; None before any."""
        total = None
        for vertex in self.vertices(job_id):
            if vertex["name"].startswith("Source:"):
                path = f"/jobs/{job_id}/vertices/{vertex['id']}/subtasks/metrics"
                names = [m["id"] for m in self._get(path, missing_ok=True) or []]
                wanted = [n for n in names if n.endswith(".numRecordsIn") and "Source" in n]
                if wanted:
                    given = self._get(f"{path}?get={quote(wanted[0])}&agg=sum", missing_ok=True)
                    total = (total or 0) + sum(int(m["sum"]) for m in given or [])
        return total

    def stop_with_savepoint(self, job_id: str, folder: str) -> str:
        """Ask for a savepoint and a stop; gives the trigger id to ask after."""
        body = {"targetDirectory": f"file://{folder}", "drain": False}
        answer = self._call("POST", f"/jobs/{job_id}/stop", json=body).json()
        return str(answer["request-id"])

    def savepoint_failure(self, job_id: str, trigger: str) -> str | None:
        """Why the savepoint failed; None while it is under way or when it succeeded."""
        answer = self._get(f"/jobs/{job_id}/savepoints/{trigger}", missing_ok=True) or {}
        failure = (answer.get("operation") or {}).get("failure-cause")
        return root_cause(failure["stack-trace"]) if failure else None

    def cancel(self, job_id: str) -> None:
        self._call("PATCH", f"/jobs/{job_id}", params={"mode": "cancel"})

    def _get(self, path: str, missing_ok: bool = False) -> Any:
        answer = self._call("GET", path, missing_ok=missing_ok)
        return None if answer.is_error else answer.json()

    def _call(
        self, method: str, path: str, missing_ok: bool = False, **more: Any
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **more)
        except httpx.HTTPError as error:
            raise NotRunning(
                f"Flink does not answer at {self._url}: {error}", "lakehead up"
            ) from error
        if answer.is_error and not (missing_ok and _is_missing(answer)):
            detail = answer.text.splitlines()[0][:300] if answer.text else answer.reason_phrase
            raise SystemFailure(
                f"Flink refused {method} {path}: {detail}", "lakehead logs jobmanager"
            )
        return answer


def _is_missing(answer: httpx.Response) -> bool:
    """Flink says that it does not know a job by 404, or by 500 for some of its paths."""
    return answer.status_code == 404 or "FlinkJobNotFoundException" in answer.text


def root_cause(stack_trace: str) -> str:
    """The message of the innermost exception of a Java stack trace, or of a Python one."""
    causes = _CAUSED_BY.findall(stack_trace) or _EXCEPTION.findall(stack_trace)
    lines = [line for line in stack_trace.splitlines() if line.strip()]
    return str(causes[-1] if causes else lines[-1] if lines else "no cause given")[:500]
