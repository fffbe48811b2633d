"""Joins, sequences and models on models as DuckDB answers them, against plain Python."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from answered_rows import ORDERS, Answer, Row, answer, database, ordered, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from written_models import WINDOW, bound, counts, model

from lakehead.models.bind import Bound
from tests.draws import draws

PAYMENTS = rows_of(
    st.fixed_dictionaries(
        {
            "order": st.sampled_from(["a", "b", None]),
            "status": st.sampled_from(["open", "paid", None]),
            "terms": st.sampled_from([0, 1, None]),
        }
    )
)
CUSTOMERS = rows_of(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["x", "y", None]),
            "segment": st.sampled_from(["s", "t", None]),
        }
    ),
    size=8,
)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with database() as connection:
        yield connection


def on_time(rows: list[Row], late: bool) -> list[Row]:
    return [r for r in rows if not (late and r.late_itself)]


def place(row: Row) -> tuple[int, int, int]:
    return row.us, row.partition, row.offset


# Interval joins


def joined(lower: str, upper: str, keys: str = 'o.id = p."order"') -> Bound:
    return bound(
        "SELECT o.country, p.status FROM orders AS o JOIN payments AS p"
        f" ON {keys} AND p.at BETWEEN o.event_time {lower} AND o.event_time {upper}"
        " WHERE p.status <> 'open' OR o.quantity > 0",
        {"country": "string", "status": "string"},
        kind="join",
        streams=["orders", "payments"],
    )


JOINED = {
    (0, 5_000): joined("", "+ INTERVAL '5' SECOND"),
    (-10_000, -5_000): joined("- INTERVAL '10' SECOND", "- INTERVAL '5' SECOND"),
    (-5_000, 5_000): joined(
        "- INTERVAL '5' SECOND",
        "+ INTERVAL '5' SECOND",
        'o.id = p."order" AND o.quantity = p.terms',
    ),
}


@settings(max_examples=draws(30), deadline=None)
@given(left=ORDERS, right=PAYMENTS, late=st.booleans())
@pytest.mark.parametrize("span", JOINED)
def test_an_interval_join_has_the_pairs_in_its_span(
    con: duckdb.DuckDBPyConnection,
    span: tuple[int, int],
    left: list[Row],
    right: list[Row],
    late: bool,
) -> None:
    def paired(o: Row, p: Row) -> bool:
        a, b = o.values, p.values
        equal = a["id"] is not None and a["id"] == b["order"]
        if span == (-5_000, 5_000):
            equal = equal and a["quantity"] is not None and a["quantity"] == b["terms"]
        asked = b["status"] == "paid" or (a["quantity"] or 0) > 0
        return equal and asked and span[0] <= p.ms - o.ms <= span[1]

    pairs: Answer = [
        (*place(o), *place(p), None, o.values["country"], p.values["status"])
        for o in on_time(left, late)
        for p in on_time(right, late)
        if paired(o, p)
    ]
    found = answer(con, JOINED[span], {"orders": left, "payments": right}, late)
    assert found == ordered(pairs)


# Temporal joins


def enriched(join: str, where: str = "") -> Bound:
    return bound(
        f"SELECT o.id, c.segment FROM orders AS o {join} customers FOR SYSTEM_TIME AS OF"
        f" o.event_time AS c ON o.customer = c.id{where}",
        {"id": "string", "segment": "string"},
        kind="enrich",
        streams=["orders", "customers"],
    )


ENRICHED = {
    "LEFT JOIN": enriched("LEFT JOIN"),
    "JOIN": enriched("JOIN", " WHERE c.segment = 's'"),
}


@settings(max_examples=draws(40), deadline=None)
@given(left=ORDERS, right=CUSTOMERS, late=st.booleans())
@pytest.mark.parametrize("join", ENRICHED)
def test_a_temporal_join_has_the_newest_version_up_to_the_event(
    con: duckdb.DuckDBPyConnection, join: str, left: list[Row], right: list[Row], late: bool
) -> None:
    expected: Answer = []
    for o in on_time(left, late):
        versions = [
            c
            for c in on_time(right, late)
            if c.values["id"] is not None
            and c.values["id"] == o.values["customer"]
            and c.ms <= o.ms
        ]
        newest = max(versions, key=lambda c: c.place, default=None)
        segment = newest.values["segment"] if newest else None
        if join == "LEFT JOIN" or segment == "s":
            expected.append((*place(o), o.values["id"], segment))
    found = answer(con, ENRICHED[join], {"orders": left, "customers": right}, late)
    assert found == ordered(expected)


# Sequences


def sequence(steps: list[dict[str, Any]], by: tuple[str, ...] = ("customer",)) -> Bound:
    return bound(
        "SELECT customer, quantity FROM orders WHERE country <> 'C' OR country IS NULL",
        {"customer": "string", "quantity": "int"},
        sequence={"by": list(by), "within": "10 seconds", "steps": steps},
    )


TWO_ZEROS = [{"name": "zero", "where": "quantity = 0", "times": 2}]
ZERO_THEN_MORE = [
    {"name": "zero", "where": "quantity = 0"},
    {"name": "more", "where": "quantity > 0"},
]
SEQUENCES = {
    "zeros": (sequence(TWO_ZEROS), [lambda q: q == 0] * 2),
    "steps": (sequence(ZERO_THEN_MORE), [lambda q: q == 0, lambda q: q > 0]),
    "keys": (sequence(TWO_ZEROS, ("customer", "id")), [lambda q: q == 0] * 2),
}


@settings(max_examples=draws(40), deadline=None)
@given(rows=ORDERS, late=st.booleans())
@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_is_of_rows_that_follow_each_other(
    con: duckdb.DuckDBPyConnection, name: str, rows: list[Row], late: bool
) -> None:
    bound_sequence, wanted = SEQUENCES[name]
    by_key: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in sorted(on_time(rows, late), key=lambda r: r.place):
        if row.values["country"] != "C":
            keys = ("customer", "id") if name == "keys" else ("customer",)
            by_key[tuple(row.values[k] for k in keys)].append(row)
    expected: Answer = []
    for its_rows in by_key.values():
        for i in range(len(its_rows) - len(wanted) + 1):
            match = its_rows[i : i + len(wanted)]
            holds = all(
                r.values["quantity"] is not None and holds(r.values["quantity"])
                for r, holds in zip(match, wanted, strict=True)
            )
            if holds and match[-1].ms - match[0].ms < 10_000:
                last = match[-1]
                expected.append(
                    (match[0].us, *place(last), last.values["customer"], last.values["quantity"])
                )
    assert answer(con, bound_sequence, {"orders": rows}, late) == ordered(expected)


# Models on models

BIG = model(
    "SELECT country AS land, quantity + 1 AS pieces FROM orders WHERE quantity >= 0",
    {"land": "string", "pieces": "long"},
    "big",
)
BIGGER = model(
    "SELECT land, pieces FROM big WHERE pieces > 1",
    {"land": "string", "pieces": "long"},
    "bigger",
    stream="big",
)
MODELS = {"big": BIG, "bigger": BIGGER}


def on_models(reads: str, window: dict[str, Any]) -> Bound:
    return bound(
        f"SELECT land, COUNT(*) AS n, SUM(pieces) AS pieces FROM {reads} GROUP BY land",
        {"land": "string", "n": "long", "pieces": "long"},
        MODELS,
        stream=reads,
        keys=["land"],
        window=window,
    )


ON_MODELS = {
    (reads, kind): on_models(reads, window)
    for reads in MODELS
    for kind, window in (
        ("tumble", WINDOW["window"]),
        ("session", {"session": {"gap": "5 seconds"}}),
    )
}
ON_STREAM = {
    kind: counts(
        "SELECT country, COUNT(*) AS n, SUM(quantity + 1) AS pieces FROM orders"
        " WHERE quantity >= {least} GROUP BY country".replace("{least}", str(least)),
        {"country": "string", "n": "long", "pieces": "long"},
        window=window,
    )
    for least, reads in ((0, "big"), (1, "bigger"))
    for kind, window in (
        ((reads, "tumble"), WINDOW["window"]),
        ((reads, "session"), {"session": {"gap": "5 seconds"}}),
    )
}


@settings(max_examples=draws(20), deadline=None)
@given(rows=ORDERS, late=st.booleans())
@pytest.mark.parametrize(("reads", "kind"), ON_MODELS)
def test_a_model_on_a_model_is_one_over_the_stream(
    con: duckdb.DuckDBPyConnection, reads: str, kind: str, rows: list[Row], late: bool
) -> None:
    """Late by its own windows, through models between that are never late."""
    found = answer(con, ON_MODELS[reads, kind], {"orders": rows}, late)
    assert found == answer(con, ON_STREAM[reads, kind], {"orders": rows}, late)


def test_a_model_of_rows_on_one_keeps_time_and_place(con: duckdb.DuckDBPyConnection) -> None:
    both = bound(
        "SELECT event_time AS moment, pieces FROM bigger",
        {"moment": "timestamp", "pieces": "long"},
        MODELS,
        stream="bigger",
    )
    rows = [Row(-1_500_001, 1, 7, {"quantity": 4}), Row(0, 0, 8, {"quantity": 0})]
    assert answer(con, both, {"orders": rows}) == [(-1_500_001, 1, 7, -1_500_001, 5)]
