"""What there is to say about each job: state, watermark, lag, last commit."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehead.contracts.model import LANDING
from lakehead.errors import LakeheadError
from lakehead.jobs import records
from lakehead.jobs.flink_rest import FlinkRest
from lakehead.jobs.records import Observed
from lakehead.jobs.spec import consumer_group
from lakehead.lake.snapshots import table_state
from lakehead.settings import Settings
from lakehead.streams.topics import committed, offsets

# Longer than Flink waits between two attempts.
_TELL_SECONDS = 20


@dataclass(frozen=True)
class JobStatus:
    """``lag`` counts records that the job has not landed yet; times are ISO-8601, UTC.

    ``cause`` is why the job failed, or why it is restarting, which it is until it has completed a
    checkpoint since its last failure. A job that fails again and again may complete one now and
    then: the cause is told for a while longer.

    ``parallelism`` is how many subtasks run side by side; ``records_read`` counts since this
    attempt began; ``state_bytes`` is the size of the newest checkpoint. ``filling`` are models
    whose new version has not taken over yet.

    What cannot be known now, since a part is down, is None.
    """

    name: str
    desired: str
    state: str
    cause: str
    models: list[str]
    attempts: int
    job_id: str | None
    restored_from: str | None
    checkpoints: int | None
    watermark: str | None
    lag: int | None
    last_commit: str | None
    parallelism: int
    records_read: int | None
    state_bytes: int | None
    filling: list[str]


def job_statuses(settings: Settings) -> list[JobStatus]:
    """Every job that was ever submitted."""
    return [_status(settings, name) for name in records.job_names(settings)]


def _status(settings: Settings, name: str) -> JobStatus:
    desired = records.read_desired(settings, name)
    observed = records.read_observed(settings, name)
    assert desired
    attempt = observed.current
    job_id = attempt.job_id if attempt else None
    live = _flink(settings, observed, job_id)
    # Read what the controller last saw as the past that it is when Flink does not know the job.
    stale = live is None and observed.state in ("running", "restarting", "starting")
    return JobStatus(
        name=name,
        desired="running" if desired.run else "stopped",
        state="down" if stale else "restarting" if live and live.restarting else observed.state,
        cause=live.cause if live and live.cause else observed.cause,
        models=list(desired.spec.models),
        attempts=len(observed.attempts),
        job_id=job_id,
        restored_from=attempt.restored_from if attempt else None,
        checkpoints=live.checkpoints if live else None,
        watermark=live.watermark if live else None,
        lag=_lag(settings, name),
        last_commit=_last_commit(settings, name),
        parallelism=desired.parallelism or settings.tuning.parallelism,
        records_read=live.records_read if live else None,
        state_bytes=live.state_bytes if live else None,
        filling=[v.name for v in desired.models if not v.live],
    )


@dataclass(frozen=True)
class _Live:
    """What Flink says now; ``cause`` is that of the last failure if it was overcome just now or
    not yet."""

    checkpoints: int | None
    watermark: str | None
    restarting: bool
    cause: str
    records_read: int | None
    state_bytes: int | None


def _flink(settings: Settings, observed: Observed, job_id: str | None) -> _Live | None:
    """None when Flink does not answer, or the job is not there to be asked about."""
    if job_id is None or observed.state in ("stopped", "failed"):
        return None
    try:
        with FlinkRest(settings.flink_url, timeout_seconds=3) as flink:
            told_of = flink.checkpoint_counts(job_id)
            counts = told_of.get("counts", {})
            read = flink.records_read(job_id)
            low = flink.watermark_ms(job_id)
            failure = flink.last_failure(job_id)
    except LakeheadError:
        return None
    watermark = datetime.fromtimestamp(low / 1000, UTC).isoformat() if low else None
    restarting = failure is not None and not failure.overcome
    told = failure and (restarting or time.time() - failure.at_ms / 1000 < _TELL_SECONDS)
    cause = failure.cause if failure and told else ""
    completed = told_of.get("latest", {}).get("completed") or {}
    size = completed.get("state_size")
    return _Live(counts.get("completed"), watermark, restarting, cause, read, size)


def _lag(settings: Settings, stream: str) -> int | None:
    try:
        produced = offsets(settings, stream)
        reached = committed(settings, stream, consumer_group(stream))
    except LakeheadError:
        return None
    return sum(high - max(reached.get(p, 0), 0) for p, (_, high) in produced.items())


def _last_commit(settings: Settings, stream: str) -> str | None:
    try:
        moment = table_state(settings, f"{LANDING}.{stream}").committed_at
    except LakeheadError:
        return None
    return moment.isoformat() if moment else None
