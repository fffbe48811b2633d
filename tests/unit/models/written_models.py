"""Models and contracts of these tests, written out in a line or two."""

from datetime import timedelta
from typing import Any

import yaml

from lakehead.contracts.model import Contract, Field
from lakehead.contracts.types import FieldType, parse_type
from lakehead.models.bind import Bound, bind
from lakehead.models.model import Model, parse_model

ADDRESS = FieldType("object", members=(("city", FieldType("string")), ("zip", FieldType("string"))))
WINDOW = {"window": {"tumble": "10 seconds"}}


def contract(stream: str, key: str, event_time: str, **fields: str | FieldType) -> Contract:
    """A contract with these fields by type, and its clock."""
    given: dict[str, str | FieldType] = {key: "string", **fields, event_time: "timestamp"}
    return Contract(
        stream=stream,
        version="1.0.0",
        description="",
        fields=tuple(
            Field(n, parse_type(t) if isinstance(t, str) else t) for n, t in given.items()
        ),
        event_time=event_time,
        watermark_delay=timedelta(seconds=2),
        idle_timeout=timedelta(seconds=5),
        clock_skew=timedelta(seconds=60),
        key=key,
        partitions=2,
        retention=timedelta(days=7),
    )


CONTRACTS = {
    c.stream: c
    for c in (
        contract(
            "orders",
            "id",
            "event_time",
            customer="string",
            country="string",
            quantity="int",
            price="decimal(12,3)",
            weight="double",
            address=ADDRESS,
            tags=FieldType("array", items=FieldType("string")),
        ),
        contract("payments", "order", "at", status="string", amount="decimal(12,3)", terms="int"),
        contract("customers", "id", "since", segment="string", terms="int"),
    )
}


def text(select: str, columns: dict[str, str], name: str = "m", **header: Any) -> str:
    """A model's file; a header key that is given as None is left out."""
    whole: dict[str, Any] = {"model": name}
    if "streams" not in header:
        whole["stream"] = "orders"
    whole |= header
    whole["output"] = {"table": f"marts.{name}", "columns": columns}
    whole = {k: v for k, v in whole.items() if v is not None}
    return f"/*\n{yaml.safe_dump(whole, sort_keys=False)}*/\n{select}"


def model(select: str, columns: dict[str, str], name: str = "m", **header: Any) -> Model:
    return parse_model(text(select, columns, name, **header), name)


def bound(
    select: str,
    columns: dict[str, str],
    models: dict[str, Model] | None = None,
    **header: Any,
) -> Bound:
    return bind(model(select, columns, **header), CONTRACTS, models)


def counts(
    select: str = "SELECT country, COUNT(*) AS n FROM orders GROUP BY country",
    columns: dict[str, str] | None = None,
    **header: Any,
) -> Bound:
    """A model that counts by country, but for what is given."""
    columns = columns or {"country": "string", "n": "long"}
    return bound(select, columns, **({"keys": ["country"]} | WINDOW | header))
