"""What a submit would do: contract, topic, tables, job, and each of its models. Changes nothing."""

import contextlib
from dataclasses import dataclass, replace

from lakehead.contracts.applied import applied_contract
from lakehead.contracts.diff import Change, compare
from lakehead.contracts.iceberg import landing_schema
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract
from lakehead.errors import NotRunning, UserError
from lakehead.jobs import records
from lakehead.jobs.placing import ModelChange, Placed, place
from lakehead.jobs.records import Desired
from lakehead.jobs.spec import compile_job
from lakehead.jobs.tables import steadily
from lakehead.jobs.versions import NO_REPLAYS, Replays
from lakehead.lake.catalog import open_catalog
from lakehead.lake.evolve import Step, table_steps
from lakehead.lake.swap import pending
from lakehead.models.bind import Bound
from lakehead.models.load import bound_models
from lakehead.settings import TASK_SLOTS, Settings
from lakehead.streams.topics import topic_changes


@dataclass(frozen=True)
class Plan:
    """What a submit does.

    ``change`` is that of the job: new, changed, resumed, stopped (it is, and stays so) or none.
    ``contract`` are the changes since the contract was last applied; ``steps`` what they mean for
    topic and table, in words. ``versions`` is what becomes of each model; ``waiting`` says which
    have not taken over yet. ``pause_seconds`` is the longest time without a commit around the
    restart of the job; None where it did not restart, or nothing came to be landed.
    """

    stream: str
    models: tuple[str, ...]
    change: str
    contract: tuple[Change, ...] = ()
    steps: tuple[str, ...] = ()
    pause_seconds: float | None = None
    versions: tuple[ModelChange, ...] = ()
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Planned:
    """A plan with what it makes: ``desired`` is to be recorded."""

    plan: Plan
    desired: Desired
    placed: Placed
    contract: Contract


def plan(
    settings: Settings,
    stream: str,
    start: bool = True,
    parallelism: int | None = None,
    replays: Replays = NO_REPLAYS,
) -> tuple[Plan, Desired]:
    """Compile the stream's job and compare it with what is desired now. Changes nothing.

    Without ``start``, a job that was stopped stays stopped. ``parallelism`` is as it was if None.

    Raises:
        UserError: a contract or a model that is wrong, or a change that is not compatible.
    """
    planned = plan_job(settings, stream, start, parallelism, replays)
    return planned.plan, planned.desired


def plan_job(
    settings: Settings,
    stream: str,
    start: bool,
    parallelism: int | None,
    replays: Replays = NO_REPLAYS,
) -> Planned:
    """See ``plan``."""
    contract, models = definitions(settings, stream)
    applied = applied_contract(settings, stream)
    changes = compare(applied, contract) if applied else []
    _refuse(stream, changes)
    before = records.read_desired(settings, stream)
    placed = place(settings, contract, models, before, replays)
    wanted = parallelism or (before.parallelism if before else None)
    _check_slots(settings, stream, wanted)
    change, desired = _compare(settings, contract, placed, before, start, wanted)
    steps = [f"table {contract.landing_table}: {s}" for s in _table_steps(settings, contract)]
    # A dry run answers without a broker too.
    with contextlib.suppress(NotRunning):
        steps = [*topic_changes(settings, contract), *steps]
    said = Plan(
        stream,
        desired.spec.models,
        change,
        contract=tuple(changes),
        steps=tuple(steps),
        versions=placed.changes,
    )
    return Planned(said, desired, placed, contract)


def definitions(settings: Settings, stream: str) -> tuple[Contract, list[Bound]]:
    """A stream's contract and the models that read it, checked against each other."""
    contract = load_contract(settings.schemas, stream)
    return contract, bound_models(settings, stream)


def _compare(
    settings: Settings,
    contract: Contract,
    placed: Placed,
    before: Desired | None,
    start: bool,
    parallelism: int | None,
) -> tuple[str, Desired]:
    stream = contract.stream
    spec = compile_job(settings, contract, placed.parts, parallelism)
    versions = tuple(p.version for p in placed.parts)
    if before is None:
        return "new", Desired(stream, True, 1, spec, versions, parallelism=parallelism)
    observed = records.read_observed(settings, stream)
    run = start or before.run
    # What an earlier submit wanted to be renamed, and the controller has not come to yet.
    renames = (*pending(settings, before.renames), *placed.renames)
    desired = replace(before, spec=spec, models=versions, renames=renames, parallelism=parallelism)
    if before.spec.fingerprint() != spec.fingerprint():
        change = "changed" if run else "stopped"
    elif run and (not before.run or observed.state == "failed"):
        change = "resumed"
    else:
        return "none" if run else "stopped", desired
    return change, replace(desired, run=run, generation=before.generation + 1)


def _check_slots(settings: Settings, stream: str, parallelism: int | None) -> None:
    """All jobs that should run must find a slot for each of their subtasks."""
    wanted = parallelism or settings.tuning.parallelism
    others = [records.read_desired(settings, n) for n in records.job_names(settings)]
    taken = sum(
        d.parallelism or settings.tuning.parallelism
        for d in others
        if d and d.run and d.name != stream
    )
    if not 1 <= wanted <= TASK_SLOTS - taken:
        raise UserError(
            f"the parallelism of {stream} is {wanted}, expected 1 to {TASK_SLOTS - taken}: "
            f"there are {TASK_SLOTS} task slots, and other jobs take {taken}",
            "lakehead jobs",
        )


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
    wanted, name = landing_schema(contract), contract.landing_table
    return steadily(lambda: table_steps(open_catalog(settings), name, wanted, contract.aliases))
