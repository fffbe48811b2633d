"""What a mart holds now: the version of its model that is live, whatever the file says by now."""

from dataclasses import replace

from lakehead.contracts.applied import contract_in_force
from lakehead.errors import UserError
from lakehead.jobs import records
from lakehead.jobs.placing import rebound
from lakehead.jobs.versions import Version
from lakehead.models.bind import Bound
from lakehead.models.load import bound_model
from lakehead.settings import Settings


def live_bound(settings: Settings, name: str) -> Bound:
    """The model as its mart has it, over the contracts that are applied.

    It is what the file says where no job has recorded any version.

    Raises:
        UserError: no such model, or one whose table no version feeds.
    """
    bound = bound_model(settings, name)
    stream = bound.root.stream
    if not _has_versions(settings, stream):
        return bound
    found = _live(settings, stream, name)
    if found is None:
        raise UserError(
            f"no version of {name} has its table now: it is not submitted, is being filled, or was "
            "rolled back",
            f"lakehead submit {stream}",
        )
    again = rebound(settings, contract_in_force(settings, stream), found)
    return replace(again, model=replace(again.model, table=found.table))


def has_live_version(settings: Settings, bound: Bound) -> bool:
    """Whether ``live_bound`` finds the model's table fed."""
    stream = bound.root.stream
    return not _has_versions(settings, stream) or bool(_live(settings, stream, bound.model.name))


def _has_versions(settings: Settings, stream: str) -> bool:
    desired = records.read_desired(settings, stream)
    return desired is not None and bool(desired.models)


def _live(settings: Settings, stream: str, name: str) -> Version | None:
    desired = records.read_desired(settings, stream)
    versions = desired.models if desired else ()
    return next((v for v in versions if v.live and v.name == name), None)


def filling_version(settings: Settings, name: str) -> Version | None:
    """The version of the model that has not taken over yet, if there is one."""
    for job in records.job_names(settings):
        desired = records.read_desired(settings, job)
        for version in desired.models if desired else ():
            if version.name == name and not version.live:
                return version
    return None
