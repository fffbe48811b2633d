"""Decide what to do about one job. No I/O: a function of what is desired, recorded and seen."""

from dataclasses import dataclass

from lakehead.jobs.flink_rest import ACTIVE
from lakehead.jobs.records import Desired, Observed

# An attempt that fails this often in a row without one checkpoint will not be mended by another.
MAXIMUM_FAILURES = 3


@dataclass(frozen=True)
class Nothing:
    """It is as it should be. ``state`` is what to show."""

    state: str


@dataclass(frozen=True)
class Submit:
    """Submit; ``again`` repeats the last attempt under the same id, as Flink never had it."""

    again: bool = False


@dataclass(frozen=True)
class StopWithSavepoint:
    """Stop the running job, keeping its state; ``then_submit``: for another to go on from it."""

    then_submit: bool = False


@dataclass(frozen=True)
class RecordFailure:
    """Flink ended the job for good."""


Action = Nothing | Submit | StopWithSavepoint | RecordFailure


def decide(desired: Desired, observed: Observed, suspended: bool, flink: str | None) -> Action:
    """The next step towards what is desired.

    ``flink`` is the status of the current attempt in Flink, None when Flink does not know it.
    """
    attempt = observed.current
    active = flink in ACTIVE
    given_up = observed.state == "failed" and observed.generation == desired.generation
    if suspended or not desired.run:
        if active:
            return StopWithSavepoint()
        return Nothing("failed" if given_up and desired.run else "stopped")
    if active and attempt:
        if attempt.fingerprint != desired.spec.fingerprint():
            return StopWithSavepoint(then_submit=True)
        return Nothing("running" if flink == "RUNNING" else "restarting")
    if given_up:
        return Nothing("failed")
    if flink == "FAILED" and attempt and attempt.generation == desired.generation:
        return RecordFailure()
    if attempt and not attempt.seen and attempt.fingerprint == desired.spec.fingerprint():
        return Submit(again=True)
    return Submit()
