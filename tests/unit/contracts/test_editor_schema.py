"""The schema for editors: as strict as it can be, and never stricter than what loads."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator

from lakehead.contracts.editor_schema import contract_schema, schema_text
from lakehead.contracts.load import contract_from_text, contract_names
from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT
from tests.draws import draws
from tests.unit.contracts import strategies

SCHEMAS = INSTALL_ROOT / "schemas"
HEADER = "# yaml-language-server: $schema=./contract.schema.json\n"
VALIDATOR = Draft7Validator(contract_schema())
RUN = settings(
    max_examples=draws(strategies.MANY // 5),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def mistakes(document: Any) -> list[str]:
    # YAML 1.2, which editors read, has no dates: there they are text.
    plain = json.loads(json.dumps(document, default=str))
    return [error.message for error in VALIDATOR.iter_errors(plain)]


def test_the_schema_is_a_schema() -> None:
    Draft7Validator.check_schema(contract_schema())


def test_the_kept_schema_is_up_to_date() -> None:
    kept = (SCHEMAS / "contract.schema.json").read_text()
    assert kept == schema_text(), "lakehead contract schema > schemas/contract.schema.json"


@pytest.mark.parametrize("name", contract_names(SCHEMAS))
def test_every_contract_is_valid_and_names_the_schema(name: str) -> None:
    text = (SCHEMAS / f"{name}.yaml").read_text()
    assert HEADER in text
    assert mistakes(yaml.safe_load(text)) == []


@RUN
@given(strategies.contracts())
def test_a_valid_contract_is_valid_here(document: dict[str, Any]) -> None:
    assert mistakes(document) == []


@RUN
@given(strategies.mutated_documents())
def test_what_loads_is_valid_here(document: Any) -> None:
    text = strategies.to_yaml(document)
    try:
        contract_from_text(text, Path(f"{strategies.STREAM}.yaml"))
    except UserError:
        return
    assert mistakes(yaml.safe_load(text)) == []


def change(document: Any, path: str, value: object) -> None:
    *parents, last = path.split("/")
    for key in parents:
        document = document[int(key) if key.isdecimal() else key]
    if value is None:
        del document[last]
    else:
        document[int(last) if last.isdecimal() else last] = value


FIELD = "schema/0/properties/3"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nmae", "orders"),
        ("name", "Orders"),
        ("name", None),
        ("schema", None),
        ("schema", []),
        ("customProperties", None),
        ("customProperties/0/value", "Event Time"),
        ("customProperties/0", {"property": "eventtime", "value": "event_time"}),
        ("customProperties/1/value", "2 weeks"),
        ("customProperties/5/value", 0),
        ("customProperties/7/value", "xml"),
        (f"{FIELD}/name", "Quantity"),
        (f"{FIELD}/nmae", "quantity"),
        (f"{FIELD}/logicalType", "int"),
        (f"{FIELD}/physicalType", "uint8"),
        (f"{FIELD}/physicalType", "double"),
        (f"{FIELD}/required", "yes"),
        (f"{FIELD}/logicalTypeOptions", {"minLength": 1}),
        (f"{FIELD}/logicalTypeOptions", {"multipleOf": 1}),
        (f"{FIELD}/enum", [{"value": "1"}]),
        (f"{FIELD}/items", {"logicalType": "string"}),
        (f"{FIELD}/customProperties", [{"property": "alias", "value": "pieces"}]),
        (f"{FIELD}/relationships", [{"to": "customers"}]),
        ("schema/0/properties/0/logicalType", "array"),
        ("schema/0/properties/7/enum/0/value", False),
        ("schema/0/quality", [{"type": "sql", "query": "SELECT 1"}]),
    ],
)
def test_a_mistake_is_underlined(document: Any, path: str, value: object) -> None:
    change(document, path, value)
    assert mistakes(document)


def test_completion_knows_every_setting_and_what_it_is_for() -> None:
    setting = contract_schema()["properties"]["customProperties"]["items"]
    assert {s["label"] for s in setting["defaultSnippets"]} == set(
        setting["properties"]["property"]["enum"]
    )
    assert all(s["description"] for s in setting["defaultSnippets"])
