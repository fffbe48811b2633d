"""Tests of models: how they are read, run in DuckDB, and compared; the gallery's own too."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lakehead.contracts.load import load_contracts
from lakehead.contracts.types import FieldType, parse_type
from lakehead.errors import UserError
from lakehead.models.bind import Bound, bind
from lakehead.models.cases import Case, CaseError, parse_cases
from lakehead.models.comparing import compare, plain
from lakehead.models.model import parse_model
from lakehead.models.testing import (
    Result,
    Suite,
    load_suite,
    models_with_tests,
    open_runner,
    sql_value,
)
from lakehead.settings import INSTALL_ROOT

SCHEMAS, PIPELINES = INSTALL_ROOT / "schemas", INSTALL_ROOT / "pipelines"
CONTRACTS = {c.stream: c for c in load_contracts(SCHEMAS)}
COUNT = "SELECT COUNT(*) AS lines FROM orders"


def bound(header: str, sql: str, columns: str) -> Bound:
    output = f"output: {{table: marts.m, columns: {{{columns}}}}}"
    return bind(parse_model(f"/*\nmodel: m\n{header}\n{output}\n*/\n{sql}", "m"), CONTRACTS)


def counted(window: str) -> Bound:
    return bound(f"stream: orders\nwindow: {window}\nkeys: []", COUNT, "lines: long")


def cases(text: str, model: Bound | None = None) -> list[Case]:
    model = model or counted("{tumble: 10 seconds}")
    return parse_cases(text, Path("m.yaml"), model, CONTRACTS)


def run(model: Bound, text: str) -> list[Result]:
    found = cases(text, model)
    with open_runner() as ready:
        return [ready.run(Suite(model, CONTRACTS, found), case) for case in found]


def holds(model: Bound, text: str) -> None:
    for result in run(model, text):
        assert result.passed, f"{result.case.name}\n{result.explanation}"


def events(*times: str) -> str:
    lines = "".join(f"\n      - {{event_time: '10:00:{t}'}}" for t in times)
    return f"- name: a\n  given:\n    orders:{lines}\n"


@pytest.fixture(scope="module")
def gallery() -> dict[str, Suite]:
    return {name: load_suite(SCHEMAS, PIPELINES, name) for name in models_with_tests(PIPELINES)}


@pytest.mark.parametrize("name", models_with_tests(PIPELINES))
def test_the_cases_of_the_gallery_hold(name: str, gallery: dict[str, Suite]) -> None:
    suite = gallery[name]
    assert suite.cases
    with open_runner() as ready:
        for case in suite.cases:
            result = ready.run(suite, case)
            assert result.passed, f"{case.file}:{case.line} {case.name}\n{result.explanation}"


# What is read.


def test_an_event_is_a_landed_row_with_what_is_left_out_null() -> None:
    text = """
day: 2025-03-01
defaults:
  orders: {country: France, price: 1.5}
cases:
- name: a
  defaults: {orders: {country: Norway}}
  given:
    orders:
      - {quantity: 2, event_time: "10:00:01.5"}
      - {country: Peru, price: "2.25", event_time: "2025-03-02T11:00:00+01:00"}
  expect: []
