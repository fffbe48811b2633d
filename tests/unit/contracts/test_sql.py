"""The SQL that a contract becomes."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehead.contracts import flink
from lakehead.contracts.iceberg import dead_schema, landing_schema
from lakehead.contracts.load import load_contract
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.rules import identifier, interval, literal, row_rules
from lakehead.contracts.topic import topic_config
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from lakehead.contracts.expression import Backticks

ORDERS = load_contract(Path(__file__).parents[3] / "schemas", "orders")
GOOD: dict[str, Any] = {
    "invoice": "489434",
    "stock_code": "85048",
    "description": None,
    "quantity": 12,
    "price": 6.95,
    "customer_id": 13085,
    "country": "United Kingdom",
    "status": "placed",
    "event_time": "2026-01-01T10:00:00Z",
    "kafka_timestamp": "2026-01-01T10:00:30Z",
}


def holding(contract: Contract, row: dict[str, Any]) -> dict[str, Any]:
    """Each rule's condition over one row, by DuckDB."""
    types = {f.name: f.type.duckdb() for f in contract.fields} | {"kafka_timestamp": "TIMESTAMPTZ"}
    columns = ", ".join(f'CAST(${n} AS {t}) AS "{n}"' for n, t in types.items())
    rules = ", ".join(f'{duck(r.holds)} AS "{r.name}"' for r in row_rules(contract))
    with duckdb.connect() as con:
        result = con.execute(f"SELECT {rules} FROM (SELECT {columns})", row)
        names = [d[0] for d in result.description or []]
        values = result.fetchone()
    assert values
    return dict(zip(names, values, strict=True))


def duck(sql: str) -> str:
    sql = sql.replace("`", '"').replace("REGEXP(", "regexp_matches(")
    sql = sql.replace("TO_TIMESTAMP_LTZ(0, 3)", "make_timestamptz(0)")
    return re.sub(
        r"INTERVAL '(\d+) ([\d:.]+)' DAY\(3\) TO SECOND\(3\)", r"INTERVAL '\1 days \2'", sql
    )


def test_a_good_row_keeps_every_rule() -> None:
    assert set(holding(ORDERS, GOOD).values()) == {True}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"invoice": None}, {"invoice.required"}),
        ({"invoice": "X"}, {"invoice.pattern"}),
        ({"quantity": 100_001}, {"quantity.maximum"}),
        ({"quantity": -100_001}, {"quantity.minimum"}),
        ({"stock_code": ""}, {"stock_code.min_length"}),
        ({"stock_code": "x" * 21}, {"stock_code.max_length"}),
        ({"customer_id": 0}, {"customer_id.minimum"}),
        ({"customer_id": None}, set()),
        ({"status": "teleported"}, {"status.enum"}),
        ({"event_time": None}, {"event_time.required"}),
        ({"event_time": "1969-12-31T23:59:59Z"}, {"event_time.epoch"}),
        ({"event_time": "2026-01-01T10:01:30Z"}, set()),
        ({"event_time": "2026-01-01T10:01:30.001Z"}, {"event_time.clock"}),
        ({"country": None, "price": None}, {"country.required", "price.required"}),
    ],
)
def test_broken_rules_are_exactly_those(change: dict[str, Any], broken: set[str]) -> None:
    held = holding(ORDERS, GOOD | change)
    assert {name for name, holds in held.items() if not holds} == broken
    assert None not in held.values()


HOSTILE = st.text(alphabet="a'`\";\\)-/*\u00e9\u20ac\n", min_size=1, max_size=12)


@settings(deadline=None, max_examples=50)
@given(HOSTILE, HOSTILE)
def test_hostile_text_stays_inside_its_literal(enum: str, pattern: str) -> None:
    field = Field("x", FieldType("string"), enum=(enum,), pattern=pattern)
    contract = replace(ORDERS, fields=(field, *ORDERS.fields))
    for statement in (flink.landing_insert(contract), flink.dead_insert(contract)):
        assert len(sqlglot.parse(statement.replace("\\", ""), dialect=Backticks)) == 1
    assert literal(enum)[1:-1].replace("''", "").count("'") == 0


@settings(deadline=None, max_examples=50)
@given(HOSTILE)
def test_a_hostile_name_stays_one_identifier(name: str) -> None:
    assert identifier(name)[1:-1].replace("``", "").count("`") == 0


def test_source_reads_metadata_once_and_guards_the_watermark() -> None:
    ddl = flink.source_table(ORDERS, "127.0.0.1:9092", "group")
    for column in ("value.error", "value.raw", "partition", "offset", "timestamp"):
        assert ddl.count(f"METADATA FROM '{column}'") == 1
    assert "'value.format' = 'safe'" in ddl
    assert "WATERMARK FOR `rowtime`" in ddl
    assert "`rowtime` AS CASE WHEN `decode_error` IS NULL AND" in ddl
    assert "'scan.watermark.idle-timeout' = '5000 ms'" in ddl


def test_inserts_give_the_columns_of_their_tables() -> None:
    names = [f.name for f in landing_schema(ORDERS).fields]
    assert names[: len(ORDERS.fields)] == [f.name for f in ORDERS.fields]
    assert names[len(ORDERS.fields) :] == [
        "kafka_partition",
        "kafka_offset",
        "kafka_timestamp",
        "watermark",
        "late",
    ]
    landing = sqlglot.parse_one(flink.landing_insert(ORDERS), dialect=Backticks).expression
    assert len(landing.expressions) == len(names)
    dead = sqlglot.parse_one(flink.dead_insert(ORDERS), dialect=Backticks).expression
    assert len(dead.expressions) == len(dead_schema().fields)


def test_valid_and_dead_are_complements() -> None:
    assert flink.landing_insert(ORDERS).endswith("WHERE `rowtime` IS NOT NULL")
    assert flink.dead_insert(ORDERS).endswith("WHERE `rowtime` IS NULL")


def test_the_broker_stamps_the_records() -> None:
    config = topic_config(ORDERS)
    assert config["message.timestamp.type"] == "LogAppendTime"
    assert config["retention.ms"] == str(7 * 86_400_000)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(milliseconds=1), "0 00:00:00.001"),
        (timedelta(days=2, hours=3, minutes=4, seconds=5), "2 03:04:05.000"),
    ],
)
def test_interval(length: timedelta, text: str) -> None:
    assert interval(length) == f"INTERVAL '{text}' DAY(3) TO SECOND(3)"


def test_an_interval_that_flink_cannot_hold_is_refused() -> None:
    with pytest.raises(UserError, match="at most 999 days"):
        interval(timedelta(days=1000))
