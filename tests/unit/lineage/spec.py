"""Events held against OpenLineage's own Python classes, which are generated from its spec."""

import importlib
import pkgutil
from typing import Any

import attr
import openlineage.client.generated as generated
from cattrs import Converter
from openlineage.client.generated import base

_MODULES = [
    importlib.import_module(f"{generated.__name__}.{m.name}")
    for m in pkgutil.iter_modules(generated.__path__)
]
_CONVERTER = Converter(forbid_extra_keys=True)


def validate(event: dict[str, Any]) -> None:
    """Against the class that the event says it is, and each facet against its own.

    Raises cattrs' errors, or ValueError of the classes' own checks, where it is none.
    """
    rest = {key: value for key, value in event.items() if key not in ("producer", "schemaURL")}
    assert event["producer"]
    kind = _class(event["schemaURL"])
    holders = [rest["job"], rest.get("run"), *rest.get("inputs", []), *rest.get("outputs", [])]
    for holder in filter(None, holders):
        for facet in holder.get("facets", {}).values():
            _validate_facet(facet)
    plain = rest | {name: _bare(rest[name]) for name in ("job", "run", "dataset") if name in rest}
    for name in ("inputs", "outputs"):
        if name in rest:
            plain[name] = [_bare(dataset) for dataset in rest[name]]
    _CONVERTER.structure(plain | {"producer": event["producer"]}, kind)


def _validate_facet(facet: dict[str, Any]) -> None:
    assert facet["_producer"]
    body = {key: value for key, value in facet.items() if not key.startswith("_")}
    _CONVERTER.structure(body, _class(facet["_schemaURL"]))


def _bare(holder: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in holder.items() if key != "facets"}


def _class(url: str) -> Any:
    name = url.rpartition("/")[2]
    found = [getattr(m, name) for m in [base, *_MODULES] if hasattr(m, name)]
    assert found, url
    assert attr.has(found[0])
    return found[0]