"""
    (case,) = cases(text)
    first, second = case.given["orders"]
    assert first.values == {
        "invoice": None,
        "stock_code": None,
        "description": None,
        "quantity": 2,
        "price": Decimal("1.5"),
        "customer_id": None,
        "country": "Norway",
        "status": None,
        "event_time": datetime(2025, 3, 1, 10, 0, 1, 500000, tzinfo=UTC),
    }
    assert second.values["price"] == Decimal("2.25")
    assert second.values["event_time"] == datetime(2025, 3, 2, 10, tzinfo=UTC)
    assert [(e.kafka_partition, e.kafka_offset) for e in case.given["orders"]] == [(0, 0), (0, 1)]
    assert (case.line, case.day) == (6, date(2025, 3, 1))


@pytest.mark.parametrize(
    ("written", "clock"),
    [
        ('"10:00:01"', "10:00:01"),
        # YAML makes numbers of these three.
        ("10:00:01", "10:00:01"),
        ("10:30", "10:30:00"),
        ("10:00:01.25", "10:00:01.250000"),
        ('"10:30"', "10:30:00"),
        ("00:00:01", "00:00:01"),
        ("09:30:00", "09:30:00"),
        ("23:59:59", "23:59:59"),
        ("2024-01-01T10:00:00Z", "10:00:00"),
        ("2024-01-01 10:00:00", "10:00:00"),
        ("2024-01-01T12:00:00+02:00", "10:00:00"),
    ],
)
def test_a_time_is_of_the_cases_day_or_whole(written: str, clock: str) -> None:
    (case,) = cases(f"- {{name: a, given: {{orders: [{{event_time: {written}}}]}}, expect: []}}")
    (event,) = case.given["orders"]
    assert event.values["event_time"] == datetime.fromisoformat(f"2024-01-01T{clock}+00:00")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[]", 1, "expected a list of cases"),
        ("cases:\n  a: 1", 1, "expected a list of cases"),
        ("foo: 1\ncases: []", 1, "unknown key 'foo'; known: day, defaults, cases"),
        ("- 1", 1, "a case is 1"),
        ("- {given: {orders: []}, expect: []}", 1, "name is None"),
        ("- {name: a, given: {orders: []}}", 1, "expects nothing"),
        ("- {name: a, expect: []}", 1, "given is NULL, expected events by stream"),
        (
            "- {name: a, given: {ordrs: []}, expect: []}",
            1,
            "'ordrs' is no stream that m reads; it reads orders",
        ),
        ("- {name: a, given: {orders: 1}, expect: []}", 1, "orders is 1, expected a list"),
        ("- name: a\n  givn: 1\n  given: {}\n  expect: []", 2, "unknown key 'givn'"),
        ("- name: a\n  day: soon\n  given: {}\n  expect: []", 2, "day is 'soon', expected a date"),
        (events("01") + "  expect: 1", 5, "expect is 1, expected a list of rows; [] for none"),
        (events("01") + "  expect:\n  - {}", 6, "a row is {}"),
        (
            events("01") + "  expect:\n  - {lins: 1}",
            6,
            "'lins' is no column of m; expected one of window_start, window_end, lines",
        ),
        (events("01") + "  expect:\n  - {lines: many}", 6, "lines is 'many' (str), expected long"),
        (events("99") + "  expect: []", 4, "event_time is '10:00:99', expected a time such as"),
        (
            "- name: a\n  given:\n    orders:\n    - {}\n  expect: []",
            4,
            "the event has no event_time",
        ),
        (
            "- name: a\n  given:\n    orders:\n    - quantitty: 1\n  expect: []",
            4,
            "'quantitty' is no field of orders; expected one of invoice, stock_code",
        ),
        (
            "- name: a\n  given:\n    orders:\n    - event_time: 10:00\n      invoice: 489434\n"
            "  expect: []",
            5,
            "invoice is 489434 (int), expected string; put it in quotes",
        ),
        (
            "- name: a\n  given:\n    orders:\n    - event_time: 10:00\n      price: 1.2345\n"
            "  expect: []",
            5,
            "price is 1.2345 (Decimal), expected decimal(12,3)",
        ),
        (
            "- name: a\n  given:\n    orders:\n    - event_time: 10:00\n      kafka_partition: x\n"
            "  expect: []",
            5,
            "kafka_partition is 'x', expected 0 to 999",
        ),
        (
            "- name: a\n  given:\n    orders:\n    - event_time: 10:00\n      watermark: x\n"
            "  expect: []",
            5,
            "watermark is 'x', expected a time such as",
        ),
        ("- name: a\n  given:\n    orders: [{event_time: 1969-12-31 10:00:00}]", 3, "before 1970"),
        ("defaults: {orders: {x: 1}}\ncases: []", 1, "'x' is no field of orders"),
        ("defaults: {orders: 1}\ncases: []", 1, "expected such as {orders: {...}}"),
        (
            "- {name: a, given: {}, expect: []}\n- {name: a, given: {}, expect: []}",
            2,
            "the name 'a' is there twice",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(CaseError) as caught:
        cases(text)
    told = [(p.line, p.message) for p in caught.value.problems]
    assert any(at == line and says in message for at, message in told), told
    assert f"m.yaml:{line}: " in caught.value.message


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(CaseError) as caught:
        cases("- name: a\n  given: {orders: [{x: 1}]}\n  expect: [{y: 1}]\n- 3")
    assert [p.line for p in caught.value.problems] == [2, 2, 3, 4]


@pytest.mark.parametrize("text", ["- [", "a: 1\na: 2", "- &x 1\n- *x"])
def test_what_is_not_yaml_names_the_file(text: str) -> None:
    with pytest.raises(UserError, match=r"m\.yaml"):
        cases(text)


# Watermarks.


def watermarks(text: str) -> list[str | None]:
    (case,) = cases(text)
    marks = [e.watermark_ms for e in case.given["orders"]]
    start = datetime(1970, 1, 1, tzinfo=UTC)
    moments = [None if m is None else start + timedelta(milliseconds=m) for m in marks]
    return [None if m is None else m.time().isoformat() for m in moments]


def test_the_watermark_is_that_before_the_event_and_never_goes_back() -> None:
    text = events("10", "05", "20.5009", "01") + "  expect: []"
    assert watermarks(text) == [None, "10:00:08", "10:00:08", "10:00:18.500000"]


def test_a_partition_holds_the_watermark_back_until_it_has_an_event() -> None:
    text = """
