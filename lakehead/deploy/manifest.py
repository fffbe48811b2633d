"""What every manifest has in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Secret:
    """A Secret that must be there, with ``keys``; ``made_by`` is who makes it."""

    namespace: str
    name: str
    keys: tuple[str, ...]
    made_by: str


def manifest(
    api: str,
    kind: str,
    name: str,
    namespace: str,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **body: Any,
) -> Manifest:
    """A document of Kubernetes; ``body`` is what stands beside its metadata."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "labels": {"app.kubernetes.io/managed-by": "lakehead", **(labels or {})},
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **body}


def from_secret(variable: str, secret: str, key: str) -> dict[str, Any]:
    """An environment variable of a container whose value is in a Secret."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
