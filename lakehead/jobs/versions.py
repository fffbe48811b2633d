"""What a model computes, apart from how it is written and where it goes; its hash is its version.

Two models with one meaning can go on from each other's state. A model with another begins anew.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlglot import exp

from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.models.bind import Bound, bind
from lakehead.models.model import Model, parse_model
from lakehead.settings import Settings

_CLAUSES = ("joins", "where", "having", "order", "limit")


@dataclass(frozen=True)
class Version:
    """One version of a model in a job; plain enough for JSON, times are ISO-8601 in UTC.

    ``texts`` are the files of the model and of the models that it reads, by name. ``live`` is
    whether it writes the model's own table; where not, it fills another until it takes over.
    ``since`` is where the stream's answers begin, None: with the topic. ``generation`` is that of
    the job which ran it first. ``horizon`` is later than all that was landed before it ran, None
    until that is known. ``kept`` is the table of the version that it took over from. ``replays`` is
    how often its meaning was built anew from the lake; ``replayed_from`` where that began, None:
    with the first answer.
    """

    name: str
    version: str
    meaning: dict[str, str]
    texts: dict[str, str]
    table: str
    live: bool = True
    since: str | None = None
    generation: int = 0
    horizon: str | None = None
    kept: str | None = None
    replays: int = 0
    replayed_from: str | None = None

    @property
    def uid(self) -> str:
        return f"model.{self.name}.{self.version}"

    @property
    def begins(self) -> datetime | None:
        return datetime.fromisoformat(self.since) if self.since else None

    @property
    def replayed_since(self) -> datetime | None:
        return datetime.fromisoformat(self.replayed_from) if self.replayed_from else None


@dataclass(frozen=True)
class Replays:
    """Models that begin anew though they mean what they meant.

    ``starts`` has by model where the answers that are built anew begin, ISO-8601 in UTC, None: with
    the first. Those of ``abandoned`` go on as they were. ``check`` is asked about each version that
    is whole, before it takes over, and raises where it must not; without it none takes over.
    """

    starts: Mapping[str, str | None] = field(default_factory=dict)
    abandoned: frozenset[str] = frozenset()
    check: Callable[[Version], None] | None = None


NO_REPLAYS = Replays()


@dataclass(frozen=True)
class Part:
    """A version as it is compiled into the job."""

    version: Version
    bound: Bound


def meaning(bound: Bound) -> dict[str, str]:
    """What the model computes, by part: those of its header and those of its SELECT.

    ``reads`` are the types of the fields that it reads.
    """
    model, select = bound.model, bound.model.select
    parts = {
        "kind": model.kind,
        "streams": ", ".join(model.streams),
        "window": str(model.window or ""),
        "keys": ", ".join(model.keys),
        "late": model.late,
        "dedup": str(model.dedup or ""),
        "sequence": str(model.sequence or ""),
    }
    for expression in select.expressions:
        name = expression.alias_or_name
        kind = model.columns.get(name)
        parts[f"column {name}"] = f"{_text(expression.unalias())} as {kind}"
    for clause in _CLAUSES:
        given = select.args.get(clause)
        if given:
            listed = given if isinstance(given, list) else [given]
            parts[clause.strip("_")] = " ".join(_text(g) for g in listed)
    parts["reads"] = "; ".join(_reads(bound))
    for each in bound.inputs:
        if each.upstream is not None:
            parts[f"model {each.stream}"] = json.dumps(meaning(each.upstream), sort_keys=True)
    return {key: value for key, value in parts.items() if value}


def version_of(parts: dict[str, str]) -> str:
    """The name of a meaning: eight hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def texts_of(settings: Settings, model: Model, models: dict[str, Model]) -> dict[str, str]:
    """The file of a model and those of the models that it reads, as they are now."""
    found: dict[str, str] = {}
    waiting = [model.name]
    while waiting:
        name = waiting.pop()
        if name not in found and name in models:
            path = settings.pipelines / f"{name}.sql"
            found[name] = path.read_text(encoding="utf-8")
            waiting += models[name].streams
    return found


def bound_again(version: Version, contracts: dict[str, Contract]) -> Bound:
    """The version as it was recorded, over the contracts as they are now.

    Raises:
        UserError: the contracts do not have what it reads any more.
    """
    models = {name: parse_model(text, name) for name, text in version.texts.items()}
    model = models.pop(version.name)
    try:
        return bind(model, contracts, models)
    except UserError as error:
        raise UserError(
            f"the version of {version.name} that runs cannot read the contract as it is now: "
            f"{error.message}",
            f"undo the change of the contract until the new {version.name} has taken over",
        ) from error


def differences(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    """What changed between two meanings, in words."""
    said = []
    for part in dict.fromkeys([*before, *after]):
        old, new = before.get(part), after.get(part)
        if old == new:
            continue
        if part == "reads":
            # Which fields are read is told by the parts that read them.
            said += _retyped(old or "", new or "")
            continue
        name = "filter" if part == "where" else part
        if old is None:
            said.append(f"{name} added: {new}")
        elif new is None:
            said.append(f"{name} dropped: {old}")
        else:
            said.append(f"{name}: {old} becomes {new}")
    return tuple(said)


def _retyped(before: str, after: str) -> list[str]:
    old, new = (dict(f.split(" ", 1) for f in t.split("; ") if f) for t in (before, after))
    return [
        f"type of {name}: {old[name]} becomes {new[name]}"
        for name in old.keys() & new.keys()
        if old[name] != new[name]
    ]


def _reads(bound: Bound) -> list[str]:
    read = {c.name for c in bound.model.select.find_all(exp.Column)}
    return sorted(
        f"{each.stream}.{name} {kind}"
        for each in bound.inputs
        for name, kind in each.fields.items()
        if name in read
    )


def _text(tree: exp.Expr) -> str:
    return tree.sql(comments=False, normalize=True)
