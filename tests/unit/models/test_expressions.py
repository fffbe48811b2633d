"""Expressions of models: their types, what is refused, and DuckDB's answers against Python's."""

import decimal
import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from lakehead.contracts.types import FieldType, parse_type
from lakehead.models import functions
from lakehead.models.expressions import Refused, Typed, condition, output, render, typed

COLUMNS = {
    **{
        name: parse_type(kind)
        for name, kind in {
            "i": "int",
            "l": "long",
            "p": "decimal(10,3)",
            "w": "decimal(38,10)",
            "d": "double",
            "f": "float",
            "s": "string",
            "b": "boolean",
            "x": "binary",
            "day": "date",
            "ts": "timestamp",
            "n": "timestamp_ntz",
            "o.price": "decimal(9,2)",
        }.items()
    },
    "a": FieldType("object", members=(("zip", parse_type("string")),)),
    "o.a": FieldType("object", members=(("zip", parse_type("string")),)),
    "tags": FieldType("array", items=parse_type("string")),
}
EXACT = Context(prec=200)


def read(sql: str, *accept: str) -> Typed:
    tree = sqlglot.parse_one(sql)
    return typed(tree, COLUMNS, aggregates=True, accept=frozenset(accept))


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("i", "int"),
        ("f", "float"),
        ("i + 1", "decimal(11,0)"),
        ("i + l", "decimal(20,0)"),
        ("i * p", "decimal(20,3)"),
        ("p - 0.12345", "decimal(13,5)"),
        ("-i", "decimal(10,0)"),
        ("i / 2", "double"),
        ("p + d", "double"),
        ("f * 2", "double"),
        ("1.50", "decimal(3,2)"),
        ("0.05", "decimal(2,2)"),
        ("100", "decimal(3,0)"),
        ("1e3", "double"),
        ("SUM(i)", "decimal(20,0)"),
        ("SUM(i * p)", "decimal(30,3)"),
        ("AVG(l)", "double"),
        ("COUNT(*)", "long"),
        ("COUNT(DISTINCT s)", "long"),
        ("MIN(f)", "double"),
        ("MAX(w)", "decimal(38,10)"),
        ("COALESCE(i, 0)", "int"),
        ("COALESCE(i, l, 5)", "long"),
        ("COALESCE(i, 3000000000)", "decimal(10,0)"),
        ("COALESCE(i, 0.5)", "decimal(11,1)"),
        ("CASE WHEN b THEN i ELSE p END", "decimal(13,3)"),
        ("CASE WHEN b THEN 'x' END", "string"),
        ("ROUND(p, 1)", "decimal(9,1)"),
        ("ROUND(p, 5)", "decimal(10,3)"),
        ("FLOOR(p)", "decimal(8,0)"),
        ("MOD(i, 7)", "long"),
        ("LENGTH(s)", "int"),
        ("s || 'x'", "string"),
        ("a.zip", "string"),
        ("o.a.zip", "string"),
        ("o.price * 2", "decimal(10,2)"),
        ("CAST(ts AS DATE)", "date"),
        ("DATE '2026-01-31'", "date"),
        ("TIMESTAMP '2026-01-31 00:00:00'", "timestamp_ntz"),
        ("COALESCE(ts, TIMESTAMP '2026-01-31 00:00:00')", "timestamp"),
        ("day + INTERVAL '1' DAY", "date"),
        ("DATE_TRUNC('hour', ts)", "timestamp"),
        ("EXTRACT(HOUR FROM ts)", "int"),
        ("i > 1 AND NOT b", "boolean"),
        ("CAST(NULL AS BIGINT)", "long"),
    ],
)
def test_types(sql: str, kind: str) -> None:
    assert str(read(sql).type) == kind


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("missing", "expected one of i, l"),
        ("a.street", "expected one of zip"),
        ("s.zip", "not an object"),
        ("*", "named one by one"),
        ("s = 1", "no quotes"),
        ("ts > '2026-01-01'", "TIMESTAMP '2026"),
        ("ts > day", "CAST(... AS DATE)"),
        ("ts = n", "one type"),
        ("b < TRUE", "do not order truth"),
        ("a = a", "no whole object"),
        ("x = x", "binary"),
        ("s = NULL", "IS NULL"),
        ("s IN ('a', NULL)", "IS NULL"),
        ("s IN (SELECT 1)", "second model"),
        ("(SELECT 1)", "second model"),
        ("NULL", "CAST(NULL AS BIGINT)"),
        ("w * w", "decimals hold 38; cast"),
        ("w + 1.00000000000", "decimals hold 38"),
        ("CAST(l AS DECIMAL(19, 9)) * CAST(l AS DECIMAL(19, 9))", "decimals hold 38"),
        ("SUM(w)", "may overflow"),
        ("SUM(d)", "accept: [rounding]"),
        ("AVG(f)", "accept: [rounding]"),
        ("MEDIAN(i)", "accept: [rounding]"),
        ("APPROX_COUNT_DISTINCT(i)", "COUNT(DISTINCT x)"),
        ("SUM(SUM(i))", "within an aggregate"),
        ("SUM(DISTINCT i)", "without DISTINCT"),
        ("COUNT(DISTINCT i, l)", "one value"),
        ("COUNT(DISTINCT a)", "part of it"),
        ("MIN(b)", "expected a number"),
        ("SUM(i) OVER ()", "header's window"),
        ("RAND()", "run to run"),
        ("UUID()", "run to run"),
        ("NOW()", "event's time"),
        ("CURRENT_TIMESTAMP", "event's time"),
        ("CURRENT_DATE", "event's time"),
        ("MY_FUNCTION(i)", "expected one of ABS"),
        ("POSITION('a' IN s)", "expected one of ABS"),
        ("SQRT(i)", "last digits"),
        ("ANY_VALUE(i)", "MIN or MAX"),
        ("LISTAGG(s)", "MIN or MAX"),
        ("REGEXP_LIKE(s, 'a')", "expected LIKE"),
        ("s ILIKE 'a'", "expected LIKE"),
        ("s LIKE s", "pattern in quotes"),
        ("s LIKE 'a\\_b'", "backslash"),
        ("s LIKE 'a' ESCAPE 'b'", "expected LIKE"),
        ("CAST(d AS DECIMAL(10, 2))", "expected double"),
        ("CAST(s AS BIGINT)", "contract"),
        ("CAST(p AS INT)", "ROUND(x, 0)"),
        ("CAST(p AS VARCHAR)", "keep it a number"),
        ("CAST(i AS SMALLINT)", "expected decimal"),
        ("CAST(i AS DECIMAL)", "DECIMAL(p, s)"),
        ("CAST(i AS DECIMAL(39, 0))", "1 to 38"),
        ("ROUND(d, 2)", "expected a decimal"),
        ("ROUND(p, -1)", "written out"),
        ("MOD(p, 2)", "whole numbers"),
        ("SUBSTRING(s, 0)", "1 or more"),
        ("SUBSTRING(s, i)", "written out"),
        ("TRIM(BOTH 'x' FROM s)", "only spaces"),
        ("s || i", "is of type int, expected a string"),
        ("DATE '2026-02-30'", "is not a day"),
        ("TIMESTAMP '2026-01-01 00:00:00+01:00'", "is not a time"),
        ("TIMESTAMP '2026-01-01 00:00:00.000001'", "millisecond"),
        ("ts + INTERVAL '1' MONTH", "SECOND, MINUTE, HOUR or DAY"),
        ("ts + INTERVAL '2000' DAY", "too long"),
        ("day + INTERVAL '1' HOUR", "moves by days"),
        ("ts - ts", "expected a number"),
        ("EXTRACT(DOW FROM ts)", "expected one of SECOND"),
        ("DATE_TRUNC('decade', ts)", "expected one of SECOND"),
        ("GREATEST(i)", "two values"),
        ("1e999", "beyond"),
        ("i & 1", "not supported"),
        ("tags[1]", "not supported"),
        ("NOT i", "expected a boolean"),
        ("CASE WHEN i THEN 1 END", "expected a boolean"),
        ("CASE WHEN b THEN 1 ELSE 'x' END", "no quotes"),
    ],
)
def test_what_is_refused_says_why(sql: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        read(sql)
    assert says in str(refused.value)


def test_a_refusal_knows_its_line() -> None:
    with pytest.raises(Refused) as refused:
        read("i > 1\nAND s = 'x'\nAND FOO(i) = 2")
    assert refused.value.node.meta["line"] == 3


def test_a_refusal_shows_a_part_of_what_is_long() -> None:
    with pytest.raises(Refused) as refused:
        read(f"FOO('{'x' * 500}')")
    assert "...:" in str(refused.value) and len(str(refused.value)) < 400


def test_aggregates_are_for_windows() -> None:
    with pytest.raises(Refused, match="SELECT and the HAVING"):
        typed(sqlglot.parse_one("SUM(i)"), COLUMNS)


def test_a_condition_is_true_or_false() -> None:
    assert condition(sqlglot.parse_one("i > 1"), COLUMNS)
    with pytest.raises(Refused, match=r"gives a decimal\(11,0\)"):
        condition(sqlglot.parse_one("i + 1"), COLUMNS)


def test_what_is_nested_too_deep_or_too_large() -> None:
    with pytest.raises(Refused, match="too deep"):
        read("NOT " * 90 + "b")
    with pytest.raises(Refused, match="too large"):
        read("GREATEST(i, 1, " * 6 + "i" + ")" * 6)


def test_columns_outside_of_aggregates_are_named() -> None:
    value = read("i + SUM(l) + MAX(o.price)")
    assert value.aggregate and value.columns == {"i"}
    assert not read("i + l").aggregate


def test_accepted_estimates_are_exact() -> None:
    value = read("APPROX_COUNT_DISTINCT(i)", "approximate")
    assert render(value.tree, "spark") == "COUNT(DISTINCT `i`)"


@pytest.mark.parametrize(
    ("sql", "engine", "text"),
    [
        ("i * p", "flink", "CAST((CAST(`i` AS DECIMAL(19, 0)) * `p`) AS DECIMAL(20, 3))"),
        ("o.price", "spark", "`o`.`price`"),
        ("a.zip", "duckdb", '"a"."zip"'),
        ("'it''s'", "flink", "CAST('it''s' AS STRING)"),
        ("'it''s \\ ${x}'", "spark", r"'it\u0027s \u005c \u0024\u007bx}'"),
        ("'it''s \\'", "duckdb", "'it''s \\'"),
        ("COUNT(*) FILTER (WHERE b)", "flink", "COUNT(CASE WHEN `b` THEN CAST(1 AS INT) END)"),
        ("ts + INTERVAL '1' HOUR", "spark", "(`ts` + INTERVAL '3600' SECOND)"),
        ("TRIM(s)", "duckdb", "TRIM(\"s\", ' ')"),
        ("DATE_TRUNC('day', ts)", "flink", "CAST(FLOOR(`ts` TO DAY) AS TIMESTAMP_LTZ(6))"),
    ],
)
def test_engines_write_it_so(sql: str, engine: str, text: str) -> None:
    assert render(read(sql).tree, engine) == text


@pytest.mark.parametrize(
    ("sql", "wanted", "says"),
    [
        ("d", "decimal(10,2)", "expected double"),
        ("d", "long", "expected double"),
        ("d", "float", "expected double"),
        ("p", "long", "ROUND(x, 0)"),
        ("s", "long", "contract"),
        ("p", "string", "keep it a number"),
        ("ts", "string", "keep it a timestamp"),
        ("ts", "timestamp_ntz", "cannot become"),
        ("b", "int", "cannot become"),
    ],
)
def test_outputs_that_engines_would_cast_differently(sql: str, wanted: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        output(read(sql), parse_type(wanted))
    assert says in str(refused.value) and wanted in str(refused.value)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def answer(
    con: duckdb.DuckDBPyConnection, sql: str, wanted: str | None = None, **row: tuple[str, Any]
) -> Any:
    """DuckDB's answer over one row; a column is its type and value."""
    columns = {name: parse_type(kind) for name, (kind, _) in row.items()}
    value = typed(sqlglot.parse_one(sql), columns)
    tree = output(value, parse_type(wanted or str(value.type)))
    names = ", ".join(f'CAST(? AS {k.duckdb()}) AS "{n}"' for n, k in columns.items())
    texts = [f"{v:f}" if isinstance(v, Decimal) else v for _, v in row.values()]
    found = con.execute(
        f"SELECT {render(tree, 'duckdb')} FROM (SELECT {names or '1'})", texts
    ).fetchone()
    assert found
    return found[0]


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("1 / 0", None),
        ("MOD(5, 0)", None),
        ("0.1E0 + 0.2E0", 0.1 + 0.2),
        ("1e308 * 10", None),
        ("7 / 2", 3.5),
        ("MOD(-7, 3)", -1),
        ("ROUND(2.5)", Decimal(3)),
        ("ROUND(-2.45, 1)", Decimal("-2.5")),
        ("FLOOR(-0.5)", Decimal(-1)),
        ("CEIL(-0.5)", Decimal(0)),
        ("GREATEST(1, 3, 2)", Decimal(3)),
        ("GREATEST(1, CAST(NULL AS INT))", None),
        ("LEAST('b', 'a')", "a"),
        ("CONCAT('a', NULL)", None),
        ("UPPER('a\u00df\u00e9')", "A\u00df\u00e9"),
        ("LENGTH('\U0001d11ee')", 2),
        ("SUBSTRING('\U0001d11eabc', 2, 2)", "ab"),
        ("TRIM(' \u00a0x ')", "\u00a0x"),
        ("'a_b' LIKE 'a__'", True),
        ("CAST(TRUE AS VARCHAR)", "true"),
        ("CAST(128 * 256 * 65536 AS INT)", None),
        ("CAST(99.995 AS DECIMAL(4, 2))", None),
        ("CAST(99.994 AS DECIMAL(4, 2))", Decimal("99.99")),
    ],
)
def test_answers(con: duckdb.DuckDBPyConnection, sql: str, wanted: object) -> None:
    found = answer(con, sql)
    assert found == wanted and type(found) is type(wanted)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_floats_that_are_not_finite_are_null_where_they_are_looked_at(
    con: duckdb.DuckDBPyConnection, value: float
) -> None:
    column = {"d": ("double", value)}
    assert repr(answer(con, "d", **column)) == repr(value)
    for sql in ("d + 1", "d > 1", "d = d", "COALESCE(d, NULL)", "ABS(d)"):
        assert answer(con, sql, **column) is None
    assert answer(con, "d IS NULL", **column) is True


