"""How a stream's records are written, as the source table's format options."""

import json

from lakehead.contracts.avro import avro_schema
from lakehead.contracts.model import Contract
from lakehead.errors import UserError


def format_options(contract: Contract, registry_url: str | None = None) -> dict[str, str]:
    """The ``value.*`` options of the Flink source.

    Raises:
        UserError: the records are Avro, whose schemas a registry keeps, and there is none.
    """
    if contract.encoding == "avro":
        if registry_url is None:
            raise UserError(
                f"the records of {contract.stream} are Avro, which needs the schema registry",
                "lakehead up --with registry",
            )
        schema = json.dumps(avro_schema(contract), separators=(",", ":"))
        return _options("strict-avro", {"url": registry_url, "schema": schema})
    aliases = ",".join(f"{old}:{name}" for old, name in contract.aliases.items())
    return _options("strict-json", {"aliases": aliases} if aliases else {})


def _options(inner: str, options: dict[str, str]) -> dict[str, str]:
    named = {f"value.safe.{inner}.{key}": value for key, value in options.items()}
    return {"value.format": "safe", "value.safe.format": inner, **named}
