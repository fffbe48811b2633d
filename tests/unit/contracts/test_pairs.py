"""Random pairs of versions: each is classified, a compatible one is applied and read back."""

import copy
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import MANY, STREAM, contracts, to_yaml

from lakehead.contracts.diff import Change, compare, compatible, renames
from lakehead.contracts.iceberg import by_day, landing_schema
from lakehead.contracts.load import contract_from_text
from lakehead.contracts.model import Contract
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from lakehead.lake.catalog import open_catalog
from lakehead.lake.evolve import evolve_table, plan_steps
from lakehead.lake.tables import ensure_table
from lakehead.query.engine import run
from lakehead.settings import Settings
from tests.draws import draws

Draw = Callable[[Any], Any]


def load(document: Any) -> Contract:
    return contract_from_text(to_yaml(document), Path(f"{STREAM}.yaml"))


# Edits: each changes a document in place, most often in a way that people do.


def _field(draw: Draw, document: Any) -> Any:
    return draw(st.sampled_from(_properties(draw, document) or [{}]))


def _properties(draw: Draw, document: Any) -> list[Any]:
    """The event's fields or those of an object within."""
    found = document["schema"][0]["properties"]
    inner = [p for p in found if p.get("logicalType") == "object"]
    if inner and draw(st.booleans()):
        found = draw(st.sampled_from(inner))["properties"]
    listed: list[Any] = found
    return listed


def _add(draw: Draw, document: Any) -> None:
    kind = draw(st.sampled_from(["string", "integer", "boolean", "timestamp"]))
    required = draw(st.sampled_from([False, False, True]))
    listed = _properties(draw, document)
    name = draw(st.sampled_from(["fresh", "later", "select_"]))
    listed.insert(
        draw(st.integers(0, len(listed))), {"name": name, "logicalType": kind, "required": required}
    )


def _drop(draw: Draw, document: Any) -> None:
    listed = _properties(draw, document)
    if listed:
        listed.remove(draw(st.sampled_from(listed)))


def _rename(draw: Draw, document: Any) -> None:
    field = draw(st.sampled_from(document["schema"][0]["properties"] or [{"name": "none"}]))
    old = field["name"]
    kept = [p for p in field.get("customProperties", []) if p["property"] != "aliases"]
    with_alias = draw(st.sampled_from([True, True, True, False]))
    aliases = [{"property": "aliases", "value": [old]}] if with_alias else []
    field.update(name=f"{old[:50]}_new", customProperties=[*kept, *aliases])
    for setting in document["customProperties"]:
        if setting["value"] == old:
            setting["value"] = field["name"]


_WIDER = {"int": "long", "float": "double", "decimal(12,3)": "decimal(20,3)"}


def _retype(draw: Draw, document: Any) -> None:
    field = _field(draw, document)
    wider = _WIDER.get(field.get("physicalType", ""))
    if wider:
        field["physicalType"] = wider
    elif draw(st.booleans()):
        field.update(logicalType="string")
        field.pop("physicalType", None)


def _loosen(draw: Draw, document: Any) -> None:
    field = _field(draw, document)
    field.pop(draw(st.sampled_from(["enum", "logicalTypeOptions", "required"])), None)


def _tighten(draw: Draw, document: Any) -> None:
    field = _field(draw, document)
    field["required"] = True


EDITS = [_add, _drop, _rename, _retype, _loosen, _tighten]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Contract, Contract] | None:
    """Two versions; None where the second is no contract."""
    document = draw(contracts())
    later = copy.deepcopy(document)
    for edit in draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=3)):
        edit(draw, later)
    try:
        return load(document), load(later)
    except UserError:
        return None


@settings(max_examples=draws(MANY))
@given(pairs())
def test_every_pair_is_classified(pair: tuple[Contract, Contract] | None) -> None:
    if pair is None:
        return
    old, new = pair
    changes = compare(old, new)
    assert all(isinstance(c, Change) and c.what for c in changes)
    assert all(bool(c.refused) == bool(c.way_out) for c in changes)
    assert compare(old, old) == compare(new, new) == []
    if landing_schema(old).as_struct() != landing_schema(new).as_struct():
        assert changes, "the columns differ, and no change was seen"
    if compatible(changes):
        steps = plan_steps(
            landing_schema(old), landing_schema(new), renames(old.fields, new.fields)
        )
        assert all(step.kind in ("rename", "add", "widen", "drop") for step in steps)


# A value by type, and what that value is once its type has changed.


def value(kind: FieldType) -> Any:
    match kind.kind:
        case "object":
            return {name: value(inner) for name, inner in kind.members}
        case "array":
            assert kind.items
            return [value(kind.items)]
        case "map":
            assert kind.items
            return {"k": value(kind.items)}
        case "decimal":
            return Decimal(1).scaleb(-kind.scale)
    return {
        "string": "it's",
        "boolean": True,
        "int": -7,
        "long": 2**40,
        "float": 0.5,
        "double": 0.1,
        "date": date(2026, 1, 31),
        "timestamp": datetime(2026, 1, 31, 10, tzinfo=UTC),
        "timestamp_ntz": datetime(2026, 1, 31, 10),
        "binary": b"\x00\xff",
    }[kind.kind]


def evolved(given: Any, kind: FieldType) -> Any:
    """``given`` as a column of the later type shows it: what it lacks is null."""
    if given is None:
        return None
    match kind.kind:
        case "object":
            return {name: evolved(given.get(name), inner) for name, inner in kind.members}
        case "array":
            return [evolved(item, kind.items) for item in given if kind.items]
        case "map":
            return {key: evolved(item, kind.items) for key, item in given.items() if kind.items}
    return given


def append(table: Any, contract: Contract) -> dict[str, Any]:
    row = {f.name: value(f.type) for f in contract.fields}
    table.append(pa.Table.from_pylist([row], schema=table.schema().as_arrow()))
    return row


@settings(max_examples=draws(MANY // 25), suppress_health_check=[HealthCheck.too_slow])
@given(pairs().filter(lambda pair: pair is not None and compatible(compare(*pair))))
def test_a_compatible_pair_is_applied_and_read_back(pair: tuple[Contract, Contract]) -> None:
    old, new = pair
    with tempfile.TemporaryDirectory() as home:
        lake = Settings(home=Path(home), project=Path(home))
        catalog = open_catalog(lake)
        try:
            schema = landing_schema(old)
            ensure_table(catalog, old.landing_table, schema, by_day(schema, old.event_time))
            before = append(catalog.load_table(old.landing_table), old)
            renamed = renames(old.fields, new.fields)
            evolve_table(catalog, new.landing_table, landing_schema(new), renamed)
            assert evolve_table(catalog, new.landing_table, landing_schema(new), renamed) == []
            after = append(catalog.load_table(new.landing_table), new)
        finally:
            catalog.engine.dispose()
        names = ", ".join(f'"{f.name}"' for f in new.fields)
        with run(lake, f"SELECT {names} FROM {new.landing_table}") as result:
            rows = result.fetchall()
    by_new_name = {renamed.get(name, name): kept for name, kept in before.items()}
    expected = [
        tuple(evolved(row.get(f.name), f.type) for f in new.fields) for row in (by_new_name, after)
    ]
    assert rows in (expected, expected[::-1])