@st.composite
def decimals(draw: st.DrawFn) -> tuple[str, Decimal]:
    """A decimal type of up to 18 digits, and a value of it, extremes among them."""
    precision = draw(st.integers(1, 18))
    scale = draw(st.integers(0, precision))
    most = 10**precision - 1
    units = draw(st.integers(-most, most) | st.sampled_from([-most, 0, most]))
    return f"decimal({precision},{scale})", Decimal(units).scaleb(-scale, EXACT)


@given(decimals(), decimals(), st.sampled_from("+-*"))
def test_arithmetic_is_exact(
    con: duckdb.DuckDBPyConnection, a: tuple[str, Decimal], b: tuple[str, Decimal], sign: str
) -> None:
    operations = {"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply}
    expected = operations[sign](a[1], b[1])
    assert answer(con, f"a {sign} b", a=a, b=b) == expected


@given(decimals(), decimals())
def test_a_quotient_is_that_of_the_nearest_doubles(
    con: duckdb.DuckDBPyConnection, a: tuple[str, Decimal], b: tuple[str, Decimal]
) -> None:
    nearest = [float(Fraction(value)) for _, value in (a, b)]
    expected = nearest[0] / nearest[1] if nearest[1] else None
    assert answer(con, "a / b", a=a, b=b) == expected


@given(decimals(), st.integers(0, 18))
def test_rounding_is_half_away_from_zero(
    con: duckdb.DuckDBPyConnection, a: tuple[str, Decimal], places: int
) -> None:
    expected = a[1].quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, EXACT)
    assert answer(con, f"ROUND(a, {places})", a=a) == expected


