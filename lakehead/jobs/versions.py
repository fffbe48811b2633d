"""What a model computes, apart from how it is written and where it goes; its hash is its version.

Two models with one meaning can go on from each other's state. A model with another begins anew.
"""

import hashlib
import json
from dataclasses import fields

from sqlglot import exp

from lakehead.contracts.model import Contract
from lakehead.models.model import Model

# What can change while the state stays good.
_APART = {
    "name",
    "description",
    "table",
    "freshness",
    "alert_topic",
    "accept",
    "select",
    "line",
}
_CLAUSES = ("from_", "joins", "where", "having", "order", "limit")


def meaning(model: Model, contract: Contract) -> dict[str, str]:
    """What the model computes, by part: those of its header and those of its SELECT.

    ``reads`` are the types of the fields that it reads.
    """
    parts = {f.name: str(getattr(model, f.name)) for f in fields(model) if f.name not in _APART}
    select = model.select
    parts["select"] = ", ".join(_text(e) for e in select.expressions)
    for clause in _CLAUSES:
        given = select.args.get(clause)
        if given:
            listed = given if isinstance(given, list) else [given]
            parts[clause.strip("_")] = " ".join(_text(g) for g in listed)
    read = {c.name for c in select.find_all(exp.Column)}
    types = {f.name: str(f.type) for f in contract.fields if f.name in read}
    parts["reads"] = ", ".join(f"{name} {types[name]}" for name in sorted(types))
    return parts


def version(model: Model, contract: Contract) -> str:
    """Equal for models of one meaning."""
    text = json.dumps(meaning(model, contract), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _text(tree: exp.Expression) -> str:
    return tree.sql(comments=False, normalize=True)