- name: a
  given:
    orders:
      - {event_time: 10:00:10}
      - {event_time: 10:00:20}
      - {event_time: 10:00:12, kafka_partition: 3}
      - {event_time: 10:00:30, kafka_partition: 3}
      - {event_time: 10:00:31}
  expect: []
"""
    assert watermarks(text) == [None, None, None, "10:00:10", "10:00:18"]
    (case,) = cases(text)
    offsets = [(e.kafka_partition, e.kafka_offset) for e in case.given["orders"]]
    assert offsets == [(0, 0), (0, 1), (3, 0), (3, 1), (0, 2)]


def test_a_watermark_may_be_stated() -> None:
    text = """
- name: a
  given:
    orders:
      - {event_time: 10:00:10, watermark: 10:00:09}
      - {event_time: 10:00:10.5}
      - {event_time: 10:00:20, watermark: null}
      - {event_time: 10:00:01}
  expect: []
"""
    assert watermarks(text) == ["10:00:09", "10:00:09", None, "10:00:18"]


# What each kind's stream leaves out.


def test_a_late_row_is_left_out_of_the_hops_that_had_closed() -> None:
    text = (
        events("05", "24", "05", "12")
        + """
  expect:
    - {window_start: "09:59:50", window_end: "10:00:10", lines: 2}
    - {window_start: "10:00:00", window_end: "10:00:20", lines: 3}
    - {window_start: "10:00:10", window_end: "10:00:30", lines: 2}
    - {window_start: "10:00:20", window_end: "10:00:40", lines: 1}
  expect_stream:
    - {window_start: "09:59:50", lines: 1}
    - {window_start: "10:00:00", lines: 1}
    - {window_start: "10:00:10", lines: 2}
    - {window_start: "10:00:20", lines: 1}
"""
    )
    holds(counted("{hop: {size: 20 seconds, every: 10 seconds}}"), text)


def test_a_late_row_is_left_out_of_the_steps_that_had_closed() -> None:
    text = (
        events("05", "17", "06")
        + """
  expect:
    - {window_start: "10:00:00", window_end: "10:00:10", lines: 2}
    - {window_start: "10:00:00", window_end: "10:00:20", lines: 3}
    - {window_start: "10:00:00", window_end: "10:00:30", lines: 3}
  expect_stream:
    - {window_end: "10:00:10", lines: 1}
    - {window_end: "10:00:20", lines: 3}
    - {window_end: "10:00:30", lines: 3}
"""
    )
    holds(counted("{cumulate: {size: 30 seconds, step: 10 seconds}}"), text)


def test_a_session_leaves_out_rows_up_to_a_millisecond_past_the_watermark() -> None:
    text = (
        events("00", "30", "28.001", "28.002")
        + """
  expect:
    - {window_start: "10:00:00", window_end: "10:00:10", lines: 1}
    - {window_start: "10:00:28.001", window_end: "10:00:40", lines: 3}
  expect_stream:
    - {window_start: "10:00:00", window_end: "10:00:10", lines: 1}
    - {window_start: "10:00:28.002", window_end: "10:00:40", lines: 2}
