"""Models of a project, bound to the contracts that they read."""

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.load import contract_names, load_contract
from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.models.bind import Bound, bind_model
from lakehead.models.model import Model, load_model, load_models, model_names
from lakehead.settings import Settings


def bound_model(settings: Settings, name: str) -> Bound:
    """The model over the contracts as they are applied; as written where never applied.

    Raises:
        UserError: no such model, or one that is wrong.
    """
    load_model(settings.pipelines, name)
    models = {m.name: m for m in load_models(settings.pipelines)}
    contracts = {
        s: contract_in_force(settings, s) for s in _streams(settings, models[name], models)
    }
    return _bound(settings, models[name], contracts, models)


def bound_models(settings: Settings, stream: str | None = None) -> list[Bound]:
    """The models that run in the job of ``stream``, or all of them, over the contracts as they are
    written.

    Raises:
        UserError: a contract or a model that is wrong.
    """
    models = {n: load_model(settings.pipelines, n) for n in model_names(settings.pipelines)}
    bound = []
    for model in load_models(settings.pipelines, stream):
        names = _streams(settings, model, models)
        contracts = {s: load_contract(settings.schemas, s) for s in names}
        bound.append(_bound(settings, model, contracts, models))
    return bound


def _streams(settings: Settings, model: Model, models: dict[str, Model]) -> list[str]:
    """The streams that a model reads, through other models too."""
    known = contract_names(settings.schemas)
    found: list[str] = []
    read: set[str] = set()
    wanted = list(model.streams)
    while wanted:
        name = wanted.pop()
        if name in models:
            # Once: models that read each other are refused where they are bound.
            if name not in read:
                read.add(name)
                wanted += models[name].streams
        elif name in known:
            found.append(name)
        else:
            raise UserError(
                f"model {model.name} reads {name!r}, which is no stream and no model; "
                f"expected one of {', '.join([*known, *models])}"
            )
    return found


def _bound(
    settings: Settings, model: Model, contracts: dict[str, Contract], models: dict[str, Model]
) -> Bound:
    path = settings.pipelines / f"{model.name}.sql"
    return bind_model(model, contracts, {n: models[n] for n in models if n != model.name}, path)
