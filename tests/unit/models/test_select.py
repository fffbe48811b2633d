"""What a model may say: anything that would make the stream and the batch differ is refused."""

import copy
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from lakehead.contracts.expression import Backticks
from lakehead.errors import UserError
from lakehead.models import duckdb, flink, spark
from lakehead.models.iceberg import mart_schema
from lakehead.models.model import Model, load_model, model_names, parse_model
from lakehead.settings import INSTALL_ROOT

NAME = "revenue_by_country"
TEXT = (INSTALL_ROOT / "pipelines" / f"{NAME}.sql").read_text()
HEADER: Any = yaml.safe_load(TEXT[TEXT.index("/*") + 2 : TEXT.index("*/")])
SELECT = TEXT[TEXT.index("*/") + 2 :]


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


def fails(text: str, *says: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_model(text, NAME)
    for part in says:
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("clause", "named"),
    [
        ("ORDER BY country", "ORDER"),
        ("LIMIT 1", "LIMIT"),
        ("OFFSET 1", "OFFSET"),
        ("QUALIFY TRUE", "QUALIFY"),
        ("FOR UPDATE", "LOCKS"),
        ("HAVING TRUE", "HAVING"),
        ("WINDOW w AS (PARTITION BY country)", "WINDOWS"),
    ],
)
def test_a_clause_that_is_not_supported_is_named(clause: str, named: str) -> None:
    fails(f"{TEXT} {clause}", f"{named} is not supported")


@pytest.mark.parametrize(
    "source",
    [
        "other.orders",
        "orders AS o",
        "orders TABLESAMPLE (10 PERCENT)",
        "orders, payments",
        "orders JOIN orders AS o ON TRUE",
        "payments",
        "(SELECT * FROM payments) AS orders",
    ],
)
def test_a_model_reads_its_stream_plainly_and_nothing_else(source: str) -> None:
    fails(changed("FROM orders", f"FROM {source}"), "expected the stream 'orders'")


def test_a_common_table_expression_is_not_supported() -> None:
    fails(changed("SELECT\n", "WITH x AS (SELECT 1) SELECT\n"), "WITH is not supported")


def test_a_select_distinct_is_not_supported() -> None:
    fails(changed("SELECT\n", "SELECT DISTINCT\n"), "DISTINCT is not supported")


@pytest.mark.parametrize("value", ["(SELECT 1)", "SUM(SUM(quantity)) OVER ()"])
def test_a_measure_is_a_plain_aggregate(value: str) -> None:
    fails(changed("SUM(quantity) AS", f"{value} AS"), "expected plain aggregates")


def test_a_qualified_column_is_refused_as_the_engines_read_other_relations() -> None:
    fails(changed("SUM(quantity)", "SUM(orders.quantity)"), "orders.quantity", "quantity alone")


@pytest.mark.parametrize(
    "group",
    ["UPPER(country)", "country, 1", "country, status", "ROLLUP (country)", "country WITH ROLLUP"],
)
def test_the_groups_are_the_keys(group: str) -> None:
    fails(changed("GROUP BY country", f"GROUP BY {group}"), "GROUP BY has", "['country']")


def test_a_select_without_groups_has_no_keys() -> None:
    fails(changed("GROUP BY country", ""), "GROUP BY has []")


def test_a_key_must_be_selected() -> None:
    text = changed("  country,\n", "").replace("    country: string\n", "")
    fails(text, "the key country is not selected as it is")


@pytest.mark.parametrize("value", ["UPPER(country) AS country", "status AS country"])
def test_a_key_is_selected_as_it_is(value: str) -> None:
    """Else two groups could give two rows of one key."""
    fails(changed("  country,", f"  {value},"), "the key country is not selected as it is")


def test_a_key_is_there_once() -> None:
    fails(changed("[country]", "[country, country]"), "each column once")


def test_a_model_without_keys_is_one_row_a_window() -> None:
    text = changed("  country,\n", "").replace("    country: string\n", "")
    text = text.replace("keys: [country]", "keys: []").replace("GROUP BY country", "")
    model = parse_model(text, NAME)
    assert model.keys == ()
    assert flink.insert(model)[1].endswith("GROUP BY `window_start`, `window_end`")


@pytest.mark.parametrize("name", ["a`b", "Lines", "1st", "a b", "é"])
def test_an_output_column_is_an_identifier(name: str) -> None:
    fails(changed("lines: long", f'"{name}": long'), repr(name), "expected lower case letters")


@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_an_open_quote_does_not_parse(quote: str) -> None:
    fails(changed("FROM orders", f"FROM orders WHERE status = {quote}x"), "SELECT does not parse")


@pytest.mark.parametrize("text", ["SELECT FROM WHERE", "SELECT country, FROM (", "SELECT )"])
def test_what_does_not_parse_says_so(text: str) -> None:
    with pytest.raises(UserError, match="SELECT"):
        parse_model(TEXT[: TEXT.index("SELECT")] + text, NAME)


def test_unknown_header_keys_may_be_of_any_type() -> None:
    fails(changed("keys:", "1: 2\nfoo: 3\nkeys:"), "unknown keys ['1', 'foo']")


