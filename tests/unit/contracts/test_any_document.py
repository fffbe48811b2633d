"""Whatever a contract's file holds, it is a contract that compiles, or a located UserError."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from lakehead.contracts.flink import dead_insert, landing_insert, source
from lakehead.contracts.iceberg import by_day, dead_schema, landing_schema
from lakehead.contracts.load import contract_from_text, load_contract
from lakehead.contracts.model import Contract, walk_fields
from lakehead.contracts.topic import topic_config
from lakehead.errors import UserError
from tests.draws import draws
from tests.unit.contracts import strategies

PATH = Path("schemas") / f"{strategies.STREAM}.yaml"
RUN = settings(
    max_examples=draws(strategies.MANY // 2),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def compiles(contract: Contract) -> None:
    """What loads must compile: the first mistake is found when the file is read."""
    read = source(contract, "127.0.0.1:9092", "group", "http://127.0.0.1:8081")
    for sql in (
        read.table,
        read.select,
        landing_insert(contract),
        dead_insert(contract),
    ):
        assert sql.encode("utf-8")
    schema = landing_schema(contract)
    assert by_day(schema, contract.event_time).fields
    assert dead_schema()
    assert all(isinstance(v, str) for v in topic_config(contract).values())
    for _, f in walk_fields(contract.fields):
        for name in (f.type.flink(), f.type.spark(), f.type.duckdb()):
            assert "{" not in name


@RUN
@given(strategies.contracts())
def test_a_valid_contract_is_accepted_and_compiles(document: dict[str, Any]) -> None:
    contract = contract_from_text(strategies.to_yaml(document), PATH)
    properties = document["schema"][0]["properties"]
    assert [f.name for f in contract.fields] == [p["name"] for p in properties]
    compiles(contract)


@RUN
@given(content=strategies.broken_documents())
def test_any_file_is_a_contract_that_compiles_or_a_located_error(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / PATH.name
    path.write_bytes(content)
    try:
        contract = load_contract(tmp_path, strategies.STREAM)
    except UserError as error:
        lines = error.message.splitlines()
        parses = not re.search(r"is not (YAML|UTF-8)", lines[0])
        assert str(path) in lines[0]
        assert not parses or re.match(rf"{re.escape(str(path))}:\d+: ", lines[0])
        assert error.message.encode("utf-8")
        return
    compiles(contract)


@pytest.mark.parametrize(
    "text", ["minimum: 0x" + "f" * 5000, 'name: "\\ud800"', 'name: "a\\0b"', "a: {}\n? [a]\n: 1"]
)
def test_a_value_that_cannot_be_told_or_stored_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"events\.yaml"):
        contract_from_text(text, PATH)
