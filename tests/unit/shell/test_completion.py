"""What is suggested fits where the cursor stands, and runs when it is taken."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.query.engine import run
from lakehead.shell.completion import WORD, Names, load_names, suggest
from tests.small_lake import Lake

NAMES = Names(
    tables={
        "landing.orders": {"id": "BIGINT", "Unit Price": "DOUBLE", "order": "VARCHAR"},
        "landing.payments": {"id": "BIGINT", "paid": "DOUBLE"},
        "marts.orders_by_day": {"day": "DATE"},
    },
    keywords=frozenset(("from", "for", "order", "select")),
    reserved=frozenset(("from", "for", "order", "select")),
    functions=("format", "sum"),
)


def texts(before: str, after: str = "") -> list[str]:
    return [each.text for each in suggest(before, after, NAMES)]


@pytest.mark.parametrize("before", ["FROM ", "select * from landing.orders JOIN ", r"\d "])
def test_tables_where_a_table_must_come(before: str) -> None:
    assert texts(before) == list(NAMES.tables)


def test_tables_by_either_part_of_their_name() -> None:
    assert texts("FROM ord") == ["landing.orders", "marts.orders_by_day"]
    assert texts("FROM LANDING.P") == ["landing.payments"]
    assert texts(r"\s pay") == ["landing.payments"]


def test_columns_of_the_tables_that_are_used() -> None:
    assert texts("SELECT pa", " FROM landing.payments") == ["paid", "landing.payments"]
    assert "paid" not in texts("SELECT pa", " FROM landing.orders")
    assert texts("FROM landing.orders o JOIN landing.payments AS p ON p.") == ["p.id", "p.paid"]
    assert texts("SELECT orders.i", " FROM landing.orders") == ["orders.id"]


def test_names_that_need_quotes_have_them() -> None:
    assert texts("SELECT un", " FROM landing.orders") == ['"Unit Price"']
    assert '"order"' in texts("SELECT or", " FROM landing.orders")


def test_words_as_they_are_being_typed() -> None:
    assert texts("SE") == ["SELECT"] and texts("se") == ["select"]
    assert texts("select fo") == ["for", "format("]


def test_nothing_where_nothing_is_typed() -> None:
    assert texts("") == texts("SELECT ") == texts(r"\a") == []


@given(st.text(), st.text())
def test_any_text_is_taken(before: str, after: str) -> None:
    match = WORD.search(before)
    assert match
    word = match[0].rpartition(".")[2].lower()
    for text in texts(before, after):
        assert word in text.lower()


def test_what_there_is(shop: Lake) -> None:
    names = load_names(shop.settings)
    assert list(names.tables) == ["landing.orders", "marts.m", "ops.left_out"]
    assert names.tables["marts.m"]["n"] == "BIGINT"
    assert {"select", "qualify"} <= names.keywords and "select" in names.reserved
    assert {"date_trunc", "approx_quantile"} <= set(names.functions)


def test_every_suggestion_of_a_table_and_its_columns_runs(shop: Lake) -> None:
    names = load_names(shop.settings)
    for each in suggest("FROM ", "", names):
        owner = each.text.rpartition(".")[2]
        columns = [s.text for s in suggest(f"FROM {each.text} SELECT {owner}.", "", names)]
        assert columns
        with run(shop.settings, f"SELECT {', '.join(columns)} FROM {each.text}") as result:
            assert len(result.columns) == len(columns)


def test_functions_are_functions() -> None:
    with duckdb.connect() as con:
        assert con.execute("SELECT date_trunc('day', DATE '2026-01-31')").fetchone()