def test_a_scalar_that_yaml_cannot_build_is_not_yaml() -> None:
    fails(changed("stream: orders", "stream: 2020-13-45"), "not YAML")


@pytest.mark.parametrize("key", ["stream", "window", "keys"])
def test_a_header_key_that_is_missing_is_named(key: str) -> None:
    lines = [line for line in TEXT.splitlines() if not line.startswith(f"{key}:")]
    fails("\n".join(lines), f"the header lacks {key}")


@pytest.mark.parametrize("window", ["1000 days", "999999999999 days", "0 seconds", "1.5 seconds"])
def test_a_window_that_cannot_be_is_refused(window: str) -> None:
    fails(changed("10 seconds", window), "window.tumble", window)


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.sql").write_bytes(b"/* caf\xe9 */")
    with pytest.raises(UserError, match=r"m\.sql cannot be read"):
        load_model(tmp_path, "m")


def test_an_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "m.sql").write_text("SELECT 1")
    with pytest.raises(UserError, match=r"m\.sql: expected a leading"):
        load_model(tmp_path, "m")


def test_model_names_are_the_files_sorted(tmp_path: Path) -> None:
    for name in ("b.sql", "a.sql", "notes.md"):
        (tmp_path / name).touch()
    assert model_names(tmp_path) == ["a", "b"]


@settings(max_examples=80, deadline=None)
@given(at=st.integers(0, len(TEXT)), cut=st.integers(0, 20), put=st.text(max_size=4))
def test_a_mutated_text_gives_a_model_or_a_user_error(at: int, cut: int, put: str) -> None:
    try:
        compiles(parse_model(TEXT[:at] + put + TEXT[at + cut :], NAME))
    except UserError as error:
        assert error.message


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.dates()
)
NODES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(SCALARS, SCALARS, max_size=2)
)


@settings(max_examples=80, deadline=None)
@given(
    key=st.sampled_from([*HEADER, "output.table", "output.columns", "other"]),
    value=NODES,
)
def test_a_mutated_header_gives_a_model_or_a_user_error(key: str, value: object) -> None:
    header = copy.deepcopy(HEADER)
    *parents, last = key.split(".")
    (header[parents[0]] if parents else header)[last] = value
    try:
        compiles(parse_model(f"/*\n{yaml.safe_dump(header)}*/\n{SELECT}", NAME))
    except UserError as error:
        assert error.message


def compiles(model: Model) -> None:
    """What parses must compile: the first mistake is found when the file is read."""
    assert flink.insert(model)
    assert duckdb.windows(model, "event_time", "landed")
    assert spark.windows(model, "event_time", "landed")
    assert mart_schema(model)


# The Flink side


def view_of(condition: str) -> exp.Expression:
    view, _ = flink.insert(parse_model(changed("FROM orders", f"FROM orders {condition}"), NAME))
    return sqlglot.parse_one(view.split(" AS\n", 1)[1], dialect=Backticks)


def test_the_view_reads_what_the_select_reads_and_the_row_time() -> None:
    selected = [c.alias_or_name for c in view_of("").selects]
    assert selected == ["country", "quantity", "price", "rowtime"]


def test_an_or_in_the_condition_cannot_let_closed_windows_in() -> None:
    """The conditions of the stream are joined to the model's by AND, whatever that holds."""
    where = view_of("WHERE status = 'placed' OR quantity > 0").find(exp.Where)
    assert where is not None
    conditions = list(where.this.flatten()) if isinstance(where.this, exp.And) else []
    assert len(conditions) == 3
    assert conditions[0].sql(Backticks) == "NOT `rowtime` IS NULL"
    assert conditions[2].unnest().sql(Backticks) == "`status` = 'placed' OR `quantity` > 0"


def test_the_condition_is_applied_before_the_windows() -> None:
    text = changed("FROM orders", "FROM orders WHERE quantity > 0")
    view, insert = flink.insert(parse_model(text, NAME))
    assert "`quantity` > 0" in view
    assert "WHERE" not in insert


def test_measures_are_cast_to_the_types_of_the_mart() -> None:
    _, insert = flink.insert(parse_model(TEXT, NAME))
    assert "CAST(COUNT(*) AS BIGINT) AS `lines`" in insert
    assert "CAST(SUM(`quantity` * `price`) AS DECIMAL(38, 3)) AS `revenue`" in insert


def test_the_stream_leaves_the_settled_offsets_null() -> None:
    _, insert = flink.insert(parse_model(TEXT, NAME))
    assert insert.split("\nFROM TABLE")[0].endswith("CAST(NULL AS STRING)")


def test_the_insert_goes_to_the_mart_in_the_lake() -> None:
    _, insert = flink.insert(parse_model(TEXT, NAME))
    assert insert.startswith("INSERT INTO `lake`.`marts`.`revenue_by_country`\n")
    assert "INTERVAL '0 00:00:10.000' DAY(3) TO SECOND(3)" in insert
    assert insert.endswith("GROUP BY `window_start`, `window_end`, `country`")
