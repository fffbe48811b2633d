"""The schema registry, as far as producers need it, in Confluent's interface.

Source: https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lakehead.errors import NotRunning, SystemFailure, UserError
from lakehead.settings import Settings

if TYPE_CHECKING:
    import httpx

_HINT = "lakehead up --with registry"
_HEADERS = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
_TIMEOUT_SECONDS = 10
_JAVA_CLASS = re.compile(r"^(?:[a-z]\w*\.)+[A-Z]\w*: ")


def is_wanted(settings: Settings) -> bool:
    """Whether the home runs a registry."""
    return "registry" in settings.tuning.extras


def url(settings: Settings) -> str | None:
    """Where the home's registry is, None where it wants none."""
    return settings.registry_url if is_wanted(settings) else None


def subject(topic: str) -> str:
    """The name under which the schemas of a topic's values are kept."""
    return f"{topic}-value"


def probe(settings: Settings) -> None:
    """Ask once, so that a registry that is away is known before anything is done.

    Raises:
        NotRunning: the home wants none, or it does not answer.
    """
    _call(settings, "GET", "/subjects")


def register(settings: Settings, name: str, schema_json: str) -> int:
    """Register a schema under the subject ``name``; gives its id. Twice is the same as once.

    Raises:
        NotRunning: the home wants no registry, or it does not answer.
        UserError: the schema is none, or cannot read what the subject's earlier ones wrote.
        SystemFailure: the registry failed.
    """
    path = f"/subjects/{quote(name, safe='')}/versions"
    answer = _call(settings, "POST", path, json={"schema": schema_json, "schemaType": "AVRO"})
    return int(answer.json()["id"])


def _call(settings: Settings, method: str, path: str, **more: Any) -> "httpx.Response":
    import httpx

    where = settings.registry_url
    if not is_wanted(settings):
        raise NotRunning("the stack runs no schema registry", _HINT)
    try:
        answer = httpx.request(
            method,
            where + path,
            headers=_HEADERS,
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            **more,
        )
    except httpx.HTTPError as error:
        raise NotRunning(
            f"the schema registry does not answer at {where}: {error}", _HINT
        ) from error
    if answer.status_code == 409:
        raise UserError(
            f"the schema registry refuses the schema of {path.split('/')[2]}: {_reason(answer)}",
            "a new schema must read what the earlier ones wrote: give new fields a default, "
            "and renamed ones an alias",
        )
    if answer.status_code == 422:
        raise UserError(f"the schema registry takes this for no schema: {_reason(answer)}")
    if answer.is_error:
        raise SystemFailure(
            f"the schema registry answers {answer.status_code}: {_reason(answer)}",
            "lakehead logs registry",
        )
    return answer


def _reason(answer: "httpx.Response") -> str:
    """What the registry said, without the name of the class that said it."""
    try:
        text = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        text = answer.text or answer.reason_phrase
    return _JAVA_CLASS.sub("", text)[:1000]
