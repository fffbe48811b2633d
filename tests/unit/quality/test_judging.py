"""GX, the SQL that finds rows, and the rules written down once more in Python: they agree."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyiceberg.table import Table
from shop import HOSTILE, START, Row, arrow, make_project, sale, sales_table, total, totals_table

from lakehead.errors import SystemFailure
from lakehead.quality.batch import Batch, failing_rows
from lakehead.quality.expectation import Expectation, Suite
from lakehead.quality.gx import evaluate
from lakehead.quality.suites import find_suite
from tests.draws import draws

VALUES = {
    "id": [None, "a", "b", "A", "", ":{}", HOSTILE, "\n", "é"],
    "qualify": [None, "open", "Open", HOSTILE, ""],
    "amount": [None, *map(Decimal, ("-5", "-5.001", "100", "100.001", "49.999", "0"))],
    "rate": [None, *map(Decimal, ("0", "1", "1.000000000000000001", "-0.000000000000000001"))],
    "note": [None, "", "abc", "abcd", "é\u20ac\U0001f600", "a:b {x}", HOSTILE],
    "tags": [None, [], ["a", "b"], ["a", "b", None]],
    "day": [None, START.date(), START.date() - timedelta(days=1)],
    "place": [None, {"zip": None}, {"zip": "123"}, {"zip": "1234"}],
    "event_time": [
        None,
        *(START + timedelta(minutes=m) for m in (0, 1, 59, 60, 200)),
        START.replace(year=1969),
    ],
    "kafka_partition": [0, 1],
    "kafka_offset": [0, 1, 2, 3, 4, 5, 2**53, 2**53 + 1, None],
}
# A judgement takes most of a second, and to make an example small takes thousands.
NO_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]
rows = st.lists(
    st.fixed_dictionaries({k: st.sampled_from(v) for k, v in VALUES.items()}),
    min_size=5,
    max_size=40,
)


def too_soon(landed: list[Row]) -> int:
    """Rows whose id came less than an hour before."""
    found = 0
    for name in {r["id"] for r in landed} - {None}:
        times = sorted(r["event_time"] for r in landed if r["id"] == name and r["event_time"])
        found += sum(b - a < timedelta(hours=1) for a, b in pairwise(times))
    return found


def broken_by_hand(suite: Suite, landed: list[Row]) -> dict[str, int]:
    """Expectation -> how many rows break it."""
    places = Counter((r["kafka_partition"], r["kafka_offset"]) for r in landed)

    def breaks(name: str, r: Row) -> bool:
        match name:
            case "kafka_partition+kafka_offset.unique":
                place = (r["kafka_partition"], r["kafka_offset"])
                return None not in place and places[place] > 1
            case "id.pattern":
                return r["id"] is not None and not set(r["id"][:1]) & set("abcdefghijitxz:{}")
            case "qualify.enum":
                return r["qualify"] not in (None, "open", HOSTILE)
            case "amount.range":
                return r["amount"] is not None and not -5 <= r["amount"] <= 100
            case "rate.range":
                return r["rate"] is not None and not 0 <= r["rate"] <= 1
            case "note.length":
                return r["note"] is not None and not 1 <= len(r["note"]) <= 3
            case "tags.length":
                return r["tags"] is not None and len(r["tags"]) > 2
            case "day.range":
                return r["day"] is not None and r["day"] < START.date()
            case "place.zip.required":
                return r["place"] is not None and r["place"]["zip"] is None
            case "place.zip.length":
                return r["place"] is not None and len(r["place"]["zip"] or "") > 3
            case "large_ones_have_a_note":
                large = r["amount"] is not None and r["amount"] >= 50
                return large and r["note"] == "a:b {x}"
            case "event_time.epoch":
                return r["event_time"] is not None and r["event_time"].year < 1970
            case "event_time.clock":
                at = r["event_time"]
                return at is not None and at > r["kafka_timestamp"] + timedelta(minutes=1)
        assert name.endswith(".required")
        return r[name.removesuffix(".required")] is None

    names = [e.name for e in suite.expectations if e.name != "id.unique"]
    counts = {n: sum(breaks(n, r) for r in landed) for n in names}
    return {**counts, "id.unique": too_soon(landed)}


@dataclass(frozen=True)
class Shop:
    sales: Suite
    totals: Suite
    sales_table: Table
    totals_table: Table


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = make_project(tmp_path_factory.mktemp("judging"))
    suites = find_suite(made, "sales"), find_suite(made, "totals")
    return Shop(*suites, sales_table(made), totals_table(made))


def over(table: Table, landed: list[Row]) -> Batch:
    con = duckdb.connect(config={"autoload_known_extensions": False})
    con.execute("SET TimeZone = 'UTC'")
    data = arrow(table, landed)
    con.register("landed", data)
    con.execute("CREATE TEMP TABLE batch AS FROM landed")
    return Batch(con, "landing.sales", 1, tuple(data.column_names), len(landed))


def held(suite: Suite, batch: Batch) -> dict[str, int]:
    """Expectation -> rows that GX counts; SQL finds as many."""
    verdicts, _ = evaluate(suite, batch)
    for v in verdicts:
        found = list(failing_rows(batch, suite, v.expectation))
        assert (len(found), not found) == (v.failed, v.success), v.expectation.name
    return {v.expectation.name: v.failed for v in verdicts}


@settings(max_examples=draws(10), phases=NO_SHRINKING)
@given(rows)
def test_exactly_those_rows_fail_that_break_a_rule(shop: Shop, drawn: list[Row]) -> None:
    landed = [sale(0) | row for row in drawn]
    judged = held(shop.sales, over(shop.sales_table, landed))
    assert judged == broken_by_hand(shop.sales, landed)


def test_rows_of_a_mart_that_break_its_promises(shop: Shop) -> None:
    answers = [
        total(0, "a"),
        total(0, None),
        total(0, None),  # a null key is a key
        total(1, "a", n=0),
        total(2, "a", n=None),  # cannot be told: kept
        total(3, "a", total=None),
        total(4, "it's: {not}"),
        total(5, "a", window_end=START + timedelta(minutes=5)),
        total(6, "a", window_end=None),
    ]
    assert held(shop.totals, over(shop.totals_table, answers)) == {
        "window_start+window_end+id.unique": 2,
        "window_start.required": 0,
        "window_end.required": 1,
        "window_end.greater": 1,
        "expect.n > 0": 1,
        "expect.total is not null": 1,
        "expect.id <> 'it''s: {not}'": 1,
        "expect.window_end > window_start": 1,
        "expect.n < 9 AND TRUE": 0,
        "expect.n < 9 and true": 0,
    }


def test_an_empty_table_keeps_everything(shop: Shop) -> None:
    assert set(held(shop.sales, over(shop.sales_table, [])).values()) == {0}


def test_what_cannot_be_judged_is_a_failure_of_the_system(shop: Shop) -> None:
    odd = Expectation("odd", "odd", "sql", ("id",), "CAST(id AS INTEGER) > 0")
    suite = Suite("sales", "landing.sales", shop.sales.identity, (odd,))
    with pytest.raises(SystemFailure, match=r"landing\.sales: odd could not be evaluated: .*INT32"):
        evaluate(suite, over(shop.sales_table, [sale(0, id="x")]))
