"""How a stream's records are written, as the source table's format options."""

from lakehead.contracts.model import Contract


def format_options(contract: Contract, registry_url: str | None = None) -> dict[str, str]:
    """The ``value.*`` options of the Flink source."""
    options = {"value.format": "safe", "value.safe.format": "strict-json"}
    aliases = ",".join(f"{old}:{f.name}" for f in contract.fields for old in f.aliases)
    if aliases:
        options["value.safe.strict-json.aliases"] = aliases
    return options
