"""``submit`` and ``stop``: record what should run, and wait until it is so."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from lakehead.contracts.iceberg import by_day, dead_schema, landing_schema
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.errors import LakeheadError, SystemFailure, UserError
from lakehead.jobs import records
from lakehead.jobs.records import Desired, Observed
from lakehead.jobs.spec import compile_job
from lakehead.lake.catalog import open_catalog
from lakehead.lake.tables import ensure_table
from lakehead.models.iceberg import mart_schema
from lakehead.models.model import Model, check_against, load_models
from lakehead.settings import Settings
from lakehead.streams.topics import ensure_topic

DEADLINE_SECONDS = 180
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a submit does: ``change`` is new, changed, resumed or none."""

    stream: str
    models: tuple[str, ...]
    change: str


def plan(settings: Settings, stream: str) -> tuple[Plan, Desired]:
    """Compile the stream's job and compare it with what is desired now. Changes nothing."""
    return _compare(settings, *definitions(settings, stream))


def _compare(settings: Settings, contract: Contract, models: list[Model]) -> tuple[Plan, Desired]:
    stream = contract.stream
    spec = compile_job(settings, contract, models)
    before = records.read_desired(settings, stream)
    observed = records.read_observed(settings, stream)
    if before is None:
        change = "new"
    elif before.spec.fingerprint() != spec.fingerprint():
        change = "changed"
    elif not before.run or observed.state == "failed":
        change = "resumed"
    else:
        return Plan(stream, spec.models, "none"), before
    generation = before.generation + 1 if before else 1
    return Plan(stream, spec.models, change), Desired(stream, True, generation, spec)


def submit(settings: Settings, stream: str, say: Say = lambda _: None) -> Plan:
    """Make topic and tables, record the job as desired, wait until it runs. Twice is once.

    Raises:
        UserError: an unknown stream, a contract or model that is wrong.
        LakeheadError: the job failed; says the cause.
    """
    contract, models = definitions(settings, stream)
    planned, desired = _compare(settings, contract, models)
    say("making topic and tables")
    ensure_topic(settings, contract)
    make_tables(settings, contract, models)
    if planned.change != "none":
        records.write_desired(settings, desired)
    say("waiting for Flink to run the job")
    wait_for(settings, stream, "running", desired.generation)
    return planned


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


def definitions(settings: Settings, stream: str) -> tuple[Contract, list[Model]]:
    """A stream's contract and the models that read it, checked against each other."""
    contract = load_contract(settings.schemas, stream)
    models = load_models(settings.pipelines, stream)
    for model in models:
        check_against(model, contract)
    return contract, models


def make_tables(settings: Settings, contract: Contract, models: list[Model]) -> None:
    """Landing, dead and mart tables, where they are not there yet."""
    catalog = open_catalog(settings)
    landing = landing_schema(contract)
    ensure_table(catalog, contract.landing_table, landing, by_day(landing, contract.event_time))
    dead = dead_schema()
    ensure_table(catalog, contract.dead_table, dead, by_day(dead, "kafka_timestamp"))
    for model in models:
        mart = mart_schema(model)
        ensure_table(catalog, model.table, mart, by_day(mart, "window_start"))


def wait_for(
    settings: Settings,
    name: str,
    state: str,
    generation: int | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Observed:
    """Wait until the controller reports ``state``.

    Raises:
        LakeheadError: the job failed instead; says the cause.
        SystemFailure: the deadline passed; says what was seen last.
    """
    end = time.monotonic() + deadline_seconds
    while True:
        observed = records.read_observed(settings, name)
        current = observed.current
        fresh = generation is None or (current and current.generation >= generation)
        if observed.state == state and fresh:
            return observed
        if state == "running" and _has_failed(observed, generation):
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


def _has_failed(observed: Observed, generation: int | None) -> bool:
    """Whether the failure is of this generation, not one that a new submit is about to retry."""
    return observed.state == "failed" and (generation or 0) <= observed.generation


def _should_run(settings: Settings) -> list[str]:
    """Jobs that are desired to run and have not been given up."""
    desired = [records.read_desired(settings, name) for name in records.job_names(settings)]
    wanted = [d.name for d in desired if d and d.run]
    return [n for n in wanted if records.read_observed(settings, n).state != "failed"]
