"""Aggregates in two steps give what they give in one."""

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from lakehead.contracts.types import FieldType
from lakehead.models.expressions import typed
from lakehead.models.render import render
from lakehead.models.slices import split

COLUMNS = {
    "word": FieldType("string"),
    "number": FieldType("int"),
    "price": FieldType("decimal", precision=9, scale=2),
}
AGGREGATES = (
    "COUNT(*)",
    "COUNT(word)",
    "COUNT(*) FILTER (WHERE number > 0)",
    "COUNT(DISTINCT word)",
    "COUNT(DISTINCT word) FILTER (WHERE number > 0)",
    "SUM(number)",
    "SUM(price) FILTER (WHERE word = 'a')",
    "AVG(price)",
    "MIN(word)",
    "MAX(number)",
    "SUM(number) / COUNT(*) + COUNT(DISTINCT word)",
)
WORDS = st.none() | st.sampled_from(["a", "b", "", "ä"])
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.booleans(),
        WORDS,
        st.none() | st.integers(-9, 9),
        st.none() | st.decimals(-99, 99, places=2),
    ),
    min_size=1,
    max_size=12,
)


def tree_of(text: str) -> exp.Expr:
    return typed(sqlglot.parse_one(text), COLUMNS, aggregates=True).tree


def written(trees: dict[str, exp.Expr]) -> list[str]:
    return [f'{render(tree, "duckdb")} AS "{name}"' for name, tree in trees.items()]


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE rows (slice INT, late BOOLEAN, word VARCHAR, number INT, price DECIMAL(9, 2))"
    )
    return con


@given(rows=ROWS)
def test_slices_add_up_to_what_their_rows_do(
    con: duckdb.DuckDBPyConnection, rows: list[tuple[object, ...]]
) -> None:
    con.execute("DELETE FROM rows")
    con.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)
    trees = [tree_of(text) for text in AGGREGATES]
    parts = split(trees)
    assert parts
    values = written(dict(parts.values))
    slices = (
        f"SELECT {', '.join(['slice', *values, *written(dict(parts.of_rows))])}"
        " FROM rows WHERE NOT late GROUP BY ALL"
        f" UNION ALL SELECT {', '.join(['slice', *values, *written(dict(parts.of_row))])}"
        " FROM rows WHERE late"
    )
    both = [", ".join(render(tree, "duckdb") for tree in each) for each in (trees, parts.of_slices)]
    one = con.execute(f"SELECT {both[0]} FROM rows").fetchall()
    two = con.execute(f"SELECT {both[1]} FROM ({slices})").fetchall()
    assert one == two


def test_a_percentile_needs_every_row() -> None:
    tree = exp.Quantile(this=exp.column("x"), quantile=exp.Literal.number(0.5))
    assert split([exp.Count(this=exp.Star()), tree]) is None


def test_equal_aggregates_are_one_column() -> None:
    parts = split([tree_of("COUNT(*)"), tree_of("COUNT(*) + COUNT(word)")])
    assert parts
    assert list(parts.of_rows) == ["part$0", "part$1"]
