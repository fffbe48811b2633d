"""What services publish is landed, and what is invalid never leaves them."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from lakehead import publisher
from tests.conftest import ROOT, Stack

pytestmark = pytest.mark.integration

EVENTS = 2_000


def order(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "invoice": str(800_000 + number),
        "stock_code": "PUBLISHED",
        "description": None,
        "quantity": number % 7,
        "price": Decimal(number).scaleb(-3),
        "country": "\u00c5land \U0001f1e6\U0001f1fd",
        "status": "placed",
        "event_time": datetime.now(UTC),
    } | changes


def dead(stack: Stack) -> int:
    return int(stack.audit("orders")["dead"])


def test_what_is_valid_is_landed_and_nothing_is_dead(stack: Stack) -> None:
    before = dead(stack)
    invalid: list[list[str]] = []
    with publisher.open("orders", home=stack.home) as orders:
        sent = orders.publish_many(
            (order(n, quantity=None) if n % 100 == 0 else order(n) for n in range(EVENTS)),
            lambda event, error: invalid.append(error.problems),
        )
    assert orders.counts == (sent, sent, 0, EVENTS - sent)
    assert invalid == [["quantity.required: is missing, and required"]] * (EVENTS // 100)
    audit = stack.audit("orders")
    assert (audit["lost"], audit["duplicated"], audit["in_flight"]) == (0, 0, 0)
    assert audit["dead"] == before
    found = stack.ok(
        "query",
        "SELECT count(*) AS n, sum(price) AS total, any_value(country) AS country "
        "FROM landing.orders WHERE stock_code = 'PUBLISHED'",
        "--format",
        "csv",
    )
    total = sum(Decimal(n).scaleb(-3) for n in range(EVENTS) if n % 100)
    assert found.splitlines()[1] == f"{sent},{total},{order(1)['country']}"


def test_the_code_of_the_how_to_works_and_says_what_it_says_there(stack: Stack) -> None:
    text = (ROOT / "docs" / "how-to.md").read_text()
    section = text.split("## Publish from a service\n")[1].split("\n## ")[0]
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE))
    before = dead(stack)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=stack.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    between = section.split("```")[2]
    assert done.stdout.splitlines() == re.findall(r"^    (\S.*)$", between, re.MULTILINE)
    assert dead(stack) == before
