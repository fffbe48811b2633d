"""A contract's own condition in Python: it answers as the same condition does in SQL (DuckDB, with
what Flink does otherwise left out, and tested by hand)."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lakehead.contracts.expression import parse_condition, render
from lakehead.contracts.types import FieldType
from lakehead.contracts.validate.condition import compile_condition
from tests.draws import draws

ZIP = FieldType("object", members=(("zip", FieldType("int")),))
COLUMNS = {
    "a": FieldType("int"),
    "b": FieldType("long"),
    "d": FieldType("decimal", 12, 3),
    "x": FieldType("double"),
    "f": FieldType("float"),
    "s": FieldType("string"),
    "p": FieldType("boolean"),
    "q": FieldType("boolean"),
    "t": FieldType("timestamp"),
    "n": FieldType("timestamp_ntz"),
    "o": FieldType("object", members=(("place", ZIP),)),
}
MOMENT = datetime(2025, 6, 15, 12, tzinfo=UTC)


def kept(condition: str, **row: Any) -> bool:
    return compile_condition(condition, COLUMNS)(row)


@pytest.mark.parametrize(
    ("condition", "row", "expected"),
    [
        # NULL: what cannot be told counts as kept.
        ("a > 1", {}, True),
        ("NOT a > 1", {}, True),
        ("a > 1 AND b > 1", {"a": 0}, False),
        ("a > 1 AND b > 1", {"b": 0}, False),
        ("a > 1 OR b > 1", {"b": 0}, True),
        ("a IS NOT NULL OR b > 1", {"b": 0}, False),
        ("a IS NULL", {}, True),
        ("a IN (1, NULL)", {"a": 2}, True),
        ("a NOT IN (1, NULL)", {"a": 1}, False),
        ("a NOT IN (1, NULL)", {"a": 2}, True),
        ("a BETWEEN 1 AND NULL", {"a": 0}, False),
        ("CASE WHEN a > 1 THEN FALSE ELSE TRUE END", {}, True),
        ("CASE WHEN a > 1 THEN TRUE END", {"a": 0}, True),
        ("COALESCE(a, b, 5) = 5", {}, True),
        ("COALESCE(a, b, 5) = 5", {"b": 4}, False),
        # Numbers by value.
        ("a = d", {"a": 2, "d": Decimal("2.000")}, True),
        ("d <= 0.1", {"d": Decimal("0.1")}, True),
        ("x <= 0.1", {"x": 0.1}, True),
        ("f <= 0.1", {"f": 0.1}, False),
        ("x = a", {"x": 1, "a": 1}, True),
        ("x = 1e3", {"x": 1000.0}, True),
        ("b + 1 > b", {"b": 2**63 - 1}, True),
        ("b * b * b > 0", {"b": 2**63 - 1}, True),
        ("b * b = 85070591730234615847396907784232501249", {"b": 2**63 - 1}, True),
        ("-b > 0", {"b": -(2**63)}, True),
        ("ABS(d) = 1.5", {"d": Decimal("-1.5")}, True),
        ("x * d > 0.3", {"x": 3.0, "d": Decimal("0.1")}, True),
        ("d * d * d = 0.001", {"d": Decimal("0.1")}, True),
        ("CASE WHEN p THEN x ELSE d END = 0.1", {"p": False, "d": Decimal("0.1")}, True),
        ("x = x", {"x": math.nan}, False),
        ("x <> x", {"x": math.nan}, True),
        ("x IN (1, x)", {"x": math.nan}, False),
        ("x > 1 OR x <= 1", {"x": math.nan}, False),
        ("x > a", {"x": math.inf, "a": 1}, True),
        # Text.
        ("s LIKE 'a%'", {"s": "a\nb"}, True),
        ("s LIKE 'a_'", {"s": "a\U0001f600"}, True),
        ("s LIKE 'a_'", {"s": "a\n"}, False),
        ("s LIKE '%.%'", {"s": "ab"}, False),
        (r"s LIKE 'a\%'", {"s": r"a\b"}, True),
        ("s LIKE 'a'", {"s": "A"}, False),
        ("LENGTH(s) = 1", {"s": "\U0001f600"}, True),
        ("UPPER(s) = 'SS' AND LOWER(s) = s", {"s": "\u00df"}, True),
        ("s = 'it''s'", {"s": "it's"}, True),
        ("s < 'b'", {"s": "a"}, True),
        # Times.
        ("t + INTERVAL '1' DAY > t", {"t": datetime.max.replace(tzinfo=UTC)}, True),
        ("t - INTERVAL '99999999' DAY < t", {"t": datetime.min.replace(tzinfo=UTC)}, True),
        ("n >= n - INTERVAL '1' SECOND", {"n": datetime(1, 1, 1)}, True),
        ("t < t", {"t": MOMENT}, False),
        # Objects.
        ("o.place.zip > 1", {"o": {"place": {"zip": 1}}}, False),
        ("o.place.zip > 1", {"o": {"place": None}}, True),
        ("o.place.zip > 1", {"o": {}}, True),
        ("p = q", {"p": True, "q": False}, False),
        ("TRUE", {}, True),
        ("NULL", {}, True),
    ],
)
def test_a_condition_is_kept_or_not(condition: str, row: dict[str, Any], expected: bool) -> None:
    assert kept(condition, **row) is expected


def test_what_is_no_condition_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a field"):
        compile_condition("z > 1", COLUMNS)


NUMBERS = st.one_of(
    st.sampled_from(["a", "b", "d", "NULL", "0.5", "-1", "ABS(a)", "o.place.zip"]),
    st.integers(-5, 5).map(str),
)
NUMBER = st.recursive(
    NUMBERS,
    lambda n: st.one_of(
        st.tuples(n, st.sampled_from("+-*"), n).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(n, n).map(lambda t: f"COALESCE({t[0]}, {t[1]})"),
        n.map(lambda t: f"(CASE WHEN p THEN {t} ELSE a END)"),
    ),
    max_leaves=3,
)
TEXT = st.sampled_from(["s", "'a'", "UPPER(s)", "LOWER(s)", "''", "COALESCE(s, 'b')"])
COMPARISON = st.one_of(
    st.tuples(NUMBER, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), NUMBER).map(" ".join),
    st.tuples(TEXT, st.sampled_from(["=", "<>", "<", ">="]), TEXT).map(" ".join),
    st.tuples(NUMBER, NUMBER, NUMBER).map(lambda t: f"{t[0]} IN ({t[1]}, {t[2]})"),
    st.tuples(NUMBER, NUMBER, NUMBER).map(lambda t: f"{t[0]} NOT BETWEEN {t[1]} AND {t[2]}"),
    NUMBER.map(lambda n: f"{n} IS NULL"),
    st.sampled_from(["a%", "%a", "_", "%b%", "a_", ""]).map(lambda p: f"s LIKE '{p}'"),
    st.sampled_from(["p", "q", "NOT p", "LENGTH(s) > 1", "t > t - INTERVAL '1' HOUR", "TRUE"]),
)
CONDITION = st.recursive(
    COMPARISON,
    lambda c: st.one_of(
        st.tuples(c, st.sampled_from(["AND", "OR"]), c).map(lambda t: f"({' '.join(t)})"),
        c.map(lambda t: f"NOT ({t})"),
        st.tuples(c, c).map(lambda t: f"CASE WHEN {t[0]} THEN {t[1]} END"),
    ),
    max_leaves=5,
)
ROW = st.fixed_dictionaries(
    {
        "a": st.none() | st.integers(-3, 3),
        "b": st.none() | st.integers(-3, 3),
        "d": st.none() | st.decimals(-3, 3, places=1),
        "s": st.none() | st.sampled_from(["", "a", "A", "b", "ab", "a1"]),
        "p": st.none() | st.booleans(),
        "q": st.none() | st.booleans(),
        "t": st.none() | st.just(MOMENT) | st.just(MOMENT + timedelta(days=1)),
        "o": st.none() | st.just({"place": None}) | st.just({"place": {"zip": 2}}),
    }
)


@pytest.fixture(scope="module")
def duck() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@settings(max_examples=draws(300), deadline=None)
@given(condition=CONDITION, row=ROW)
@example(condition="NOT (a > 1 AND b > 1)", row=dict.fromkeys(["a", "b"]))
def test_a_condition_answers_as_its_sql(
    duck: duckdb.DuckDBPyConnection, condition: str, row: dict[str, Any]
) -> None:
    tree = parse_condition(condition, COLUMNS)
    cast = ", ".join(f"CAST(${n} AS {COLUMNS[n].duckdb()}) AS {n}" for n in row)
    sql = f"SELECT {render(tree, 'duckdb')} FROM (SELECT {cast})"
    found = duck.execute(sql, row).fetchone()
    assert found
    assert kept(condition, **row) is found[0]