"""
    )
    holds(counted("{session: {gap: 10 seconds}}"), text)


def test_a_window_is_open_until_the_watermark_reaches_its_last_millisecond() -> None:
    stated = """
- name: open
  given:
    orders: [{event_time: 10:00:05, watermark: "10:00:09.998"}]
  expect_stream: [{lines: 1}]
- name: closed
  given:
    orders: [{event_time: 10:00:05, watermark: "10:00:09.999"}]
  expect_stream: []
"""
    holds(counted("{tumble: 10 seconds}"), stated)


def test_a_late_row_is_not_the_last_of_its_window() -> None:
    model = bound(
        "stream: orders\nwindow: {tumble: 10 seconds}\ndedup: {keys: [invoice], keep: last}",
        "SELECT invoice, price FROM orders",
        '"invoice": string, price: "decimal(12,3)"',
    )
    text = """
- name: a
  given:
    orders:
      - {invoice: a, price: 1, event_time: 10:00:01}
      - {invoice: b, price: 1, event_time: 10:00:30}
      - {invoice: a, price: 2, event_time: 10:00:05}
  expect:
    - {invoice: a, price: 2, event_time: 10:00:05, kafka_offset: 2}
    - {invoice: b, price: 1, event_time: 10:00:30, kafka_offset: 1}
  expect_stream:
    - {invoice: a, price: 1}
    - {invoice: b, price: 1}
"""
    holds(model, text)


def test_a_row_on_its_own_is_never_left_out() -> None:
    model = bound(
        "stream: orders", "SELECT quantity FROM orders WHERE quantity > 1", "quantity: int"
    )
    text = """
- name: a
  given:
    orders:
      - {quantity: 2, event_time: 10:00:30}
      - {quantity: 3, event_time: 10:00:01}
      - {quantity: 1, event_time: 10:00:01}
      - {event_time: 10:00:01}
  expect: &no [{quantity: 2}, {quantity: 3}]
  expect_stream: [{quantity: 2}, {quantity: 3, kafka_offset: 1}]
"""
    holds(model, text.replace("&no ", ""))


def test_each_side_of_a_join_leaves_out_what_is_late_for_itself() -> None:
    model = bound(
        "kind: join\nstreams: [orders, payments]",
        "SELECT o.invoice, p.payment_id FROM orders AS o JOIN payments AS p"
        " ON o.invoice = p.invoice AND p.event_time BETWEEN o.event_time"
        " AND o.event_time + INTERVAL '1' MINUTE",
        "invoice: string, payment_id: string",
    )
    text = """
defaults:
  orders: {invoice: i}
  payments: {invoice: i}
cases:
- name: a late payment
  given:
    orders: [{event_time: 10:00:00}]
    payments:
      - {payment_id: a, event_time: 10:00:05}
      - {payment_id: b, event_time: 10:00:30}
      - {payment_id: c, event_time: 10:00:10}
      - {payment_id: d, event_time: 10:01:00.001}
  expect: [{payment_id: a}, {payment_id: b}, {payment_id: c}]
  expect_stream: [{payment_id: a}, {payment_id: b}]
- name: a late order
  given:
    orders:
      - {invoice: other, event_time: 10:01:00}
      - {event_time: 10:00:00}
    payments: [{payment_id: a, event_time: 10:00:05}]
  expect: [{invoice: i, right_event_time: 10:00:05}]
  expect_stream: []
"""
    holds(model, text)


def test_a_sequence_leaves_out_late_rows() -> None:
    model = bound(
        "stream: payments\nsequence: {by: [customer_id], within: 1 minute,"
        " steps: [{name: failed, where: \"status = 'failed'\", times: 2}]}",
        "SELECT customer_id FROM payments",
        "customer_id: long",
    )
    text = """
- name: a
  given:
    payments:
      - {customer_id: 1, status: failed, event_time: 10:00:01}
      - {customer_id: 1, status: failed, event_time: 10:00:30}
      - {customer_id: 1, status: captured, event_time: 10:00:10}
  expect: []
  expect_stream: [{customer_id: 1, first_event_time: 10:00:01, event_time: 10:00:30}]
