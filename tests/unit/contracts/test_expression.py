"""Row rules in SQL: what is a condition, and what engines would not answer alike."""

import duckdb
import pytest
from hypothesis import given, settings

from lakehead.contracts.expression import Backticks, parse_condition, render
from lakehead.contracts.types import FieldType
from tests.draws import draws
from tests.unit.contracts import strategies

COLUMNS = {
    "amount": FieldType("decimal", 12, 2),
    "count": FieldType("int"),
    "name": FieldType("string"),
    "paid": FieldType("boolean"),
    "at": FieldType("timestamp"),
    "until": FieldType("timestamp"),
    "address": FieldType("object", members=(("zip", FieldType("string")),)),
    "tags": FieldType("array", items=FieldType("string")),
}


@pytest.mark.parametrize(
    "text",
    [
        "amount > 0",
        "amount * count <= 1000.5 AND NOT paid",
        "name LIKE 'a%' OR name IN ('x', 'y')",
        "address.zip IS NOT NULL",
        "CASE WHEN paid THEN amount > 0 ELSE TRUE END",
        "until <= at + INTERVAL '30' DAY",
        "COALESCE(name, 'x') = UPPER(name) AND LENGTH(name) BETWEEN 1 AND 3",
        "ABS(-count) + 1 <> 2",
        "paid",
        "NULL",
    ],
)
def test_a_condition_is_read(text: str) -> None:
    condition = parse_condition(text, COLUMNS)
    types = ", ".join(f'NULL::{kind.duckdb()} AS "{name}"' for name, kind in COLUMNS.items())
    with duckdb.connect() as con:
        row = con.execute(f"SELECT {render(condition, 'duckdb')} FROM (SELECT {types})").fetchone()
    assert row and row[0] in (True, False)
    assert render(condition, Backticks).startswith("COALESCE(")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected one condition"),
        ("amount >", "does not parse"),
        ("amount > 0; DROP TABLE x", "expected one condition"),
        ("SELECT 1", "is not supported"),
        ("amount", "gives a number"),
        ("amonut > 0", "amonut: is not a field, expected one of amount"),
        ("address.street = 'x'", "address.street: is not a field"),
        ("name.first = 'x'", "name is a string, not an object"),
        ("name > 1", "compares"),
        ("tags = tags", "a whole array cannot be compared"),
        ("amount / 2 > 1", "multiply instead"),
        ("RAND() > 0.5", "is not supported"),
        ("at < CURRENT_TIMESTAMP", "is not supported"),
        ("name LIKE name", "expected a pattern in quotes"),
        ("at + INTERVAL '1' MONTH > at", "expected such as INTERVAL '1' DAY"),
        ("count IN (SELECT 1)", "expected a list of values"),
        ("paid AND name", "expected a boolean"),
        ("(" * 900 + "paid" + ")" * 900, ""),
        ("paid OR " * 300 + "paid", "at most 2000"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_condition(text, COLUMNS)
    assert expected in str(caught.value)


@settings(max_examples=draws(300), deadline=None)
@given(strategies.conditions)
def test_any_text_is_a_condition_that_can_be_written_or_a_value_error(text: str) -> None:
    try:
        condition = parse_condition(text, COLUMNS)
    except ValueError as error:
        assert str(error)
        return
    for dialect in (Backticks, "duckdb", "spark"):
        assert render(condition, dialect)


def test_whole_numbers_do_not_overflow() -> None:
    condition = parse_condition("count * count > 0", COLUMNS)
    with duckdb.connect() as con:
        sql = f'SELECT {render(condition, "duckdb")} FROM (SELECT 2147483647::INT AS "count")'
        assert con.execute(sql).fetchone() == (True,)
