"""The ON of models that join: what it may say, and what is refused."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from written_models import CONTRACTS, bound, model

from lakehead.models.bind import Bound, bind
from lakehead.models.header import ModelProblem
from lakehead.models.joins import JoinOn

KEYS = "o.id = p.order"
SPAN = "p.at BETWEEN o.event_time AND o.event_time + INTERVAL '1' HOUR"
HOUR = timedelta(hours=1)


def joined(on: str = f"{KEYS} AND {SPAN}", join: str = "JOIN payments AS p", **given: Any) -> Bound:
    select = f"SELECT\n o.id, p.status\nFROM orders AS o\n{join}\n ON {on}"
    given = {"kind": "join", "streams": ["orders", "payments"], **given}
    return bound(select, {"id": "string", "status": "string"}, **given)


def enriched(
    on: str = "o.customer = c.id",
    join: str = "LEFT JOIN customers FOR SYSTEM_TIME AS OF o.event_time AS c",
    **given: Any,
) -> Bound:
    select = f"SELECT o.id, c.segment FROM orders AS o {join} ON {on}"
    given = {"kind": "enrich", "streams": ["orders", "customers"], **given}
    return bound(select, {"id": "string", "segment": "string"}, **given)


def test_an_interval_join_has_its_keys_and_its_span() -> None:
    assert joined().on == JoinOn((("id", "order"),), False, timedelta(), HOUR)
    turned = joined(f"{SPAN} AND p.order = o.id AND o.quantity = p.terms")
    assert turned.on == JoinOn((("id", "order"), ("quantity", "terms")), False, timedelta(), HOUR)
    assert joined(f"({KEYS} AND ({SPAN}))").on == joined().on
    assert joined().streams == ("orders", "payments")


@pytest.mark.parametrize(
    ("span", "lower", "upper"),
    [
        ("o.event_time AND o.event_time", timedelta(), timedelta()),
        (
            "o.event_time - INTERVAL '90' SECOND AND o.event_time - INTERVAL '1' MINUTE",
            -timedelta(seconds=90),
            -timedelta(minutes=1),
        ),
        ("o.event_time - INTERVAL '2' DAY AND o.event_time", -timedelta(days=2), timedelta()),
        (
            "o.event_time + INTERVAL 1 HOUR AND o.event_time + INTERVAL '999' DAY",
            HOUR,
            timedelta(days=999),
        ),
    ],
)
def test_a_span_is_counted_from_the_left_event(
    span: str, lower: timedelta, upper: timedelta
) -> None:
    on = joined(f"{KEYS} AND p.at BETWEEN {span}").on
    assert on is not None
    assert (on.lower, on.upper) == (lower, upper)


def test_a_temporal_join_has_its_key() -> None:
    assert enriched().on == JoinOn((("customer", "id"),), True)
    inner = enriched(join="JOIN customers FOR SYSTEM_TIME AS OF o.event_time AS c").on
    assert inner == JoinOn((("customer", "id"),), False)


UNLIMITED = "a join without a time limit keeps its state for ever; expected such as p.event_time"


@pytest.mark.parametrize(
    ("on", "says"),
    [
        (KEYS, UNLIMITED),
        (f"{KEYS} AND {SPAN} AND {SPAN}", UNLIMITED),
        (SPAN, "the ON has no equal keys; expected such as o.id = p.id"),
        (f"{KEYS} OR {SPAN}", "expected equal keys, or a span of time by BETWEEN"),
        (f"{KEYS} AND NOT {SPAN}", "expected equal keys, or a span of time by BETWEEN"),
        (f"{KEYS} AND {SPAN} AND o.quantity > 1", "o.quantity > 1: expected equal keys, or"),
        (f"o.nothing = p.order AND {SPAN}", "o.nothing is not a field of orders; expected one of"),
        (f"o.id = p.nothing AND {SPAN}", "p.nothing is not a field of payments; expected one of"),
        (f"o.id = o.customer AND {SPAN}", "o.id = o.customer: expected a column of each side"),
        (f"o.id = 'x' AND {SPAN}", "o.id = 'x': expected a column of each side"),
        (f"id = p.order AND {SPAN}", "id = p.order: expected a column of each side"),
        (f"x.id = p.order AND {SPAN}", "x.id = p.order: expected a column of each side"),
        (f"o.p.status = p.order AND {SPAN}", "o.p.status = p.order: expected a column of each"),
        (f"UPPER(o.id) = p.order AND {SPAN}", "expected a column of each side"),
        (f"o.quantity = p.order AND {SPAN}", "o.quantity = p.order: compares a int with a string"),
        (f"o.price = p.terms AND {SPAN}", "compares a decimal(12,3) with a int"),
        (f"{KEYS} AND p.at >= o.event_time", "expected equal keys, or a span of time by BETWEEN"),
        (f"{KEYS} AND o.event_time BETWEEN p.at AND p.at", "expected such as p.event_time BETWEEN"),
        (f"{KEYS} AND p.order BETWEEN o.event_time AND o.event_time", "expected such as p.event_"),
        (
            f"{KEYS} AND p.at BETWEEN o.event_time AND o.event_time - INTERVAL '1' HOUR",
            "no time lies in between",
        ),
        *(
            (f"{KEYS} AND p.at BETWEEN o.event_time AND {upper}", says)
            for upper, says in (
                ("o.event_time + INTERVAL '1' MONTH", "expected such as p.event_time BETWEEN"),
                ("o.event_time + INTERVAL '1.5' HOUR", "expected such as p.event_time BETWEEN"),
                ("o.event_time + INTERVAL '-1' HOUR", "expected such as p.event_time BETWEEN"),
                ("o.event_time + INTERVAL '1000' DAY", "expected 999 days at most"),
                ("o.event_time + INTERVAL '9999999999' DAY", "expected such as p.event_time"),
                ("o.event_time + 5", "expected such as p.event_time BETWEEN"),
                ("p.at + INTERVAL '1' HOUR", "expected such as p.event_time BETWEEN"),
                ("TIMESTAMP '2026-01-01 00:00:00'", "expected such as p.event_time BETWEEN"),
            )
        ),
    ],
)
def test_an_on_that_is_refused_says_what_was_expected(on: str, says: str) -> None:
    with pytest.raises(ModelProblem) as caught:
        joined(on)
    assert says in caught.value.message
    # The line of the ON: the join's own parts have kept theirs.
    assert caught.value.line >= 16


@pytest.mark.parametrize(
    ("join", "says"),
    [
        ("LEFT JOIN payments AS p", "an interval join keeps matches alone; expected JOIN, not LEF"),
        ("RIGHT JOIN payments AS p", "expected JOIN or LEFT JOIN ... ON"),
        ("FULL JOIN payments AS p", "expected JOIN or LEFT JOIN ... ON"),
        ("SEMI JOIN payments AS p", "expected JOIN or LEFT JOIN ... ON"),
        ("ASOF JOIN payments AS p", "expected JOIN or LEFT JOIN ... ON"),
        ("NATURAL JOIN payments AS p", "expected JOIN or LEFT JOIN ... ON"),
        ("JOIN payments", "payments has no alias; expected such as payments AS p"),
        ("JOIN payments AS o", "both sides have one alias; expected one each"),
        ("JOIN customers AS p", "the SELECT reads orders, customers; the header says orders, pay"),
        ("JOIN payments FOR SYSTEM_TIME AS OF o.event_time AS p", "VERSION is not supported"),
        ("JOIN payments AS p ON TRUE JOIN payments AS q", "the SELECT reads orders, payments, pay"),
    ],
)
def test_a_join_of_another_form_is_refused(join: str, says: str) -> None:
    with pytest.raises(ModelProblem) as caught:
        joined(join=join)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("select", "says"),
    [
        ("FROM orders AS o, payments AS p", "the join has no ON; expected equal keys"),
        ("FROM orders AS o JOIN payments AS p", "the join has no ON; expected equal keys"),
        ("FROM orders AS o CROSS JOIN payments AS p", "expected JOIN or LEFT JOIN ... ON"),
        ("FROM orders AS o JOIN payments AS p USING (id)", "expected JOIN or LEFT JOIN ... ON"),
        ("FROM orders AS o", "the SELECT reads orders; the header says orders, payments"),
        ("FROM payments AS p JOIN orders AS o ON o.id = p.order", "the SELECT reads payments, ord"),
        ("FROM orders AS o JOIN (SELECT 1) AS p ON TRUE", "is not supported in a model; a second"),
    ],
)
def test_what_is_no_join_of_two_streams_is_refused(select: str, says: str) -> None:
    with pytest.raises(ModelProblem) as caught:
        bound(
            f"SELECT o.id {select}", {"id": "string"}, kind="join", streams=["orders", "payments"]
        )
    assert says in caught.value.message


@pytest.mark.parametrize("key", ["weight = q.weight", "tags = q.tags", "address = q.address"])
def test_engines_do_not_find_floats_and_nested_values_alike(key: str) -> None:
    other = replace(CONTRACTS["orders"], stream="others")
    given = model(
        f"SELECT o.id FROM orders AS o JOIN others AS q ON o.{key} AND q.event_time"
        " BETWEEN o.event_time AND o.event_time",
        {"id": "string"},
        kind="join",
        streams=["orders", "others"],
    )
    with pytest.raises(ModelProblem, match="is no key"):
        bind(given, {**CONTRACTS, "others": other})


@pytest.mark.parametrize(
    ("join", "said"),
    [
        ("LEFT JOIN customers AS c", "nothing"),
        ("LEFT JOIN customers FOR SYSTEM_TIME AS OF c.since AS c", "c.since"),
        ("LEFT JOIN customers FOR SYSTEM_TIME AS OF event_time AS c", "event_time"),
        ("LEFT JOIN customers FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01' AS c", "CAST"),
        ("LEFT JOIN customers FOR VERSION AS OF o.event_time AS c", "o.event_time"),
    ],
)
def test_a_dimension_is_read_as_of_the_left_event(join: str, said: str) -> None:
    with pytest.raises(ModelProblem) as caught:
        enriched(join=join)
    assert f"the dimension is read as of {said}" in caught.value.message
    assert "expected FOR SYSTEM_TIME AS OF o.event_time" in caught.value.message


@pytest.mark.parametrize(
    ("on", "says"),
    [
        ("o.country = c.segment", "the ON names segment of customers; expected its key id"),
        ("o.customer = c.id AND o.country = c.segment", "names id, segment of customers; expected"),
        (
            "o.customer = c.id AND c.since BETWEEN o.event_time AND o.event_time",
            "expected equal keys, or a span of time",
        ),
        ("o.quantity = c.id", "compares a int with a string"),
        ("c.id = c.segment", "expected a column of each side"),
    ],
)
def test_a_dimension_is_found_by_its_key(on: str, says: str) -> None:
    with pytest.raises(ModelProblem) as caught:
        enriched(on)
    assert says in caught.value.message


def test_only_the_dimension_has_versions() -> None:
    with pytest.raises(ModelProblem, match="VERSION is not supported"):
        bound(
            "SELECT o.id FROM orders FOR SYSTEM_TIME AS OF o.event_time AS o JOIN customers"
            " FOR SYSTEM_TIME AS OF o.event_time AS c ON o.customer = c.id",
            {"id": "string"},
            kind="enrich",
            streams=["orders", "customers"],
        )


def test_columns_of_two_relations_are_qualified() -> None:
    with pytest.raises(ModelProblem, match=r"id: is not a column, expected one of o\.id, o\.cust"):
        joined_select("id")
    with pytest.raises(ModelProblem, match=r"o\.nothing: is not a column"):
        joined_select("o.nothing AS id")


def joined_select(column: str) -> Bound:
    return bound(
        f"SELECT {column} FROM orders AS o JOIN payments AS p ON {KEYS} AND {SPAN}",
        {"id": "string"},
        kind="join",
        streams=["orders", "payments"],
    )


def test_a_join_reads_streams_alone() -> None:
    rows = model("SELECT id FROM orders", {"id": "string"}, "rows")
    with pytest.raises(ModelProblem, match="a model that joins reads streams alone"):
        bound(
            f"SELECT o.id FROM rows AS o JOIN payments AS p ON {KEYS} AND {SPAN}",
            {"id": "string"},
            {"rows": rows},
            kind="join",
            streams=["rows", "payments"],
        )
