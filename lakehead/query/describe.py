"""What a table is: its columns, its layout, and who writes it. No data file is opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.load import contract_names
from lakehead.errors import UserError
from lakehead.lake.snapshots import known_table, list_tables, read_metadata, table_state
from lakehead.models.header import parse_header, split
from lakehead.models.model import model_names
from lakehead.query.catalogue import Listed, iso, listed
from lakehead.query.types import type_name
from lakehead.settings import Settings


@dataclass(frozen=True)
class DescribedColumn:
    """``type`` is DuckDB's, ``iceberg`` the table's own; ``comment`` is the contract's."""

    name: str
    type: str
    iceberg: str
    nullable: bool
    comment: str


@dataclass(frozen=True)
class Origin:
    """Who writes the table: ``kind`` is contract, model, lakehead or unknown."""

    kind: str
    name: str
    file: str
    what: str


@dataclass(frozen=True)
class Described:
    """A table. ``partitioned_by`` and ``sorted_by`` are Iceberg's transforms, as ``day(at)``."""

    table: Listed
    origin: Origin
    columns: tuple[DescribedColumn, ...]
    partitioned_by: tuple[str, ...]
    sorted_by: tuple[str, ...]
    snapshots: int
    oldest_snapshot_at: str | None
    snapshot: int | None
    tags: tuple[str, ...]
    format_version: int
    location: str
    properties: Mapping[str, str]


def describe(settings: Settings, name: str, now: datetime | None = None) -> Described:
    """The table ``name``.

    Raises:
        UserError: there is no lake, or no such table.
        SystemFailure: the catalog or the table's metadata cannot be read.
    """
    state = table_state(settings, known_table(name, list_tables(settings)))
    metadata = read_metadata(state.metadata_location)
    origin, comments = _origin(settings, state.name)
    return Described(
        table=listed(state, now or datetime.now(UTC)),
        origin=origin,
        columns=_columns(metadata, comments),
        partitioned_by=_transforms(metadata, "partition-specs", "default-spec-id", "spec-id"),
        sorted_by=_transforms(metadata, "sort-orders", "default-sort-order-id", "order-id"),
        snapshots=len(state.snapshots),
        oldest_snapshot_at=iso(state.snapshots[0].committed_at) if state.snapshots else None,
        snapshot=state.snapshot_id,
        tags=tuple(sorted(state.tags)),
        format_version=metadata["format-version"],
        location=metadata["location"],
        properties=dict(sorted(state.properties.items())),
    )


def _columns(
    metadata: Mapping[str, Any], comments: Mapping[str, str]
) -> tuple[DescribedColumn, ...]:
    return tuple(
        DescribedColumn(
            name=field["name"],
            type=type_name(field["type"]),
            iceberg=_iceberg(field["type"]),
            nullable=not field.get("required", False),
            comment=field.get("doc") or comments.get(field["name"], ""),
        )
        for field in _schema(metadata)["fields"]
    )


def _schema(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    current = metadata.get("current-schema-id", 0)
    schemas = metadata.get("schemas") or [metadata["schema"]]
    found: Mapping[str, Any] = next(s for s in schemas if s.get("schema-id", 0) == current)
    return found


def _iceberg(kind: Any) -> str:
    if isinstance(kind, str):
        return kind
    match kind["type"]:
        case "struct":
            inner = ", ".join(f"{f['name']}: {_iceberg(f['type'])}" for f in kind["fields"])
            return f"struct<{inner}>"
        case "list":
            return f"list<{_iceberg(kind['element'])}>"
        case "map":
            return f"map<{_iceberg(kind['key'])}, {_iceberg(kind['value'])}>"
        case other:
            return str(other)


def _transforms(metadata: Mapping[str, Any], key: str, chosen: str, id_key: str) -> tuple[str, ...]:
    """The default spec or order as ``day(event_time)``, ``id``, ``id desc``."""
    default = metadata.get(chosen, 0)
    listed: list[dict[str, Any]] = metadata.get(key) or []
    fields = [f for each in listed if each[id_key] == default for f in each["fields"]]
    names = {field["id"]: field["name"] for field in _schema(metadata)["fields"]}
    found = []
    for each in fields:
        source = names.get(each["source-id"], f"field {each['source-id']}")
        transform = each["transform"]
        text = source if transform == "identity" else f"{transform}({source})"
        found.append(f"{text} desc" if each.get("direction") == "desc" else text)
    return tuple(found)


def _origin(settings: Settings, table: str) -> tuple[Origin, dict[str, str]]:
    """Who writes the table, and what the contract says of its columns."""
    namespace, _, rest = table.partition(".")
    if namespace == "ops":
        return Origin("lakehead", table, "", "lakehead's own records"), {}
    if namespace == "landing":
        streams = contract_names(settings.schemas)
        stream = rest if rest in streams else rest.removesuffix("_dead")
        if stream in streams:
            return _of_contract(settings, stream, dead=rest != stream)
    for name in model_names(settings.pipelines):
        path = settings.pipelines / f"{name}.sql"
        try:
            header, _, _ = split(path.read_text(encoding="utf-8"))
            model = parse_header(header, name)
        except (OSError, UnicodeDecodeError, UserError):
            # A model that cannot be read is another command's to complain of.
            continue
        if model.table == table:
            file = _relative(settings, path)
            what = model.description or f"answers of the model {name}"
            return Origin("model", name, file, what), {}
    return Origin("unknown", "", "", "no contract or model of this project"), {}


def _of_contract(settings: Settings, stream: str, dead: bool) -> tuple[Origin, dict[str, str]]:
    file = _relative(settings, settings.schemas / f"{stream}.yaml")
    if dead:
        return Origin("contract", stream, file, f"records of {stream} that broke the contract"), {}
    try:
        contract = contract_in_force(settings, stream)
    except UserError:
        return Origin("contract", stream, file, f"events of {stream}"), {}
    what = contract.description or f"events of {stream}"
    return Origin("contract", stream, file, what), {
        field.name: field.description for field in contract.fields
    }


def _relative(settings: Settings, path: Path) -> str:
    return str(path.relative_to(settings.project))