@given(decimals(), decimals())
def test_a_cast_gives_null_where_the_number_does_not_fit(
    con: duckdb.DuckDBPyConnection, a: tuple[str, Decimal], b: tuple[str, Decimal]
) -> None:
    to = parse_type(b[0])
    expected = a[1].quantize(Decimal(1).scaleb(-to.scale), ROUND_HALF_UP, EXACT)
    fits = abs(expected) < Decimal(10) ** (to.precision - to.scale)
    found = answer(con, "a", b[0], a=a)
    assert found == (expected if fits else None)


@given(st.integers(-(2**70), 2**70), st.sampled_from(["int", "long"]))
def test_whole_numbers_do_not_wrap(con: duckdb.DuckDBPyConnection, number: int, kind: str) -> None:
    bound = {"int": 2**31, "long": 2**63}[kind]
    expected = number if -bound <= number < bound else None
    assert answer(con, "a", kind, a=("decimal(38,0)", number)) == expected


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_remainders(con: duckdb.DuckDBPyConnection, a: int, b: int) -> None:
    expected = int(decimal.Context(prec=40).remainder(Decimal(a), Decimal(b))) if b else None
    assert answer(con, "MOD(a, b)", a=("long", a), b=("long", b)) == expected


def test_the_page_names_every_function() -> None:
    page = (Path(__file__).parents[3] / "docs" / "models-sql.md").read_text()
    for name in re.findall(r"[A-Z_]{2,}", functions.NAMES):
        assert f"{name}(" in page or f"`{name}`" in page, name
