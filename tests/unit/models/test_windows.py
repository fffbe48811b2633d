"""Which window a row belongs to, and until when that is open: the SQL itself, run by DuckDB."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehead.models import duckdb as model_duckdb
from lakehead.models.flink import _open
from lakehead.models.model import Model, parse_model
from lakehead.settings import INSTALL_ROOT

NAME = "revenue_by_country"
TEXT = (INSTALL_ROOT / "pipelines" / f"{NAME}.sql").read_text()
LATEST_MS = 4_102_444_800_000


def model_of(seconds: int) -> Model:
    return parse_model(TEXT.replace("10 seconds", f"{seconds} seconds"), NAME)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # EXTRACT(EPOCH ...) gives whole seconds in Flink.
        connection.execute("CREATE MACRO whole_seconds(t) AS epoch_us(t) // 1000000")
        yield connection


def open_as_duckdb(model: Model) -> str:
    """Flink's condition in DuckDB's words, over the columns ``rowtime`` and ``watermark``."""
    sql = _open(model).replace("CURRENT_WATERMARK(`rowtime`)", "watermark").replace("`", "")
    sql = sql.replace("EXTRACT(EPOCH FROM ", "whole_seconds(").replace(" / ", " // ")
    return re.sub(r"INTERVAL '0 ([\d:.]+)' DAY\(3\) TO SECOND\(3\)", r"INTERVAL '\1'", sql)


ROWS = st.lists(
    st.tuples(st.integers(0, LATEST_MS), st.integers(-200_000, 200_000)), min_size=1, max_size=20
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, seconds=st.sampled_from([1, 2, 7, 10, 60, 90, 3600, 86_400]))
def test_the_flink_condition_is_that_the_window_end_lies_ahead_of_the_watermark(
    con: duckdb.DuckDBPyConnection, rows: list[tuple[int, int]], seconds: int
) -> None:
    pairs = [(row, max(0, row + ahead)) for row, ahead in rows]
    values = ", ".join(f"({row}, {mark})" for row, mark in pairs)
    found = con.execute(
        f"SELECT {open_as_duckdb(model_of(seconds))} FROM (SELECT"
        " make_timestamptz(r::BIGINT * 1000) AS rowtime,"
        " make_timestamptz(w::BIGINT * 1000) AS watermark"
        f" FROM (VALUES {values}) AS t(r, w))"
    ).fetchall()
    size = seconds * 1000
    assert [is_open for (is_open,) in found] == [
        (row // size + 1) * size - 1 > mark for row, mark in pairs
    ]


@pytest.mark.parametrize("late_ms", [9_998, 9_999, 10_000])
def test_a_window_closes_as_the_watermark_reaches_its_last_millisecond(
    con: duckdb.DuckDBPyConnection, late_ms: int
) -> None:
    found = con.execute(
        f"SELECT {open_as_duckdb(model_of(10))} FROM (SELECT make_timestamptz(0) AS rowtime,"
        f" make_timestamptz({late_ms * 1000}) AS watermark)"
    ).fetchone()
    assert found == (late_ms < 9_999,)


def test_every_window_is_open_before_there_is_a_watermark(
    con: duckdb.DuckDBPyConnection,
) -> None:
    found = con.execute(
        f"SELECT {open_as_duckdb(model_of(10))} FROM (SELECT make_timestamptz(0) AS rowtime,"
        " CAST(NULL AS TIMESTAMPTZ) AS watermark)"
    ).fetchone()
    assert found == (True,)


@settings(max_examples=40, deadline=None)
@given(
    micros=st.lists(st.integers(0, LATEST_MS * 1000), min_size=1, max_size=20),
    seconds=st.integers(1, 90_000),
)
def test_a_row_lies_in_the_window_that_starts_at_a_multiple_of_its_length(
    con: duckdb.DuckDBPyConnection, micros: list[int], seconds: int
) -> None:
    start = model_duckdb.window_start(model_of(seconds), "t")
    values = ", ".join(f"({m})" for m in micros)
    found = con.execute(
        f"SELECT epoch_us({start}) FROM (SELECT make_timestamptz(m) AS t FROM (VALUES {values})"
        " AS v(m))"
    ).fetchall()
    size = seconds * 1_000_000
    assert [s for (s,) in found] == [m // size * size for m in micros]


def test_windows_keep_only_the_rows_of_the_condition(con: duckdb.DuckDBPyConnection) -> None:
    text = TEXT.replace("FROM orders", "FROM orders WHERE quantity > 5 OR country = 'EIRE'")
    start = datetime(2025, 1, 1, tzinfo=UTC)
    con.execute(
        "CREATE OR REPLACE TABLE landed (country VARCHAR, quantity INT, price DECIMAL(12, 3),"
        " event_time TIMESTAMPTZ)"
    )
    con.executemany(
        "INSERT INTO landed VALUES (?, ?, ?, ?)",
        [
            ("France", 6, "0.005", start),
            ("France", 5, "1.000", start + timedelta(seconds=1)),
            ("EIRE", -2, "2.500", start + timedelta(seconds=29)),
        ],
    )
    sql = model_duckdb.windows(parse_model(text, NAME), "event_time", "landed")
    found = con.execute(f"SELECT * FROM ({sql}) ORDER BY window_start, country").fetchall()
    second = timedelta(seconds=1)
    assert found == [
        (start, start + 10 * second, "France", 1, 6, Decimal("0.030")),
        (start + 20 * second, start + 30 * second, "EIRE", 1, -2, Decimal("-5.000")),
    ]
