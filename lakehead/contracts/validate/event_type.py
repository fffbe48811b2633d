"""A typed class of a stream's events, for who writes them in Python."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from lakehead.contracts.model import Contract, Field
from lakehead.contracts.types import FieldType
from lakehead.contracts.validate.fast import attribute
from lakehead.contracts.validate.values import members

_PLAIN: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "decimal": Decimal,
    "date": date,
    "timestamp": datetime,
    "timestamp_ntz": datetime,
    "binary": bytes,
}


def event_type(contract: Contract) -> type[msgspec.Struct]:
    """A class with an attribute for each field: ``Orders(invoice="536365", ...)`` of ``orders``.

    Arguments are by name; fields that are not required are None unless given. A name that is a
    word of Python ends in ``_``. Making an object checks names only: values are checked against
    the contract when the event is published.
    """
    return _struct(contract.stream, contract.fields, contract.description)


def _struct(name: str, fields: tuple[Field, ...], description: str) -> type[msgspec.Struct]:
    described: list[Any] = []
    for f in fields:
        annotation = _annotation(f.type, f.name, f.fields)
        key = attribute(f.name)
        described.append((key, annotation) if f.required else (key, annotation | None, None))
    return msgspec.defstruct(
        "".join(part.capitalize() for part in name.split("_")),
        described,
        kw_only=True,
        namespace={"__doc__": description},
        rename={attribute(f.name): f.name for f in fields},
    )


def _annotation(kind: FieldType, name: str, fields: tuple[Field, ...] = ()) -> Any:
    if kind.kind == "object":
        return _struct(name, members(kind, fields), "")
    if kind.items is None:
        return _PLAIN[kind.kind]
    item = _annotation(kind.items, name) | None
    return list[item] if kind.kind == "array" else dict[str, item]  # type: ignore[valid-type]
