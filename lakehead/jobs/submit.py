"""``submit`` and ``stop``: record what should run, and wait until it is so."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lakehead.contracts.applied import applied_contract, record_applied
from lakehead.contracts.diff import Change, compare
from lakehead.contracts.iceberg import by_day, dead_schema, landing_schema
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.errors import LakeheadError, NotRunning, SystemFailure, UserError
from lakehead.jobs import records
from lakehead.jobs.pause import pause_seconds
from lakehead.jobs.records import Desired, Observed
from lakehead.jobs.spec import compile_job
from lakehead.lake.catalog import open_catalog
from lakehead.lake.evolve import Step, evolve_table, table_steps
from lakehead.lake.tables import ensure_table
from lakehead.models.bind import Bound
from lakehead.models.flink import LEFT_OUT
from lakehead.models.iceberg import left_out_schema, mart_schema
from lakehead.models.load import bound_models
from lakehead.settings import Settings
from lakehead.streams.topics import adapt_topic, ensure_topic, topic_changes

DEADLINE_SECONDS = 180
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a submit does.

    ``change`` is that of the job: new, changed, resumed, stopped (it is, and stays so) or none.
    ``contract`` are the changes since the contract was last applied; ``steps`` what they mean for
    topic and table, in words. ``pause_seconds`` is the longest time without a commit around the
    restart of the job; None where it did not restart, or nothing came to be landed.
    """

    stream: str
    models: tuple[str, ...]
    change: str
    contract: tuple[Change, ...] = ()
    steps: tuple[str, ...] = ()
    pause_seconds: float | None = None


def plan(settings: Settings, stream: str, start: bool = True) -> tuple[Plan, Desired]:
    """Compile the stream's job and compare it with what is desired now. Changes nothing.

    Without ``start``, a job that was stopped stays stopped.

    Raises:
        UserError: a contract or a model that is wrong, or a change that is not compatible.
    """
    return _plan(
        settings, *definitions(settings, stream), applied_contract(settings, stream), start
    )


def _plan(
    settings: Settings,
    contract: Contract,
    models: list[Bound],
    before: Contract | None,
    start: bool,
) -> tuple[Plan, Desired]:
    stream = contract.stream
    changes = compare(before, contract) if before else []
    _refuse(stream, changes)
    job, desired = _compare_job(settings, contract, models, start)
    steps = [f"table {contract.landing_table}: {s}" for s in _table_steps(settings, contract)]
    # A dry run answers without a broker too.
    with contextlib.suppress(NotRunning):
        steps = [*topic_changes(settings, contract), *steps]
    return replace(job, contract=tuple(changes), steps=tuple(steps)), desired


def _compare_job(
    settings: Settings, contract: Contract, models: list[Bound], start: bool
) -> tuple[Plan, Desired]:
    stream = contract.stream
    spec = compile_job(settings, contract, models)
    before = records.read_desired(settings, stream)
    observed = records.read_observed(settings, stream)
    run = start or before is None or before.run
    if before is None:
        change = "new"
    elif before.spec.fingerprint() != spec.fingerprint():
        change = "changed" if run else "stopped"
    elif run and (not before.run or observed.state == "failed"):
        change = "resumed"
    else:
        return Plan(stream, spec.models, "none" if run else "stopped"), before
    generation = before.generation + 1 if before else 1
    return Plan(stream, spec.models, change), Desired(stream, run, generation, spec)


def submit(settings: Settings, stream: str, say: Say = lambda _: None, start: bool = True) -> Plan:
    """Apply the contract, record the job as desired, wait until it runs. Twice is once.

    Cut short at any point, it is made whole by doing it again:

    1. the contract is recorded as the one that is applied;
    2. the topic is made or adapted, then the tables: the job that runs goes on, for a row that it
       writes has no value in a new column and is found by field id under a new name;
    3. the job is recorded; the controller stops the old one with a savepoint, starts the new one.

    Raises:
        UserError: an unknown stream, a contract or model that is wrong, a change that is not
            compatible.
        LakeheadError: the job failed; says the cause.
    """
    contract, models = definitions(settings, stream)
    before = applied_contract(settings, stream)
    planned, desired = _plan(settings, contract, models, before, start)
    began = datetime.now(UTC)
    say("making topic and tables")
    record_applied(settings, stream)
    if not ensure_topic(settings, contract):
        adapt_topic(settings, contract)
    for other in _second_streams(models):
        # Its own job may come later; a scan of what is not there would fail.
        ensure_topic(settings, load_contract(settings.schemas, other))
    make_tables(settings, contract, models, known=before is not None)
    if planned.change != "none" and desired != records.read_desired(settings, stream):
        records.write_desired(settings, desired)
    if desired.run:
        say("waiting for Flink to run the job")
        wait_for(settings, stream, "running", desired)
    if planned.change == "changed":
        say("waiting for the first commit after the restart")
        pause = pause_seconds(settings, contract, began)
        return replace(planned, pause_seconds=pause)
    return planned


def _second_streams(models: list[Bound]) -> list[str]:
    return sorted({stream for bound in models for stream in bound.streams[1:]})


def _refuse(stream: str, changes: list[Change]) -> None:
    refused = [change for change in changes if not change.compatible]
    if refused:
        raise UserError(
            f"the contract of {stream} has changes that are not compatible with what is applied:\n"
            + "\n".join(f"  {c.what}\n    because {c.refused}" for c in refused),
            "; ".join(dict.fromkeys(c.way_out for c in refused)),
        )


def _table_steps(settings: Settings, contract: Contract) -> list[Step]:
    """What the landing table needs to become what the contract says."""
    if not settings.catalog_db.exists():
        return []
    name = contract.landing_table
    return table_steps(open_catalog(settings), name, landing_schema(contract), contract.aliases)


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


def definitions(settings: Settings, stream: str) -> tuple[Contract, list[Bound]]:
    """A stream's contract and the models that read it, checked against each other."""
    contract = load_contract(settings.schemas, stream)
    return contract, bound_models(settings, stream)


def make_tables(
    settings: Settings, contract: Contract, models: list[Bound], known: bool = False
) -> None:
    """Landing, dead and mart tables where they are not there yet; landing as the contract has it.

    ``known`` is whether the landing table was made by a contract that was applied before.

    Raises:
        UserError: a table that no contract made has other columns.
    """
    catalog = open_catalog(settings)
    landing = landing_schema(contract)
    if known and catalog.table_exists(contract.landing_table):
        evolve_table(catalog, contract.landing_table, landing, contract.aliases)
    else:
        ensure_table(catalog, contract.landing_table, landing, by_day(landing, contract.event_time))
    dead = dead_schema()
    ensure_table(catalog, contract.dead_table, dead, by_day(dead, "kafka_timestamp"))
    for bound in models:
        model = bound.model
        mart = mart_schema(model)
        ensure_table(catalog, model.table, mart, by_day(mart, model.partition_by))
        if model.kind == "join":
            left_out = left_out_schema()
            ensure_table(catalog, LEFT_OUT, left_out, by_day(left_out, "kafka_timestamp"))


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
