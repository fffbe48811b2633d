"""The job controller: a supervised process that makes the desired state so.

    python -m lakehead.jobs.controller HOME

Each pass asks Flink about the current attempt of every job and takes one step. The order of a
submission makes a crash at any point harmless:

1. the attempt, with the id that its Flink job will have, is recorded;
2. the newest complete checkpoint of all attempts is looked up;
3. tables are renamed, if the job is to write them under other names;
4. the job is submitted under that id; Flink refuses an id that it already has.
"""

import logging
import secrets
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from lakehead.errors import LakeheadError, NotRunning
from lakehead.jobs import checkpoints, records
from lakehead.jobs.converge import (
    MAXIMUM_FAILURES,
    Action,
    Nothing,
    RecordFailure,
    StopWithSavepoint,
    Submit,
    decide,
)
from lakehead.jobs.flink_rest import FlinkRest, root_cause
from lakehead.jobs.records import Attempt, Desired, Observed
from lakehead.jobs.submission import Submission
from lakehead.lake.swap import rename_tables
from lakehead.settings import Settings, load_settings
from lakehead.streams.interrupt import ends_by_signal

PASS_SECONDS = 0.5
SAVEPOINT_DEADLINE_SECONDS = 60
KEPT_ATTEMPTS = 20
_OUTAGE = "RegistryUnavailableException"

log = logging.getLogger("lakehead.controller")


