"""Manifests held against their schemas, as strictly as a person would want it.

Kubernetes drops a field that a definition does not have, without a word: here it is an error.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

SCHEMAS = Path(__file__).parents[2] / "schemas"
LABEL = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
AIRFLOW = "airflow-chart"


def documents(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def kind_of(document: dict[str, Any]) -> str:
    """What its schema is called; values of a chart have no kind."""
    if "kind" not in document:
        return AIRFLOW
    return f"{document['apiVersion'].split('/')[0]}.{document['kind']}"


def schema_of(document: dict[str, Any]) -> dict[str, Any]:
    return dict(yaml.safe_load((SCHEMAS / f"{kind_of(document)}.yaml").read_text()))


def check(document: dict[str, Any], schema: dict[str, Any] | None = None) -> None:
    """Raises ValidationError where the document is not what the schema says, or more."""
    validator = jsonschema.Draft7Validator(closed(schema or schema_of(document)))
    validator.validate(document)


def closed(schema: Any) -> Any:
    """The schema with every object closed that does not say that it is open."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    done = {key: value if key == "enum" else closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        done["properties"] = {name: closed(each) for name, each in schema["properties"].items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if schema.get("type") == "object" and "properties" in schema and not is_open:
        done["additionalProperties"] = False
    return done


def values(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value that is no object and no list, with its path."""
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from values(inner, (*path, str(key)))
    elif isinstance(node, list):
        for inner in node:
            yield from values(inner, (*path, "[]"))
    else:
        yield path, node


def looser(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Where ``ours`` allows what ``theirs``, the definition that an operator ships, does not."""
    if theirs.get("x-kubernetes-preserve-unknown-fields"):
        return
    types = theirs.get("type", [])
    if ours.get("type") not in ([types] if isinstance(types, str) else types):
        # A quantity may be a number there, and is a text here.
        if not theirs.get("x-kubernetes-int-or-string"):
            yield f"{path}: is {ours.get('type')}, there {types}"
        return
    if "enum" in theirs and not set(ours.get("enum", ["any"])) <= set(theirs["enum"]):
        yield f"{path}: {ours.get('enum')} is not within {theirs['enum']}"
    if missing := set(theirs.get("required", [])) - set(ours.get("required", [])):
        yield f"{path}: does not require {sorted(missing)}"
    if "minimum" in theirs and ours.get("minimum", theirs["minimum"] - 1) < theirs["minimum"]:
        yield f"{path}: has no minimum {theirs['minimum']}"
    if "maximum" in theirs and ours.get("maximum", theirs["maximum"] + 1) > theirs["maximum"]:
        yield f"{path}: has no maximum {theirs['maximum']}"
    if "pattern" in theirs and "enum" not in ours and ours.get("pattern") != theirs["pattern"]:
        yield f"{path}: has not the pattern {theirs['pattern']}"
    for name, inner in ours.get("properties", {}).items():
        if name in theirs.get("properties", {}):
            yield from looser(inner, theirs["properties"][name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: is not there"
    for nested in ("items", "additionalProperties"):
        if isinstance(ours.get(nested), dict) and isinstance(theirs.get(nested), dict):
            yield from looser(ours[nested], theirs[nested], f"{path}.{nested}")
