"""A page a stream for people, as HTML and as Markdown, and an index of them.

Offline, without a script, and the same for the same contracts, so that a diff of two pages is a
diff of what they say. Whatever a contract's author wrote is shown as text.
"""

import base64
import itertools
import json
import pprint
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehead.contracts.model import Contract, Field
from lakehead.contracts.pages import markdown
from lakehead.contracts.types import FieldType
from lakehead.contracts.words import rules_of, settings_of
from lakehead.errors import UserError
from lakehead.files import write_whole

if TYPE_CHECKING:
    from jinja2 import Environment

_SAMPLES = 3


@dataclass(frozen=True)
class Reader:
    """A model that reads a stream, and the table that it fills."""

    model: str
    table: str
    description: str = ""


@dataclass(frozen=True)
class _Row:
    """A field on a page; ``depth`` is how many objects it is within."""

    depth: int
    name: str
    type: str
    required: bool
    rules: list[str]
    description: str
    aliases: tuple[str, ...]


def write_pages(
    contracts: Sequence[Contract],
    readers: Mapping[str, Sequence[Reader]],
    folder: Path,
    streams: Sequence[str] | None = None,
) -> list[Path]:
    """Write ``<stream>.html``, ``<stream>.md`` and an index of all ``contracts``; the files.

    ``streams`` are those that get a page, all by default.
    """
    wanted = [*(streams or [c.stream for c in contracts]), "index"]
    written = []
    for name, text in pages(contracts, readers):
        if name.rpartition(".")[0] not in wanted:
            continue
        path = folder / name
        write_whole(path, text)
        written.append(path)
    return written


def pages(
    contracts: Sequence[Contract], readers: Mapping[str, Sequence[Reader]]
) -> Iterator[tuple[str, str]]:
    """File name and text of every page; ``readers`` are the models by stream."""
    environment = _environment()
    streams = [_facts(c, contracts, readers.get(c.stream, ())) for c in contracts]
    for facts in streams:
        for end in ("html", "md"):
            template = environment.get_template(f"stream.{end}.j2")
            yield f"{facts['stream']}.{end}", template.render(facts)
    for end in ("html", "md"):
        yield f"index.{end}", environment.get_template(f"index.{end}.j2").render(streams=streams)


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lakehead.contracts.pages", "templates"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": markdown.text, "mdcode": markdown.code, "mdblock": markdown.block}
    return environment


def _facts(
    contract: Contract, contracts: Sequence[Contract], readers: Sequence[Reader]
) -> dict[str, Any]:
    there = {c.stream for c in contracts}
    links = [(f.name, f.references) for f in contract.fields if f.references]
    back = [
        (c.stream, f.name)
        for c in contracts
        for f in c.fields
        if f.references and f.references.stream == contract.stream and c is not contract
    ]
    events, missing = _samples(contract)
    return {
        "stream": contract.stream,
        "version": contract.version,
        "purpose": contract.description,
        "limitations": contract.limitations,
        "owner": contract.owner,
        "fields": list(_rows(contract.fields)),
        "rules": contract.rules,
        "settings": settings_of(contract),
        "topic": contract.topic,
        "landing": contract.landing_table,
        "dead": contract.dead_table,
        "readers": readers,
        "references": [(name, r.stream, r.field, r.stream in there) for name, r in links],
        "referenced_by": back,
        "events": [json.dumps(e, default=_json, ensure_ascii=False, indent=2) for e in events],
        "no_events": missing,
        "publish": _publish(contract, events),
        "query": f"lakehead query 'FROM {_table(contract.landing_table)} "
        f'ORDER BY "{contract.event_time}" DESC LIMIT 10\'',
        "why_dead": f"lakehead query 'SELECT cause, count(*) FROM {_table(contract.dead_table)} "
        "GROUP BY ALL'",
    }


def _rows(fields: Sequence[Field], depth: int = 0) -> Iterator[_Row]:
    for f in fields:
        kind, members = _outline(f.type)
        yield _Row(depth, f.name, kind, f.required, rules_of(f), f.description, f.aliases)
        yield from _rows(f.fields or [Field(n, t) for n, t in members], depth + 1)


def _outline(kind: FieldType) -> tuple[str, tuple[tuple[str, FieldType], ...]]:
    """A type with what is within it on rows of its own: its name, and the members there."""
    if kind.kind == "object":
        return "object", kind.members
    if kind.items is not None:
        inner, members = _outline(kind.items)
        return f"array<{inner}>" if kind.kind == "array" else f"map<string,{inner}>", members
    return str(kind), ()


def _samples(contract: Contract) -> tuple[list[dict[str, Any]], str]:
    """Events as Python values; or none, and why."""
    from lakehead.contracts.samples import sample_events

    try:
        return list(itertools.islice(sample_events(contract, 0), _SAMPLES)), ""
    except UserError as error:
        return [], error.message


def _json(value: object) -> object:
    """What JSON has no form for, as the ``strict-json`` format reads it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)


def _publish(contract: Contract, events: Sequence[dict[str, Any]]) -> str:
    """Python that sends one event."""
    event = pprint.pformat(events[0] if events else {}, sort_dicts=False, width=88)
    imports = ["import datetime"] if "datetime." in event else []
    imports += ["from decimal import Decimal"] if "Decimal(" in event else []
    lines = [
        *([*imports, ""] if imports else []),
        "from lakehead import publisher",
        "",
        f"event = {event}",
        f"with publisher.open({contract.stream!r}) as stream:",
        "    stream.publish(event)",
    ]
    return "\n".join(lines) + "\n"


def _table(name: str) -> str:
    """A stream may be called as a word of SQL is: quoted where the page cannot know."""
    namespace, _, table = name.partition(".")
    return f'{namespace}."{table}"'
