"""The rules between events over a small lake."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehead.contracts.iceberg import landing_schema
from lakehead.contracts.load import load_contract
from lakehead.contracts.scaffold import scaffold
from lakehead.errors import UserError
from lakehead.lake.catalog import open_catalog
from lakehead.proof.verify import verify
from lakehead.settings import Settings

START = datetime(2026, 1, 1, tzinfo=UTC)
RULES = """\
      - name: select
        logicalType: string
        unique: true
        customProperties:
          - {property: uniqueWithin, value: 1 hour}
      - name: customer
        logicalType: string
        relationships:
          - {to: customers.id}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "schemas").mkdir()
    text = scaffold("orders").replace("    properties:\n", "    properties:\n" + RULES)
    (tmp_path / "schemas" / "orders.yaml").write_text(text)
    (tmp_path / "schemas" / "customers.yaml").write_text(scaffold("customers"))
    return Settings(home=tmp_path / "home", project=tmp_path)


def land(settings: Settings, stream: str, rows: list[dict[str, Any]]) -> None:
    catalog = open_catalog(settings)
    catalog.create_namespace_if_not_exists("landing")
    contract = load_contract(settings.schemas, stream)
    table = catalog.create_table(contract.landing_table, landing_schema(contract))
    whole = [
        {"id": f"k{i}", "event_time": START, "kafka_partition": 0, "kafka_offset": i, **row}
        for i, row in enumerate(rows)
    ]
    table.append(pa.Table.from_pylist(whole, schema=table.schema().as_arrow()))


def test_what_comes_twice_too_soon_or_refers_to_nothing_is_found(settings: Settings) -> None:
    soon, late = START + timedelta(minutes=59), START + timedelta(hours=3)
    land(settings, "customers", [{"id": "c1"}, {"id": None}])
    land(
        settings,
        "orders",
        [
            {"select": "a", "customer": "c1"},
            {"select": "a", "customer": "c2", "event_time": soon},
            {"select": "a", "customer": None, "event_time": late},
            {"select": "b", "customer": "c1", "event_time": START},
            {"select": "b", "customer": "c1", "event_time": START + timedelta(hours=1)},
            {"select": None, "customer": "it's"},
            {"select": None, "customer": "c1"},
        ],
    )
    unique, reference = verify(settings, "orders")
    assert (unique.checked, unique.violations) == (5, 1)
    assert [(v.key, v.value, v.partition, v.offset) for v in unique.examples] == [("k1", "a", 0, 1)]
    assert (reference.checked, reference.violations) == (6, 2)
    assert [v.value for v in reference.examples] == ["c2", "it's"]


def test_examples_are_few(settings: Settings) -> None:
    land(settings, "customers", [])
    land(settings, "orders", [{"select": "a", "customer": "x"}] * 9)
    unique, reference = verify(settings, "orders")
    assert (unique.violations, reference.violations) == (8, 9)
    assert len(unique.examples) == len(reference.examples) == 5


def test_a_stream_without_such_rules_needs_no_lake(settings: Settings) -> None:
    assert verify(settings, "customers") == []


def test_a_table_that_is_not_there_is_named(settings: Settings) -> None:
    land(settings, "orders", [{}])
    with pytest.raises(UserError, match=r"landing\.customers"):
        verify(settings, "orders")
    shutil.rmtree(settings.home)
    with pytest.raises(UserError):
        verify(settings, "orders")
