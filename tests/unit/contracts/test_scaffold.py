import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehead.contracts.load import contract_from_text
from lakehead.contracts.model import Contract
from lakehead.contracts.scaffold import scaffold
from lakehead.errors import UserError
from tests.draws import draws


def guessed(source: Path) -> Contract:
    return contract_from_text(scaffold("events", source), Path("events.yaml"))


def types(contract: Contract) -> dict[str, str]:
    return {f.name: str(f.type) for f in contract.fields}


@pytest.mark.parametrize("name", ["payments", "no", "null", "y", "select", "x" * 63])
def test_a_new_contract_is_valid_at_once(name: str) -> None:
    contract = contract_from_text(scaffold(name), Path(f"{name}.yaml"))
    assert (contract.event_time, contract.key) == ("event_time", "id")


@pytest.mark.parametrize("name", ["Payments", "orders_dead", "a b", ""])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UserError):
        scaffold(name)


def test_a_csv_becomes_its_fields(tmp_path: Path) -> None:
    source = tmp_path / "it's [a] *file?.csv"
    source.write_text(
        "Invoice No,unitPrice,When,late,1st,paid\n"
        "A1,2.5,2026-01-01 10:00:00,x,,true\n"
        "A2,3.5,2026-01-01 10:00:01,y,z,false\n"
    )
    contract = guessed(source)
    assert types(contract) == {
        "invoice_no": "string",
        "unit_price": "double",
        "when": "timestamp",
        "late_value": "string",
        "column_1st": "string",
        "paid": "boolean",
    }
    assert (contract.event_time, contract.key) == ("when", "invoice_no")
    assert [f.name for f in contract.fields if not f.required] == ["column_1st"]


def test_a_parquet_keeps_its_types(tmp_path: Path) -> None:
    source = tmp_path / "rows.parquet"
    with duckdb.connect() as con:
        con.execute(
            "COPY (SELECT 1::INT AS customer_id, 1.50::DECIMAL(12,2) AS amount, 1::UBIGINT AS big,"
            " DATE '2026-01-01' AS day, TIMESTAMPTZ '2026-01-01 00:00:00Z' AS created_at,"
            " TIMESTAMP '2026-01-01 00:00:00' AS local, 'x'::BLOB AS bytes, 1::FLOAT AS ratio,"
            " {'zip': 'a', 'no': [1]} AS address, MAP {'a': 1::BIGINT} AS counts, uuid() AS tag)"
            f" TO '{source}'"
        )
    contract = guessed(source)
    assert types(contract) == {
        "customer_id": "int",
        "amount": "decimal(12,2)",
        "big": "decimal(20,0)",
        "day": "date",
        "created_at": "timestamp",
        "local": "timestamp_ntz",
        "bytes": "binary",
        "ratio": "float",
        "address": "object<zip:string,no:array<int>>",
        "counts": "map<string,long>",
        "tag": "string",
    }
    assert (contract.event_time, contract.key) == ("created_at", "customer_id")


def test_json_lines_may_be_nested_and_without_a_time(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    rows = [{"id": i, "pos": {"X": 1.5}, "tags": ["a"]} for i in range(3)]
    source.write_text("\n".join(map(json.dumps, rows)))
    contract = guessed(source)
    assert types(contract)["pos"] == "object<x:double>"
    assert contract.event_time == "event_time"
    assert contract.field("event_time").required


@pytest.mark.parametrize("name", ["nothing.csv", "folder.parquet", "x.txt", "broken.parquet"])
def test_what_cannot_be_read_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "x.txt").touch()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        scaffold("events", tmp_path / name)


@settings(
    max_examples=draws(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    content=st.binary(max_size=80) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "ignore"))
)
def test_any_csv_is_a_valid_contract_or_an_error(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "rows.csv"
    source.write_bytes(content)
    try:
        guessed(source)
    except UserError as error:
        assert str(source) in error.message
