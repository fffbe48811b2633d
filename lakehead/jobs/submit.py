"""``submit`` and ``stop``: record what should run, and wait until it is so."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from lakehead.contracts.applied import applied_contract, contract_in_force, record_applied
from lakehead.contracts.load import load_contract
from lakehead.errors import LakeheadError, SystemFailure, UserError
from lakehead.jobs import records
from lakehead.jobs.pause import pause_seconds
from lakehead.jobs.plan import Plan, plan, plan_job
from lakehead.jobs.records import Desired, Observed
from lakehead.jobs.tables import drop_tables, make_tables
from lakehead.jobs.takeover import TakeOver
from lakehead.jobs.versions import NO_REPLAYS, Part, Replays
from lakehead.settings import Settings
from lakehead.streams.topics import adapt_topic, ensure_topic

__all__ = ["Plan", "plan", "stop", "submit"]
DEADLINE_SECONDS = 180
# How long a version that is near is waited for.
PATIENCE_SECONDS = 120.0
Say = Callable[[str], None]


def submit(
    settings: Settings,
    stream: str,
    say: Say = lambda _: None,
    start: bool = True,
    parallelism: int | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
    replays: Replays = NO_REPLAYS,
) -> Plan:
    """Apply the contract, record the job as desired, wait until it runs. Twice is once.

    Cut short at any point, it is made whole by doing it again:

    1. the contract is recorded as the one that is applied;
    2. the topic is made or adapted, then the tables: the job that runs goes on, for a row that it
       writes has no value in a new column and is found by field id under a new name;
    3. the job is recorded; the controller stops the old one with a savepoint, starts the new one;
    4. versions of models that are whole take over, waited for where that is near: ``TakeOver``.

    Raises:
        UserError: an unknown stream, a contract or model that is wrong, a change that is not
            compatible.
        LakeheadError: the job failed; says the cause.
    """
    known = applied_contract(settings, stream) is not None
    planned = plan_job(settings, stream, start, parallelism, replays)
    contract, desired, done = planned.contract, planned.desired, planned.plan
    began = datetime.now(UTC)
    say("making topic and tables")
    record_applied(settings, stream)
    if not ensure_topic(settings, contract):
        adapt_topic(settings, contract)
    for other in _second_streams(planned.placed.parts):
        # Its own job may come later; a scan of what is not there would fail.
        ensure_topic(settings, load_contract(settings.schemas, other))
    coming = {r.target for r in desired.renames}
    make_tables(settings, contract, planned.placed.parts, known, coming)
    if desired != records.read_desired(settings, stream):
        records.write_desired(settings, desired)
    if not desired.run:
        return done
    say("waiting for Flink to run the job")
    wait_for(settings, stream, "running", desired)
    drop_tables(settings, planned.placed.dropped)
    if done.change == "changed":
        say("waiting for the first commit after the restart")
        done = replace(done, pause_seconds=pause_seconds(settings, contract, began))
    taking = TakeOver(settings, stream, say, replays.check)
    return _take_over(settings, done, taking, say, patience_seconds if start else 0)


def _second_streams(parts: Sequence[Part]) -> list[str]:
    return sorted({stream for part in parts for stream in part.bound.streams[1:]})


def _take_over(
    settings: Settings, done: Plan, taking: TakeOver, say: Say, patience_seconds: float
) -> Plan:
    before = records.read_desired(settings, done.stream)
    began = datetime.now(UTC)
    done = replace(done, waiting=tuple(map(str, taking.run(patience_seconds))))
    desired = records.read_desired(settings, done.stream)
    if desired is None or before is None or desired.generation == before.generation:
        return done
    wait_for(settings, done.stream, "running", desired)
    say("waiting for the first commit after the restart")
    pause = pause_seconds(settings, contract_in_force(settings, done.stream), began)
    longest = max((p for p in (done.pause_seconds, pause) if p is not None), default=None)
    return replace(done, pause_seconds=longest)


def stop(settings: Settings, name: str) -> None:
    """Record that the job should not run, and wait until it has stopped with a savepoint."""
    before = records.read_desired(settings, name)
    if before is None:
        known = ", ".join(records.job_names(settings)) or "none was ever submitted"
        raise UserError(f"there is no job {name!r}; known: {known}", "lakehead jobs")
    if before.run:
        changed = replace(before, run=False, generation=before.generation + 1)
        records.write_desired(settings, changed)
    wait_for(settings, name, "stopped")


def suspend(settings: Settings, say: Say = lambda _: None) -> list[str]:
    """Stop all jobs with savepoints for as long as the stack is down; gives those that did not."""
    names = _should_run(settings)
    marker = records.suspend_marker(settings)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    left = []
    for name in names:
        say(f"stopping {name} with a savepoint")
        try:
            wait_for(settings, name, "stopped", deadline_seconds=90)
        except LakeheadError:
            left.append(name)
    return left


def resume(settings: Settings) -> None:
    """Undo ``suspend``."""
    records.suspend_marker(settings).unlink(missing_ok=True)


def wait_for_desired(settings: Settings) -> list[str]:
    """Wait until all jobs that should run do, but for those that have failed; gives their names."""
    names = _should_run(settings)
    for name in names:
        wait_for(settings, name, "running")
    return names


def wait_for(
    settings: Settings,
    name: str,
    state: str,
    desired: Desired | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Observed:
    """Wait until the controller reports ``state``; where ``desired`` is given, of that very job.

    Raises:
        LakeheadError: the job failed instead; says the cause.
        SystemFailure: the deadline passed; says what was seen last.
    """
    end = time.monotonic() + deadline_seconds
    while True:
        observed = records.read_observed(settings, name)
        if observed.state == state and (desired is None or _is_current(observed, desired)):
            return observed
        if state == "running" and _has_failed(observed, desired):
            raise LakeheadError(
                f"job {name} failed: {observed.cause}",
                f"lakehead logs controller; when it is mended: lakehead submit {name}",
            )
        if time.monotonic() > end:
            raise SystemFailure(
                f"job {name} is {observed.state} after {deadline_seconds:.0f} s, expected {state}",
                "lakehead logs controller",
            )
        time.sleep(0.1)


def _is_current(observed: Observed, desired: Desired) -> bool:
    attempt = observed.current
    return attempt is not None and attempt.fingerprint == desired.spec.fingerprint()


def _has_failed(observed: Observed, desired: Desired | None) -> bool:
    """Whether the failure is of this generation, not one that a new submit is about to retry."""
    wanted = desired.generation if desired else 0
    return observed.state == "failed" and wanted <= observed.generation


def _should_run(settings: Settings) -> list[str]:
    """Jobs that are desired to run and have not been given up."""
    desired = [records.read_desired(settings, name) for name in records.job_names(settings)]
    wanted = [d.name for d in desired if d and d.run]
    return [n for n in wanted if records.read_observed(settings, n).state != "failed"]
