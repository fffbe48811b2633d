"""Give a model's table back to the version that the current one took over from."""

from dataclasses import dataclass, replace

from lakehead.contracts.applied import contract_in_force
from lakehead.errors import UserError
from lakehead.jobs import records
from lakehead.jobs.placing import rebound
from lakehead.jobs.records import Desired
from lakehead.jobs.spec import compile_job
from lakehead.jobs.submit import Say, wait_for
from lakehead.jobs.versions import Part, Version
from lakehead.lake.snapshots import list_tables
from lakehead.lake.swap import free_name, pending, rename, rename_tables
from lakehead.settings import Settings


@dataclass(frozen=True)
class RolledBack:
    """``table`` holds the answers of the version before; those since are in ``aside``."""

    model: str
    table: str
    aside: str


def rollback(settings: Settings, model: str, say: Say = lambda _: None) -> RolledBack:
    """Take the model out of its job, and swap its table with the one that was kept.

    Nobody feeds the table then, until a version of the model is submitted.

    Raises:
        UserError: the model is not there, or no table was kept.
        LakeheadError: the job failed.
    """
    desired, version = live_version(settings, model)
    if version.kept is None or version.kept not in list_tables(settings):
        raise UserError(
            f"{model} has no earlier table: {version.table} has always been this version's",
            f"change pipelines/{model}.sql, then: lakehead submit {desired.name}",
        )
    aside = free_name(settings, f"{version.table}__{version.version}")
    renames = (
        rename(settings, version.table, aside),
        rename(settings, version.kept, version.table),
    )
    contract = contract_in_force(settings, desired.name)
    parts = [Part(v, rebound(settings, contract, v)) for v in desired.models if v.name != model]
    changed = replace(
        desired,
        generation=desired.generation + 1,
        spec=compile_job(settings, contract, parts, desired.parallelism),
        models=tuple(p.version for p in parts),
        renames=(*pending(settings, desired.renames), *renames),
    )
    say("swapping tables")
    records.write_desired(settings, changed)
    if changed.run:
        wait_for(settings, desired.name, "running", changed)
    else:
        rename_tables(settings, changed.renames)
    return RolledBack(model, version.table, aside)


def live_version(settings: Settings, model: str) -> tuple[Desired, Version]:
    """The job that feeds the model's own table, and the version that does.

    Raises:
        UserError: none does.
    """
    known = []
    for name in records.job_names(settings):
        desired = records.read_desired(settings, name)
        for version in desired.models if desired else ():
            if version.live and version.name == model:
                assert desired
                return desired, version
            known.append(version.name)
    names = ", ".join(dict.fromkeys(known)) or "none"
    raise UserError(
        f"no job has a model {model!r} that is live; jobs have {names}", "lakehead jobs"
    )
