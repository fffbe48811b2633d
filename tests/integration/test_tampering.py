"""The audit catches a row that was removed or doubled by hand."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.expressions import And, EqualTo
from pyiceberg.table import Table

from lakehead.lake.catalog import open_catalog
from tests.conftest import Stack

pytestmark = pytest.mark.integration


@pytest.fixture
def closed_window(stack: Stack) -> None:
    """Events over more than a window and the watermark's delay."""
    stack.ok("produce", "orders", "--events", "15000", "--rate", "1000")


@pytest.fixture
def landing(stack: Stack) -> Iterator[Table]:
    """The landing table while no job writes to it."""
    stack.audit("orders")
    stack.ok("stop", "orders")
    yield open_catalog(stack.settings).load_table("landing.orders")
    stack.ok("submit", "orders")
    assert stack.audit("orders")["lost"] == 0


def row_of(landing: Table) -> tuple[pa.Table, And]:
    # Not the newest: of that nobody could say that it was there, but the ledger.
    first = landing.scan("kafka_offset < 100", limit=1).to_arrow()
    condition = And(
        EqualTo("kafka_partition", first["kafka_partition"][0].as_py()),
        EqualTo("kafka_offset", first["kafka_offset"][0].as_py()),
    )
    return first, condition


def failed_audit(stack: Stack) -> Any:
    """The audit, which must have found something."""
    done = stack.run("audit", "--json")
    found = json.loads(done.stdout)["streams"]["orders"]
    assert done.returncode == 1, found
    return found


def test_a_removed_row_is_lost(stack: Stack, landing: Table) -> None:
    row, condition = row_of(landing)
    landing.delete(condition)

    audit = failed_audit(stack)

    assert (audit["lost"], audit["duplicated"]) == (1, 0)
    hit = next(p for p in audit["partitions"] if p["lost"])
    assert hit["partition"] == row["kafka_partition"][0].as_py()
    assert hit["missing"] == [row["kafka_offset"][0].as_py()]
    landing.append(row)


def test_the_newest_row_is_lost_where_the_ledger_has_it(stack: Stack, landing: Table) -> None:
    stack.ok("ledger", "orders")
    rows = landing.scan("kafka_partition = 0").to_arrow().sort_by("kafka_offset")
    row = rows.slice(len(rows) - 1)
    offset = row["kafka_offset"][0].as_py()
    landing.delete(f"kafka_partition = 0 and kafka_offset = {offset}")

    audit = failed_audit(stack)

    assert (audit["lost"], audit["in_flight"]) == (1, 0)
    assert next(p for p in audit["partitions"] if p["lost"])["missing"] == [offset]
    landing.append(row)


def test_a_doubled_row_is_duplicated(stack: Stack, landing: Table) -> None:
    row, condition = row_of(landing)
    landing.append(row)

    audit = failed_audit(stack)

    assert (audit["lost"], audit["duplicated"]) == (0, 1)
    hit = next(p for p in audit["partitions"] if p["duplicated"])
    assert hit["repeated"] == [row["kafka_offset"][0].as_py()]
    landing.delete(condition)
    landing.append(row)


def test_a_changed_mart_is_unexplained(stack: Stack, closed_window: None, landing: Table) -> None:
    stack.ok("reconcile")
    mart = open_catalog(stack.settings).load_table("marts.revenue_by_country")
    row = mart.scan(limit=1).to_arrow()
    condition = And(
        EqualTo("country", row["country"][0].as_py()),
        EqualTo("window_start", row["window_start"][0].as_py().isoformat()),
    )
    changed = row.set_column(
        row.schema.get_field_index("lines"), "lines", pa.array([row["lines"][0].as_py() + 1])
    )
    mart.overwrite(changed, overwrite_filter=condition)

    done = stack.run("parity", "--json")

    assert done.returncode == 1
    report = json.loads(done.stdout)["models"]["revenue_by_country"]
    assert (report["different"], report["unexplained"]) == (1, 1)
    # What nothing came to since is looked at again only when it is asked for.
    stack.ok("reconcile", "--full")
    assert stack.json("parity")["models"]["revenue_by_country"]["different"] == 0
