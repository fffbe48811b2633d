"""Which suites a project has, by name: one a stream, one a model."""

from collections.abc import Sequence
from dataclasses import replace

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.load import contract_names
from lakehead.contracts.model import LANDING
from lakehead.errors import UserError
from lakehead.jobs.live import has_live_version, live_bound
from lakehead.lake.snapshots import list_tables
from lakehead.models.load import bound_model
from lakehead.models.model import load_model, model_names
from lakehead.quality.expectation import Suite
from lakehead.quality.from_contract import suite_of_contract
from lakehead.quality.from_model import suite_of_model
from lakehead.settings import Settings


def find_suite(settings: Settings, name: str) -> Suite:
    """The suite of a stream, of a model, or of a table such as ``marts.revenue_by_country``.

    A stream's follows the contract that is in force; a model's, the version that is live, and
    the ``expect`` of its file as it is now.

    Raises:
        UserError: no such name, one that means both, or a contract or model that is wrong.
    """
    streams, models = contract_names(settings.schemas), model_names(settings.pipelines)
    landing = {f"{LANDING}.{s}": s for s in streams}
    if name in landing:
        return suite_of_contract(contract_in_force(settings, landing[name]))
    if name in streams and name in models:
        raise UserError(
            f"{name!r} is a stream and a model; expected the name of a table",
            f"lakehead quality suite {LANDING}.{name}",
        )
    if name in streams:
        return suite_of_contract(contract_in_force(settings, name))
    if name in models:
        return _of_model(settings, name)
    if "." in name:
        for model in models:
            if load_model(settings.pipelines, model).table == name:
                return _of_model(settings, model)
    known = ", ".join([*streams, *models]) or "neither yet"
    raise UserError(
        f"there is no stream or model {name!r}; expected one of {known}", "lakehead model list"
    )


def find_suites(settings: Settings, names: Sequence[str] | None = None) -> list[Suite]:
    """The suites of ``names``; by default of every stream and model that has a table.

    Raises as `find_suite`; also where there is no lake yet.
    """
    if names:
        return [find_suite(settings, name) for name in dict.fromkeys(names)]
    tables = set(list_tables(settings))
    streams = [f"{LANDING}.{s}" for s in contract_names(settings.schemas)]
    found = [find_suite(settings, table) for table in streams if table in tables]
    for name in model_names(settings.pipelines):
        bound = bound_model(settings, name)
        if bound.model.table in tables and has_live_version(settings, bound):
            found.append(_of_model(settings, name))
    return found


def _of_model(settings: Settings, name: str) -> Suite:
    live = live_bound(settings, name).model
    return suite_of_model(replace(live, expect=load_model(settings.pipelines, name).expect))
