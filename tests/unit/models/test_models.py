from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from lakehead.contracts.expression import Backticks
from lakehead.contracts.load import load_contract
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from lakehead.models import duckdb as model_duckdb
from lakehead.models import flink, spark
from lakehead.models.iceberg import mart_schema
from lakehead.models.model import check_against, load_model, load_models, parse_model

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "pipelines" / "revenue_by_country.sql").read_text()
MODEL = load_model(ROOT / "pipelines", "revenue_by_country")
CONTRACT = load_contract(ROOT / "schemas", "orders")


def test_the_model_is_what_its_file_says() -> None:
    assert MODEL.stream == "orders"
    assert MODEL.window == timedelta(seconds=10)
    assert MODEL.keys == ("country",)
    assert MODEL.measures == ["lines", "units", "revenue"]
    assert MODEL.columns["revenue"] == FieldType("decimal", 38, 3)
    check_against(MODEL, CONTRACT)
    assert load_models(ROOT / "pipelines", "payments") == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("/*", "--", "leading"),
        ("model: revenue_by_country", "model: other", "expected 'revenue_by_country'"),
        ("stream: orders", "streem: orders", "unknown keys"),
        ("window: {tumble: 10 seconds}", "window: {hop: 10 seconds}", "tumble"),
        ("tumble: 10 seconds", "tumble: 10 parsecs", "not a duration"),
        ("tumble: 10 seconds", "tumble: 500 milliseconds", "whole seconds"),
        ("keys: [country]", "keys: country", "expected a list"),
        ("keys: [country]", "keys: [status]", "GROUP BY has"),
        ("marts.revenue_by_country", "lake.revenue", "output.table"),
        ("units: long", "units: longish", "not a type"),
        ("    units: long\n", "", "output.columns says"),
        ("country: string", "window_start: string", "added by lakehead"),
        ("FROM orders", "FROM payments", "expected the stream 'orders'"),
        ("FROM orders", "FROM orders JOIN payments ON true", "payments"),
        ("GROUP BY country", "GROUP BY country HAVING 1 = 1", "HAVING"),
        ("SELECT\n", "DELETE\n", "SELECT"),
        ("GROUP BY country", "GROUP BY country; SELECT 1", "exactly one SELECT"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(UserError, match=says):
        parse_model(TEXT.replace(old, new), "revenue_by_country")


def test_a_column_that_the_stream_lacks_is_named() -> None:
    model = parse_model(TEXT.replace("SUM(quantity)", "SUM(amount)"), "revenue_by_country")
    with pytest.raises(UserError, match=r"'amount'.*expected one of invoice"):
        check_against(model, CONTRACT)


def test_unknown_model_names_those_there_are() -> None:
    with pytest.raises(UserError, match=r"no model 'revenue'.*revenue_by_country"):
        load_model(ROOT / "pipelines", "revenue")


def test_flink_insert_gives_the_mart_its_columns() -> None:
    view, insert = flink.insert(MODEL)
    assert view.startswith("CREATE TEMPORARY VIEW `revenue_by_country$rows`")
    select = sqlglot.parse_one(insert.split("\nFROM")[0], dialect=Backticks).expression
    assert len(select.expressions) == len(mart_schema(MODEL).fields)
    assert "TUMBLE(TABLE `revenue_by_country$rows`, DESCRIPTOR(`rowtime`)" in insert


@given(
    row_ms=st.integers(0, 4_102_444_800_000),
    ahead_ms=st.integers(-100_000, 100_000),
    seconds=st.integers(1, 90_000),
)
def test_a_window_is_open_until_the_watermark_passes_its_last_millisecond(
    row_ms: int, ahead_ms: int, seconds: int
) -> None:
    watermark_ms = max(0, row_ms + ahead_ms)
    # As the SQL computes: EXTRACT(EPOCH ...) gives whole seconds.
    is_open = row_ms // 1000 // seconds >= (watermark_ms + 1) // 1000 // seconds
    window_end_ms = (row_ms // 1000 // seconds + 1) * seconds * 1000
    assert is_open == (window_end_ms - 1 > watermark_ms)


def test_duckdb_windows_by_hand() -> None:
    rows = [
        ("FR", 2, "1.500", "2026-01-01 00:00:00+00"),
        ("FR", -1, "1.500", "2026-01-01 00:00:09.999999+00"),
        ("FR", 1, "4.000", "2026-01-01 00:00:10+00"),
        (None, 1, "0.001", "2026-01-01 00:00:05+00"),
    ]
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(
            "CREATE TABLE landed (country VARCHAR, quantity INTEGER, price DECIMAL(12, 3),"
            " event_time TIMESTAMPTZ)"
        )
        con.executemany("INSERT INTO landed VALUES (?, ?, ?, ?)", rows)
        sql = model_duckdb.windows(MODEL, "event_time", "landed")
        found = con.execute(f"SELECT * FROM ({sql}) ORDER BY ALL").fetchall()
    first, second = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert [r[:1] + r[2:] for r in found] == [
        (first, "FR", 2, 1, Decimal("1.500")),
        (first, None, 1, 1, Decimal("0.001")),
        (second, "FR", 1, 1, Decimal("4.000")),
    ]
    assert {(r[1] - r[0]) for r in found} == {timedelta(seconds=10)}


def test_spark_merge_is_null_safe_and_only_of_closed_windows() -> None:
    merge = spark.merge(MODEL, "batch", "window_end <= X")
    assert "t.`country` <=> s.`country`" in merge
    assert "NOT MATCHED BY SOURCE AND window_end <= X THEN DELETE" in merge
    assert "`settled_offsets`" in merge
