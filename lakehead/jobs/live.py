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
    desired = records.read_desired(settings, bound.root.stream)
    if desired is None or not desired.models:
        return bound
    found = next((v for v in desired.models if v.live and v.name == name), None)
    if found is None:
        raise UserError(
            f"no version of {name} has its table now: it is not submitted, is being filled, or was "
            "rolled back",
            f"lakehead submit {desired.name}",
        )
    again = rebound(settings, contract_in_force(settings, desired.name), found)
    return replace(again, model=replace(again.model, table=found.table))


def filling_version(settings: Settings, name: str) -> Version | None:
    """The version of the model that has not taken over yet, if there is one."""
    for job in records.job_names(settings):
        desired = records.read_desired(settings, job)
        for version in desired.models if desired else ():
            if version.name == name and not version.live:
                return version
    return None
