"""What Spark is given to put the batch answer in the stream's place."""

from datetime import UTC, datetime

import pytest

from lakehead.contracts.load import load_contract
from lakehead.jobs.reconcile import FENCE, Range, specification
from lakehead.models.bind import bind
from lakehead.models.model import parse_model
from lakehead.settings import INSTALL_ROOT


@pytest.mark.parametrize(
    ("kind", "select", "fenced"),
    [
        ("kind: rows", "quantity AS n", True),
        ("window: {tumble: 10 seconds}\nkeys: []", "MAX(quantity) AS n", False),
    ],
)
def test_a_row_that_is_landed_after_the_batch_has_read_is_not_taken_away(
    kind: str, select: str, fenced: bool
) -> None:
    orders = load_contract(INSTALL_ROOT / "schemas", "orders")
    text = (
        f"/*\nmodel: m\nstream: orders\n{kind}\n"
        "output:\n  table: marts.m\n  columns: {n: int}\n*/\n"
        f"SELECT {select} FROM orders"
    )
    bound = bind(parse_model(text, "m"), {"orders": orders})
    made = specification(bound, {"orders": 7}, Range(), datetime(2026, 1, 1, tzinfo=UTC))
    assert (FENCE in made["closed"]) is fenced
    assert (FENCE in made["merge"]) is fenced
    assert made["landing"] == {"landed_orders": {"table": "landing.orders", "snapshot": "7"}}
