"""The rules as SQL: what is typed in a contract stays text, and each condition is TRUE or FALSE.

The conditions are evaluated by DuckDB, after a change of the few words that differ from Flink.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from lakehead.contracts.expression import Backticks
from lakehead.contracts.flink import dead_insert, landing_insert, source
from lakehead.contracts.model import Contract, Field
from lakehead.contracts.rules import row_rules
from lakehead.contracts.sql import identifier, interval, literal
from lakehead.contracts.types import FieldType
from lakehead.errors import UserError
from tests.draws import draws

NOW = datetime(2025, 6, 15, 12, tzinfo=UTC)
CLOCK = Field("event_time", FieldType("timestamp"), required=True)
HOSTILE = [
    "'",
    "''",
    "'; DROP TABLE x; --",
    "`",
    "``; SELECT 1",
    '"',
    "\\",
    "\\'; SELECT 1; --",
    "/*",
    "*/ --",
    "\n",
    ";",
    "\u2019",
    "\U0001f600",
    "\u202e",
    "${x}",
    "%s{0}",
]


def contract_of(*fields: Field) -> Contract:
    return Contract(
        stream="events",
        version="1",
        description="",
        fields=(*fields, CLOCK),
        event_time="event_time",
        watermark_delay=timedelta(seconds=2),
        idle_timeout=timedelta(seconds=5),
        clock_skew=timedelta(seconds=60),
        key="event_time",
        partitions=1,
        retention=timedelta(days=1),
    )


def parsed(sql: str) -> exp.Expression:
    """The one statement that ``sql`` must be."""
    statements = sqlglot.parse(sql, dialect=Backticks)
    assert len(statements) == 1
    assert statements[0] is not None
    return statements[0]


def as_duckdb(sql: str) -> str:
    def days_and_clock(match: re.Match[str]) -> str:
        return f"(INTERVAL '{match[1]}' DAY + INTERVAL '{match[2]}')"

    sql = re.sub(r"INTERVAL '(\d+) ([\d:.]+)' DAY\(3\) TO SECOND\(3\)", days_and_clock, sql)
    for flink, duck in {
        "`": '"',
        "REGEXP(": "regexp_matches(",
        "CHAR_LENGTH(": "length(",
        "TO_TIMESTAMP_LTZ(0, 3)": "make_timestamptz(0)",
        " AS STRING)": " AS VARCHAR)",
    }.items():
        sql = sql.replace(flink, duck)
    return sql


@pytest.fixture(scope="module")
def duck() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def judge(
    duck: duckdb.DuckDBPyConnection, contract: Contract, row: dict[str, Any]
) -> dict[str, tuple[bool | None, str | None]]:
    """By rule: does it hold for ``row``, and the cause that it would state."""
    values = {"event_time": NOW, "kafka_timestamp": NOW} | row
    types = {f.name: f.type.duckdb() for f in contract.fields}
    columns = ", ".join(
        f"CAST(${name} AS {types.get(name, 'TIMESTAMPTZ')}) AS {name}" for name in values
    )
    rules = row_rules(contract)
    wanted = ", ".join(f"{as_duckdb(r.holds)}, {as_duckdb(r.cause)}" for r in rules)
    found = duck.execute(f"SELECT {wanted} FROM (SELECT {columns})", values).fetchone()
    assert found
    return {r.name: (found[2 * i], found[2 * i + 1]) for i, r in enumerate(rules)}


def broken(duck: duckdb.DuckDBPyConnection, contract: Contract, row: dict[str, Any]) -> list[str]:
    """The rules that ``row`` breaks; each rule is TRUE or FALSE, or the test fails."""
    judged = judge(duck, contract, row)
    assert all(holds in (True, False) for holds, _ in judged.values())
    return [name for name, (holds, _) in judged.items() if not holds]


# Which rules there are


def test_rules_come_in_the_order_of_the_fields_then_those_of_the_clock(orders: Contract) -> None:
    assert [r.name for r in row_rules(orders)] == [
        "invoice.required",
        "invoice.pattern",
        "stock_code.required",
        "stock_code.min_length",
        "stock_code.max_length",
        "quantity.required",
        "quantity.minimum",
        "quantity.maximum",
        "price.required",
        "price.minimum",
        "price.maximum",
        "customer_id.minimum",
        "country.required",
        "country.min_length",
        "country.max_length",
        "status.required",
        "status.enum",
        "event_time.required",
        "event_time.epoch",
        "event_time.clock",
    ]


def test_every_rule_has_a_name_of_its_own(orders: Contract) -> None:
    names = [r.name for r in row_rules(orders)]
    assert len(names) == len(set(names))


# What the conditions say

GOOD = {
    "invoice": "C536365",
    "stock_code": "85123A",
    "description": None,
    "quantity": -6,
    "price": Decimal("2.550"),
    "customer_id": None,
    "country": "United Kingdom",
    "status": "placed",
}


def test_a_valid_row_breaks_nothing(duck: duckdb.DuckDBPyConnection, orders: Contract) -> None:
    assert broken(duck, orders, GOOD) == []


def test_a_row_of_nulls_breaks_what_is_required_and_nothing_else(
    duck: duckdb.DuckDBPyConnection, orders: Contract
) -> None:
    row = dict.fromkeys([f.name for f in orders.fields])
    required = [f"{f.name}.required" for f in orders.fields if f.required]
    assert broken(duck, orders, row) == required


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("invoice", "53636", "invoice.pattern"),
        ("invoice", "", "invoice.pattern"),
        ("stock_code", "", "stock_code.min_length"),
        ("stock_code", "x" * 21, "stock_code.max_length"),
        ("quantity", -100001, "quantity.minimum"),
        ("quantity", 100001, "quantity.maximum"),
        ("price", Decimal("-100000.001"), "price.minimum"),
        ("price", Decimal("100000.001"), "price.maximum"),
        ("customer_id", 0, "customer_id.minimum"),
        ("country", "", "country.min_length"),
        ("country", "x" * 61, "country.max_length"),
        ("status", "Placed", "status.enum"),
        ("status", "", "status.enum"),
        ("event_time", datetime(1969, 12, 31, 23, 59, 59, 999000, UTC), "event_time.epoch"),
        ("event_time", NOW + timedelta(seconds=60, milliseconds=1), "event_time.clock"),
    ],
)
def test_a_value_just_outside_breaks_one_rule(
    duck: duckdb.DuckDBPyConnection, orders: Contract, column: str, value: object, rule: str
) -> None:
    assert broken(duck, orders, GOOD | {column: value}) == [rule]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("stock_code", "x"),
        ("stock_code", "\U0001f600" * 20),
        ("quantity", -100000),
        ("quantity", 100000),
        ("price", Decimal("100000.000")),
        ("customer_id", 1),
        ("country", "x" * 60),
        ("status", "cancelled"),
        ("event_time", datetime(1970, 1, 1, tzinfo=UTC)),
        ("event_time", NOW + timedelta(seconds=60)),
    ],
)
def test_a_value_on_the_edge_breaks_nothing(
    duck: duckdb.DuckDBPyConnection, orders: Contract, column: str, value: object
) -> None:
    assert broken(duck, orders, GOOD | {column: value}) == []


def test_a_cause_names_field_value_and_expectation(
    duck: duckdb.DuckDBPyConnection, orders: Contract
) -> None:
    row = GOOD | {"quantity": 100001, "status": "lost"}
    judged = judge(duck, orders, row)
    assert judged["quantity.maximum"][1] == "quantity.maximum: is 100001, expected at most 100000"
    assert judged["status.enum"][1] == "status.enum: is lost, expected one of placed, cancelled"
    assert judged["country.required"][1] == "country.required: is missing, and required"


def test_the_cause_of_a_clock_from_the_future_states_both_clocks(
    duck: duckdb.DuckDBPyConnection, orders: Contract
) -> None:
    _, cause = judge(duck, orders, GOOD | {"event_time": NOW + timedelta(days=1)})[
        "event_time.clock"
    ]
    assert cause is not None
    assert "2025-06-16 12:00:00" in cause
    assert "more than 60 s ahead" in cause
    assert "2025-06-15 12:00:00" in cause


@settings(max_examples=draws(40), deadline=None)
@given(
    text=st.none()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    number=st.none() | st.integers(-(2**31), 2**31 - 1),
    moment=st.none()
    | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
)
def test_no_condition_is_ever_null(
    duck: duckdb.DuckDBPyConnection, text: str | None, number: int | None, moment: Any
) -> None:
    contract = contract_of(
        Field(
            "word",
            FieldType("string"),
            enum=("a", "b"),
            min_length=1,
            max_length=3,
            pattern="^[a-z]",
        ),
        Field("number", FieldType("int"), required=True, minimum=0, maximum=9.5),
    )
    row = {"word": text, "number": number, "event_time": moment}
    judged = judge(duck, contract, row)
    holds = {name: verdict for name, (verdict, _) in judged.items()}
    assert None not in holds.values()
    assert holds["word.enum"] == (text is None or text in ("a", "b"))
    assert holds["number.required"] == (number is not None)
    assert holds["number.minimum"] == (number is None or number >= 0)
    assert holds["number.maximum"] == (number is None or number <= 9.5)
    assert holds["event_time.epoch"] == (moment is None or moment.year >= 1970)


# What is typed stays text


def all_sql(contract: Contract) -> list[str]:
    read = source(contract, "127.0.0.1:9092", "group")
    return [
        read.table,
        read.select,
        landing_insert(contract),
        dead_insert(contract),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_is_one_identifier(text: str) -> None:
    found = parsed(f"SELECT {identifier(text)} FROM t").find(exp.Column)
    assert found is not None
    assert found.name == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_one_literal(text: str) -> None:
    found = parsed(f"SELECT {literal(text)}").find(exp.Literal)
    assert found is not None
    assert found.name == text


@given(st.text())
def test_any_text_is_one_literal_and_one_identifier(text: str) -> None:
    selected = parsed(f"SELECT {literal(text)} AS {identifier('x' + text)}").selects
    assert [(s.this.name, s.alias) for s in selected] == [(text, "x" + text)]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_contract_compiles_to_one_statement_each(text: str) -> None:
    hostile = contract_of(
        Field(f"x{text}", FieldType("string"), required=True, enum=(text, "b"), pattern=text)
    )
    source, select, *inserts = all_sql(hostile)
    assert isinstance(parsed(select), exp.Select)
    for sql in inserts:
        assert isinstance(parsed(sql), exp.Insert)
    # No parser but Flink's reads the whole of a source table: look for the ends of its tokens.
    kinds = [t.text for t in Backticks().tokenize(source)]
    assert f"x{text}" in kinds
    assert text in kinds
    assert ";" not in [t.text for t in Backticks().tokenize(source) if t.text != text]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_enum_means_its_text(duck: duckdb.DuckDBPyConnection, text: str) -> None:
    contract = contract_of(Field("word", FieldType("string"), enum=(text,)))
    holds = row_rules(contract)[0].holds.replace("`word`", '"word"')
    verdicts = duck.execute(f"SELECT {holds} FROM (VALUES ($1), ($2)) AS t(word)", [text, "z"])
    assert [v for (v,) in verdicts.fetchall()] == [True, False]


# Intervals


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0 00:00:00.000"),
        (timedelta(milliseconds=1), "0 00:00:00.001"),
        (timedelta(seconds=2), "0 00:00:02.000"),
        (timedelta(minutes=61), "0 01:01:00.000"),
        (timedelta(days=999, hours=23), "999 23:00:00.000"),
    ],
)
def test_an_interval_states_days_and_clock(length: timedelta, text: str) -> None:
    assert interval(length) == f"INTERVAL '{text}' DAY(3) TO SECOND(3)"


def test_an_interval_beyond_three_digits_of_days_is_refused() -> None:
    with pytest.raises(UserError, match=r"1000 days .* at most 999 days"):
        interval(timedelta(days=1000))


@settings(max_examples=draws(50))
@given(st.integers(0, 1000 * 86400 * 1000 - 1))
def test_an_interval_is_exact_to_the_millisecond(milliseconds: int) -> None:
    length = timedelta(milliseconds=milliseconds)
    match = re.search(r"'(\d+) (\d+):(\d+):(\d+)\.(\d{3})'", interval(length))
    assert match
    days, hours, minutes, seconds, millis = map(int, match.groups())
    assert length == timedelta(
        days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=millis
    )
