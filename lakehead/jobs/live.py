"""What a mart holds now: the version of its model that is live, whatever the file says by now."""

from dataclasses import replace

from lakehead.contracts.applied import contract_in_force
from lakehead.errors import UserError
from lakehead.jobs import records
from lakehead.jobs.placing import rebound
from lakehead.jobs.versions import Version
from lakehead.models.bind import Bound
from lakehead.models.load import bound_model
from lakehead.models.model import Model
from lakehead.settings import Settings


def live_bound(settings: Settings, name: str) -> Bound:
    """See ``live_model``."""
    return live_model(settings, name)[0]


def live_model(settings: Settings, name: str) -> tuple[Bound, str | None]:
    """The model as its mart has it, over the contracts that are applied, and its version.

    It is what the file says, and of no version, where no job has recorded any.

    Raises:
        UserError: no such model, or one whose table no version feeds.
    """
    bound = bound_model(settings, name)
    stream = bound.root.stream
    versions = _versions(settings, stream)
    if not versions:
        return bound, None
    found = _live(versions, name)
    if found is None:
        raise UserError(
            f"no version of {name} has its table now: it is not submitted, is being filled, or was "
            "rolled back",
            f"lakehead submit {stream}",
        )
    return bound_to(settings, stream, found), found.version


def bound_to(settings: Settings, stream: str, version: Version) -> Bound:
    """A version of a model, with the table that it writes, over the contracts that are applied."""
    bound = rebound(settings, contract_in_force(settings, stream), version)
    return replace(bound, model=replace(bound.model, table=version.table))


def fed_models(settings: Settings, stream: str) -> list[Model]:
    """Each version of a model that the stream's job feeds, with the table that it writes."""
    contract = contract_in_force(settings, stream)
    return [
        replace(rebound(settings, contract, v).model, table=v.table)
        for v in _versions(settings, stream)
    ]


def has_live_version(settings: Settings, bound: Bound) -> bool:
    """Whether ``live_model`` finds the model's table fed."""
    versions = _versions(settings, bound.root.stream)
    return not versions or _live(versions, bound.model.name) is not None


def _versions(settings: Settings, stream: str) -> tuple[Version, ...]:
    desired = records.read_desired(settings, stream)
    return desired.models if desired else ()


def _live(versions: tuple[Version, ...], name: str) -> Version | None:
    return next((v for v in versions if v.live and v.name == name), None)


def filling_version(settings: Settings, name: str) -> Version | None:
    """The version of the model that has not taken over yet, if there is one."""
    for job in records.job_names(settings):
        for version in _versions(settings, job):
            if version.name == name and not version.live:
                return version
    return None
