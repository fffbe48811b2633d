"""docs/contracts.md and docs/types.md say what the code does."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from lakehead.contracts.editor_schema import contract_schema
from lakehead.contracts.load import SETTINGS, contract_from_text
from lakehead.contracts.model import RESERVED_COLUMNS
from lakehead.contracts.type_table import type_rows, types_page
from lakehead.contracts.types import KINDS
from lakehead.settings import INSTALL_ROOT

TEXT = (INSTALL_ROOT / "docs" / "contracts.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
WHOLE, *PARTS = BLOCKS
# What the parts of the page are parts of.
FIELDS = [
    {"name": "kind", "logicalType": "string"},
    {"name": "shipped_at", "logicalType": "timestamp"},
    {"name": "paid_at", "logicalType": "timestamp"},
    {
        "name": "address",
        "logicalType": "object",
        "properties": [{"name": "zip", "logicalType": "string"}],
    },
    {"name": "event_time", "logicalType": "timestamp", "required": True},
]


def test_the_whole_example_loads() -> None:
    contract = contract_from_text(WHOLE, Path("payments.yaml"))
    assert len(contract.fields) == 12
    assert contract.owner == "billing"
    assert contract.field("amount").aliases == ("value", "total")
    assert [r.name for r in contract.rules] == ["large_ones_have_a_payer"]
    assert not list(Draft7Validator(contract_schema()).iter_errors(yaml.safe_load(WHOLE)))


@pytest.mark.parametrize("block", PARTS)
def test_every_part_loads_within_a_contract(block: str) -> None:
    document: Any = yaml.safe_load(WHOLE)
    entry = document["schema"][0]
    entry["properties"] = copy.deepcopy(FIELDS)
    entry["quality"] = []
    part = yaml.safe_load(block)
    entry["properties"] += part.get("properties", [])
    entry["quality"] += part.get("quality", [])
    document["customProperties"] = [
        {"property": "eventTime", "value": "event_time"},
        {"property": "key", "value": "kind"},
    ]
    assert contract_from_text(yaml.safe_dump(document), Path("payments.yaml"))


def test_every_setting_is_there_with_its_default() -> None:
    for name, default in SETTINGS.items():
        assert f"| `{name}` | {'must be given' if default is None else default} |" in TEXT


def test_every_name_that_is_taken_is_there() -> None:
    for name in RESERVED_COLUMNS:
        assert f"`{name}`" in TEXT


def test_the_page_of_types_is_up_to_date() -> None:
    kept = (INSTALL_ROOT / "docs" / "types.md").read_text()
    assert kept == types_page(), "lakehead contract types --markdown > docs/types.md"


def test_every_type_has_a_row() -> None:
    assert {re.split("[(<]", r.type)[0] for r in type_rows()} == set(KINDS)