class Controller:
    """Takes one step for every job at each pass."""

    def __init__(self, settings: Settings, flink: FlinkRest) -> None:
        self._settings = settings
        self._flink = flink
        self._prepared: dict[str, Submission] = {}

    def one_pass(self) -> None:
        """Raises NotRunning when Flink does not answer; nothing is decided then."""
        for name in records.job_names(self._settings):
            try:
                self._one_step(name)
            except NotRunning:
                raise
            except Exception:
                # What is wrong with one job must not hold up the others.
                log.exception("no step for %s", name)

    def _one_step(self, name: str) -> None:
        desired = records.read_desired(self._settings, name)
        if desired is None:
            return
        suspended = records.suspend_marker(self._settings).exists()
        observed = records.read_observed(self._settings, name)
        state = self._flink.state(observed.current.job_id) if observed.current else None
        observed = self._note_seen(observed, state)
        self._take(decide(desired, observed, suspended, state), desired, observed)

    def forget_states(self) -> None:
        """What an earlier controller saw no longer counts; ``failed`` is a verdict, and stays."""
        for name in records.job_names(self._settings):
            try:
                observed = records.read_observed(self._settings, name)
            except LakeheadError as error:
                log.error("%s is left alone: %s", name, error.message)
                continue
            if observed.state not in ("failed", "stopped"):
                self._write(replace(observed, state="restarting"))

    def _take(self, action: Action, desired: Desired, observed: Observed) -> None:
        match action:
            case Nothing(state=state):
                self._settle(observed, state)
            case Submit(again=again):
                self._submit(desired, observed, again)
            case StopWithSavepoint(then_submit=then_submit):
                if then_submit:
                    self._prepare(desired)
                self._stop(observed)
            case RecordFailure():
                assert observed.current
                self._count_failure(desired, observed, self._flink.cause(observed.current.job_id))

    def _note_seen(self, observed: Observed, state: str | None) -> Observed:
        attempt = observed.current
        if state is None or attempt is None or attempt.seen:
            return observed
        seen = (*observed.attempts[:-1], replace(attempt, seen=True))
        return self._write(replace(observed, attempts=seen))

    def _settle(self, observed: Observed, state: str) -> None:
        if observed.current and state == "running":
            done = checkpoints.completed(self._settings, observed.current.job_id)
            if done and observed.failures:
                observed = self._write(replace(observed, failures=0))
            checkpoints.prune(self._settings, [a.job_id for a in observed.attempts])
        if observed.state != state:
            log.info("%s is %s", observed.name, state)
            kept = observed.cause if state == "failed" else ""
            self._write(replace(observed, state=state, cause=kept))  # type: ignore[arg-type]

    def _submit(self, desired: Desired, observed: Observed, again: bool) -> None:
        ids = [a.job_id for a in observed.attempts]
        restore = checkpoints.newest_complete(self._settings, ids)
        attempt = Attempt(
            job_id=ids[-1] if again else secrets.token_hex(16),
            generation=desired.generation,
            fingerprint=desired.spec.fingerprint(),
            started=time.time(),
            restored_from=str(restore) if restore else None,
        )
        earlier = observed.attempts[:-1] if again else observed.attempts
        # A submit after a failure begins a new count.
        failures = observed.failures if observed.generation == desired.generation else 0
        observed = self._write(
            replace(
                observed,
                state="starting",
                generation=desired.generation,
                failures=failures,
                attempts=_kept((*earlier, attempt), restore),
            )
        )
        log.info(
            "submitting %s as %s from %s", desired.name, attempt.job_id, restore or "the start"
        )
        failure = self._rename_tables(desired) or self._run_client(desired, attempt)
        if failure and self._flink.state(attempt.job_id) is None:
            self._count_failure(desired, observed, failure)

    def _rename_tables(self, desired: Desired) -> str | None:
        """Give tables the names that the job writes to; the cause when that failed.

        No job writes now: the last has ended, and has committed what it had.
        """
        try:
            if desired.renames and rename_tables(self._settings, desired.renames):
                said = ", ".join(f"{r.source} -> {r.target}" for r in desired.renames)
                log.info("renamed %s", said)
        except LakeheadError as error:
            return error.message
        return None

    def _run_client(self, desired: Desired, attempt: Attempt) -> str | None:
        """Submit by a process of its own; gives the cause when it failed."""
        submission = self._prepared.pop(desired.name, None)
        if submission and submission.fingerprint != attempt.fingerprint:
            submission.close()
            submission = None
        submission = submission or self._begin(desired)
        restore = Path(attempt.restored_from) if attempt.restored_from else None
        said = submission.run(attempt.job_id, restore)
        if said is None:
            return None
        log.error("submission of %s failed:\n%s", desired.name, said)
        return root_cause(said)

    def _begin(self, desired: Desired, ahead: bool = False) -> Submission:
        path = records.spec_path(self._settings, desired.name)
        return Submission(desired.spec, path, ahead)

    def _prepare(self, desired: Desired) -> None:
        """Plan the changed job while the old one still runs, so that the pause is short."""
        if earlier := self._prepared.pop(desired.name, None):
            earlier.close()
        submission = self._begin(desired, ahead=True)
        if submission.prepare():
            self._prepared[desired.name] = submission
        else:
            # What is wrong with it shows when it is submitted, and is counted there.
            submission.close()

    def _count_failure(self, desired: Desired, observed: Observed, cause: str) -> None:
        assert observed.current
        if _OUTAGE in cause:
            # What the job reads with is away: it waits for it, and is not given up.
            log.warning("%s waits: %s", observed.name, cause)
            self._submit(desired, replace(observed, cause=cause), again=False)
            return
        progressed = bool(checkpoints.completed(self._settings, observed.current.job_id))
        failures = 1 if progressed else observed.failures + 1
        log.error("%s failed (%s in a row): %s", observed.name, failures, cause)
        if failures >= MAXIMUM_FAILURES:
            self._write(
                replace(
                    observed,
                    state="failed",
                    generation=desired.generation,
                    cause=cause,
                    failures=failures,
                )
            )
            return
        self._submit(desired, replace(observed, failures=failures, cause=cause), again=False)

    def _stop(self, observed: Observed) -> None:
        """Stop with a savepoint; what cannot make one is cancelled, and keeps its checkpoint."""
        assert observed.current
        job_id = observed.current.job_id
        observed = self._write(replace(observed, state="stopping"))
        folder = checkpoints.savepoint_folder(self._settings, job_id)
        end = time.monotonic() + SAVEPOINT_DEADLINE_SECONDS
        trigger = None
        while time.monotonic() < end:
            state = self._flink.state(job_id)
            if state in ("FINISHED", "CANCELED", "FAILED", None):
                log.info("%s stopped: %s", observed.name, state)
                return
            if trigger and self._flink.savepoint_failure(job_id, trigger):
                trigger = None
            if trigger is None and state == "RUNNING":
                try:
                    trigger = self._flink.stop_with_savepoint(job_id, str(folder))
                except LakeheadError as error:
                    log.warning("savepoint of %s: %s", observed.name, error.message)
            time.sleep(0.1)
        log.warning("%s made no savepoint in time; it is cancelled", observed.name)
        self._flink.cancel(job_id)

    def _write(self, observed: Observed) -> Observed:
        records.write_observed(self._settings, observed)
        return observed


def _kept(attempts: tuple[Attempt, ...], restore: Path | None) -> tuple[Attempt, ...]:
    """The latest attempts, and the one that left ``restore``, however long ago.

    Without that one the next attempt would start over, and land every record twice.
    """
    recent = attempts[-KEPT_ATTEMPTS:]
    holder = tuple(a for a in attempts if restore and a.job_id == restore.parent.name)
    if not holder or holder[0] in recent:
        return recent
    return (*holder, *recent[1:])


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    ended = ends_by_signal()
    settings = load_settings(Path(sys.argv[1]))
    with FlinkRest(settings.flink_url) as flink:
        run(settings, Controller(settings, flink), ended)


def run(settings: Settings, controller: Controller, ended: threading.Event) -> None:
    """Pass after pass, until a signal ends the process."""
    controller.forget_states()
    (settings.run / "controller.ready").write_text("")
    waiting = False
    while not ended.is_set():
        try:
            controller.one_pass()
            waiting = False
        except NotRunning as error:
            if not waiting:
                log.warning("%s", error.message)
            waiting = True
        ended.wait(PASS_SECONDS)


if __name__ == "__main__":
    main()