"""
    holds(model, text)


def test_a_late_version_of_a_dimension_is_for_the_settled_answer() -> None:
    model = bound(
        "kind: enrich\nstreams: [orders, customers]",
        "SELECT o.quantity, c.segment FROM orders AS o LEFT JOIN customers"
        " FOR SYSTEM_TIME AS OF o.event_time AS c ON o.customer_id = c.customer_id",
        "quantity: int, segment: string",
    )
    text = """
- name: a
  given:
    customers:
      - {customer_id: 1, segment: new, event_time: 10:00:00}
      - {customer_id: 1, segment: loyal, event_time: 10:05:00}
      - {customer_id: 1, segment: regular, event_time: 10:00:05}
    orders:
      - {customer_id: 1, quantity: 1, event_time: 10:00:10}
      - {customer_id: 2, quantity: 2, event_time: 10:00:30}
      - {customer_id: 1, quantity: 3, event_time: 10:00:02}
  expect:
    - {quantity: 1, segment: regular}
    - {quantity: 2, segment: null}
    - {quantity: 3, segment: new}
  expect_stream:
    - {quantity: 1, segment: new}
    - {quantity: 2, segment: null}
"""
    holds(model, text)


def test_a_model_that_reads_another_is_given_events_of_the_stream(tmp_path: Path) -> None:
    pipelines = tmp_path / "pipelines"
    (pipelines / "tests").mkdir(parents=True)
    (pipelines / "sold.sql").write_text(
        "/*\nmodel: sold\nstream: orders\n"
        "output: {table: marts.sold, columns: {quantity: int}}\n*/\n"
        "SELECT quantity FROM orders WHERE quantity > 0"
    )
    (pipelines / "sums.sql").write_text(
        "/*\nmodel: sums\nstream: sold\nwindow: {tumble: 10 seconds}\nkeys: []\n"
        "output: {table: marts.sums, columns: {pieces: long}}\n*/\n"
        "SELECT SUM(quantity) AS pieces FROM sold"
    )
    (pipelines / "tests" / "sums.yaml").write_text(
        "- name: a\n  given:\n    orders:\n"
        "    - {quantity: 2, event_time: 10:00:01}\n"
        "    - {quantity: -2, event_time: 10:00:02}\n"
        "    - {quantity: 1, event_time: 10:00:30}\n"
        "    - {quantity: 4, event_time: 10:00:02}\n"
        "  expect: [{pieces: 6}, {pieces: 1}]\n"
        "  expect_stream: [{pieces: 2}, {pieces: 1}]\n"
    )
    suite = load_suite(SCHEMAS, pipelines, "sums")
    with open_runner() as ready:
        result = ready.run(suite, suite.cases[0])
    assert result.passed, result.explanation


# Answers held against a case.


def expecting(rows: str, columns: str = "a: long, b: string") -> Case:
    model = bound("stream: orders", "SELECT quantity AS a, country AS b FROM orders", columns)
    (case,) = cases(f"- {{name: a, given: {{}}, expect: {rows}}}", model)
    return case


def answer(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    moment = datetime(2024, 1, 1, 10, tzinfo=UTC)
    head = {"event_time": moment, "kafka_partition": 0, "kafka_offset": 1}
    return [head | row for row in rows]


def test_rows_are_compared_in_any_order_by_the_columns_that_are_named() -> None:
    case = expecting("[{a: 1}, {a: 1, b: x}, {b: y}]")
    rows = answer({"a": 2, "b": "y"}, {"a": 1, "b": "x"}, {"a": 1, "b": "z"})
    assert compare(case, rows) == []
    assert compare(case, rows, stream=True) == []


def test_each_expected_row_wants_one_of_its_own() -> None:
    case = expecting("[{a: 1}, {a: 1}]")
    (missing,) = compare(case, answer({"a": 1, "b": "x"}))
    assert (missing.expected, missing.actual) == ({"a": 1}, None)
    (more,) = compare(case, answer(*[{"a": 1, "b": "x"}] * 3))
    assert more.expected is None
    assert more.actual is not None and more.actual["b"] == "x"


def test_a_row_that_is_nearly_there_is_shown_beside_it() -> None:
    case = expecting("[{a: 1, b: x}, {a: 7, b: null}]")
    (found,) = compare(case, answer({"a": 1, "b": "y"}, {"a": 7, "b": None}))
    assert found.expected == {"a": 1, "b": "x"}
    assert found.actual is not None and found.actual["b"] == "y"


@pytest.mark.parametrize(
    ("kind", "given", "is_"),
    [
        ("timestamp", datetime(2024, 1, 1, 10), datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("timestamp_ntz", datetime(2024, 1, 1, 10), datetime(2024, 1, 1, 10)),
        ("decimal(9,2)", Decimal("1.50"), Decimal("1.5")),
        ("decimal(9,2)", 3, Decimal(3)),
        ("binary", bytearray(b"a"), b"a"),
        ("long", None, None),
    ],
)
def test_values_of_clients_are_made_alike(kind: str, given: object, is_: object) -> None:
    assert plain(parse_type(kind), given) == is_


def test_nested_values_of_clients_are_made_alike() -> None:
    inner = FieldType("object", members=(("x", FieldType("long")), ("y", FieldType("string"))))
    assert plain(inner, (1, "a")) == plain(inner, {"x": 1, "y": "a"}) == {"x": 1, "y": "a"}
    mapped = FieldType("map", items=FieldType("long"))
    assert plain(mapped, [("a", 1)]) == plain(mapped, {"a": 1}) == {"a": 1}


def test_a_failure_shows_what_was_expected_beside_what_there_is() -> None:
    text = events("01", "02") + "  expect:\n    - {window_start: '10:00:00', lines: 3}\n"
    (result,) = run(counted("{tumble: 10 seconds}"), text)
    assert not result.passed
    assert result.explanation == (
        "  the settled answer: 1 row differs (- expected, + actual)\n"
        "      window_start  lines\n"
        "    - 10:00:00      3\n"
        "    + 10:00:00      2\n"
        "                    ^^^^^"
    )


def test_rows_where_none_were_expected_are_shown_whole() -> None:
    (result,) = run(counted("{tumble: 10 seconds}"), events("01") + "  expect: []\n")
    assert "window_start  window_end  lines" in result.explanation
    assert "+ 10:00:00      10:00:10    1" in result.explanation


def test_what_duckdb_refuses_fails_the_case_and_is_told() -> None:
    model = counted("{tumble: 10 seconds}")
    (case,) = cases(events("01") + "  expect: []", model)
    with open_runner() as ready:
        pass
    result = ready.run(Suite(model, CONTRACTS, [case]), case)
    assert not result.passed
    assert result.explanation.startswith("    DuckDB: ")


VALUES: list[tuple[FieldType, Any]] = [
    (parse_type("string"), 'it\'s\n\\ "ü" {x}'),
    (parse_type("boolean"), True),
    (parse_type("int"), -(2**31)),
    (parse_type("long"), 2**63 - 1),
    (parse_type("float"), 1.5),
    (parse_type("double"), float("inf")),
    (parse_type("double"), 5e-324),
    (parse_type("decimal(38,3)"), Decimal("-12345678901234567890123456789012345.678")),
    (parse_type("date"), date(1, 1, 1)),
    (parse_type("timestamp"), datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)),
    (parse_type("timestamp_ntz"), datetime(9999, 12, 31)),
    (parse_type("binary"), b"\x00'\xff"),
]


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_values_reach_duckdb_as_they_are(kind: FieldType, value: Any) -> None:
    many = FieldType("array", items=kind)
    mapped = FieldType("map", items=many)
    whole = FieldType("object", members=(("a b", mapped), ("c", kind)))
    given = {"a b": {"it's": [value, None], "": []}, "c": None}
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        sql = ", ".join(sql_value(k, v) for k, v in ((kind, value), (whole, given), (many, [])))
        row = con.execute(f"SELECT {sql}").fetchone()
    assert row is not None
    assert plain(kind, row[0]) == value
    assert plain(whole, row[1]) == given
    assert row[2] == []
