"""Windows, filters and deduplication as DuckDB answers them, against plain Python."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from answered_rows import ORDERS, Answer, Row, answer, database, land, ordered
from hypothesis import given, settings
from hypothesis import strategies as st
from written_models import WINDOW, bound, counts

from lakehead.models import duckdb as model_duckdb
from lakehead.models.bind import Bound
from lakehead.models.windows import Cumulate, Hop, Session, Window
from tests.draws import draws

SECOND = 1_000
WINDOWS = {
    "tumble": {"tumble": "10 seconds"},
    "hop": {"hop": {"size": "30 seconds", "every": "10 seconds"}},
    "cumulate": {"cumulate": {"size": "30 seconds", "step": "10 seconds"}},
    "session": {"session": {"gap": "5 seconds"}},
}
SELECT = (
    "SELECT {keys}COUNT(*) AS n, SUM(quantity) AS total, MAX(quantity) AS most FROM orders"
    " WHERE quantity > -5 OR quantity IS NULL{group}"
)
MEASURES = {"n": "long", "total": "long", "most": "int"}


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with database() as connection:
        yield connection


def summed(kind: str, keyed: bool, more: str = "") -> Bound:
    """The model of ``SELECT``."""
    select = SELECT.format(
        keys="country, " if keyed else "", group=" GROUP BY country" if keyed else ""
    )
    return counts(
        select + more,
        {**({"country": "string"} if keyed else {}), **MEASURES},
        window=WINDOWS[kind],
        keys=["country"] if keyed else [],
    )


SUMMED = {(kind, keyed): summed(kind, keyed) for kind in WINDOWS for keyed in (True, False)}


# The reference


def windows_of(window: Window, ms: int) -> list[tuple[int, int]]:
    """The windows of fixed place that hold a time."""

    def length(given: timedelta) -> int:
        return given // timedelta(milliseconds=1)

    if isinstance(window, Hop):
        size, every = length(window.size), length(window.every)
        newest = ms // every * every
        return [(s, s + size) for s in range(newest, ms - size, -every)]
    assert isinstance(window, Cumulate)
    size, step = length(window.size), length(window.step)
    start = ms // size * size
    return [(start, end) for end in range(start + step, start + size + 1, step) if end > ms]


def grouped(
    window: Window, rows: Sequence[Row], keyed: bool, late: bool
) -> dict[tuple[Any, ...], list[Row]]:
    """Start, end and key -> the rows of the window."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    if isinstance(window, Session):
        gap = window.gap // timedelta(milliseconds=1)
        by_key: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in rows:
            if not (late and row.late_itself):
                by_key[(row.values["country"],) if keyed else ()].append(row)
        for key, its_rows in by_key.items():
            sessions: list[list[Row]] = []
            for row in sorted(its_rows, key=lambda r: r.place):
                if sessions and row.ms - sessions[-1][-1].ms <= gap:
                    sessions[-1].append(row)
                else:
                    sessions.append([row])
            for session in sessions:
                groups[session[0].ms, session[-1].ms + gap, *key] = session
        return groups
    for row in rows:
        for start, end in windows_of(window, row.ms):
            if not (late and row.late is not None and end <= row.late):
                groups[(start, end, row.values["country"]) if keyed else (start, end)].append(row)
    return groups


def totals(rows: Sequence[Row]) -> tuple[int, int | None, int | None]:
    known = [r.values["quantity"] for r in rows if r.values["quantity"] is not None]
    return len(rows), sum(known) if known else None, max(known, default=None)


def kept(rows: Sequence[Row]) -> list[Row]:
    return [r for r in rows if r.values["quantity"] is None or r.values["quantity"] > -5]


def expected(model: Bound, rows: Sequence[Row], keyed: bool, late: bool) -> Answer:
    assert model.model.window is not None
    groups = grouped(model.model.window, kept(rows), keyed, late)
    return [
        (start * 1000, end * 1000, *key, *totals(its_rows))
        for (start, end, *key), its_rows in groups.items()
    ]


# The answers


@settings(max_examples=draws(40), deadline=None)
@given(rows=ORDERS, keyed=st.booleans(), late=st.booleans())
@pytest.mark.parametrize("kind", WINDOWS)
def test_windows(
    con: duckdb.DuckDBPyConnection, kind: str, rows: list[Row], keyed: bool, late: bool
) -> None:
    model = SUMMED[kind, keyed]
    assert answer(con, model, {"orders": rows}, late) == ordered(expected(model, rows, keyed, late))


TOP = summed("tumble", True, " HAVING COUNT(*) > 1 ORDER BY total DESC LIMIT 2")
LEAST = summed("hop", True, " ORDER BY most, n DESC LIMIT 1")


@settings(max_examples=draws(60), deadline=None)
@given(rows=ORDERS, late=st.booleans())
def test_the_top_rows_of_each_window_null_being_the_least(
    con: duckdb.DuckDBPyConnection, rows: list[Row], late: bool
) -> None:
    def least(value: Any) -> tuple[bool, Any]:
        return value is not None, value or 0

    def best(model: Bound, limit: int, order: Any, having: Any) -> Answer:
        by_window: dict[tuple[int, int], Answer] = defaultdict(list)
        for row in expected(model, rows, True, late):
            if having(row):
                by_window[row[0], row[1]].append(row)
        # By the key first, for rows that are equal otherwise.
        return ordered(
            [
                row
                for its_rows in by_window.values()
                for row in order(sorted(its_rows, key=lambda r: (r[2] is not None, r[2] or "")))[
                    :limit
                ]
            ]
        )

    def stable(its_rows: Answer, key: Any, descending: bool) -> Answer:
        return sorted(its_rows, key=key, reverse=descending)

    top = best(TOP, 2, lambda r: stable(r, lambda x: least(x[4]), True), lambda r: r[3] > 1)
    assert answer(con, TOP, {"orders": rows}, late) == top
    few = best(
        LEAST,
        1,
        lambda r: stable(stable(r, lambda x: x[3], True), lambda x: least(x[5]), False),
        lambda _: True,
    )
    assert answer(con, LEAST, {"orders": rows}, late) == few


ROWS = bound(
    "SELECT country, quantity + 1 AS more FROM orders WHERE quantity >= 0",
    {"country": "string", "more": "long"},
)


@settings(max_examples=draws(30), deadline=None)
@given(rows=ORDERS, late=st.booleans())
def test_a_filter_is_in_time_for_every_row(
    con: duckdb.DuckDBPyConnection, rows: list[Row], late: bool
) -> None:
    assert answer(con, ROWS, {"orders": rows}, late) == ordered(
        [
            (r.us, r.partition, r.offset, r.values["country"], r.values["quantity"] + 1)
            for r in rows
            if (r.values["quantity"] or 0) >= 0 and r.values["quantity"] is not None
        ]
    )


def distinct(keep: str) -> Bound:
    return bound(
        "SELECT id, country, quantity FROM orders WHERE quantity IS NOT NULL",
        {"id": "string", "country": "string", "quantity": "int"},
        dedup={"keys": ["id", "country"], "keep": keep},
        **WINDOW,
    )


DEDUP = {keep: distinct(keep) for keep in ("first", "last")}


@settings(max_examples=draws(60), deadline=None)
@given(rows=ORDERS, late=st.booleans(), keep=st.sampled_from(["first", "last"]))
def test_dedup_keeps_the_first_or_the_last_by_time_and_place(
    con: duckdb.DuckDBPyConnection, rows: list[Row], late: bool, keep: str
) -> None:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        start = row.ms // (10 * SECOND) * 10 * SECOND
        missed = late and row.late is not None and start + 10 * SECOND <= row.late
        if row.values["quantity"] is not None and not missed:
            groups[start, row.values["id"], row.values["country"]].append(row)
    chosen = {
        key: (min if keep == "first" else max)(its_rows, key=lambda r: r.place)
        for key, its_rows in groups.items()
    }
    assert answer(con, DEDUP[keep], {"orders": rows}, late) == ordered(
        [
            (
                start * 1000,
                (start + 10 * SECOND) * 1000,
                r.us,
                r.partition,
                r.offset,
                *key,
                r.values["quantity"],
            )
            for (start, *key), r in chosen.items()
        ]
    )


@settings(max_examples=draws(40), deadline=None)
@given(rows=ORDERS)
@pytest.mark.parametrize("kind", ["tumble", "hop", "cumulate"])
def test_each_row_is_told_with_its_windows(
    con: duckdb.DuckDBPyConnection, kind: str, rows: list[Row]
) -> None:
    model = SUMMED[kind, True]
    assert model.model.window is not None
    sql = model_duckdb.in_windows(model, {"orders": land(con, "orders", rows)})
    found = con.execute(
        f"SELECT epoch_ms(window_start), epoch_ms(window_end), kafka_offset FROM ({sql})"
    ).fetchall()
    assert ordered(found) == ordered(
        [(*w, r.offset) for r in kept(rows) for w in windows_of(model.model.window, r.ms)]
    )


# By hand


def at(ms: int, offset: int, late: int | None = None, **values: Any) -> Row:
    return Row(ms * 1000, 0, offset, values, late)


def test_a_window_holds_its_start_and_not_its_end(con: duckdb.DuckDBPyConnection) -> None:
    times = [-10_000, -1, 0, 9_999, 10_000]
    rows = [at(ms, i) for i, ms in enumerate(times)]
    found = answer(con, summed("tumble", False), {"orders": rows})
    assert [(a // 1000, b // 1000, n) for a, b, n, *_ in found] == [
        (-10_000, 0, 2),
        (0, 10_000, 2),
        (10_000, 20_000, 1),
    ]


@pytest.mark.parametrize(("late", "there"), [(9_999, True), (10_000, False), (10_001, False)])
def test_a_row_is_left_out_of_windows_that_end_at_or_before_it(
    con: duckdb.DuckDBPyConnection, late: int, there: bool
) -> None:
    rows = [at(5_000, 0, late)]
    assert bool(answer(con, summed("tumble", False), {"orders": rows}, late=True)) == there
    # The two windows that begin before it end later.
    assert len(answer(con, summed("hop", False), {"orders": rows}, late=True)) == 2 + there
    assert answer(con, summed("tumble", False), {"orders": rows})


@pytest.mark.parametrize(("late", "there"), [(4_999, True), (5_000, False)])
def test_a_row_is_left_out_of_sessions_at_or_after_its_time(
    con: duckdb.DuckDBPyConnection, late: int, there: bool
) -> None:
    rows = [at(5_000, 0, late)]
    assert bool(answer(con, summed("session", False), {"orders": rows}, late=True)) == there


def test_a_late_row_may_part_a_session(con: duckdb.DuckDBPyConnection) -> None:
    rows = [at(0, 0), at(5_000, 1, 5_000), at(10_000, 2)]
    model = summed("session", False)
    assert len(answer(con, model, {"orders": rows})) == 1
    assert len(answer(con, model, {"orders": rows}, late=True)) == 2


def test_an_output_may_have_the_name_of_a_field(con: duckdb.DuckDBPyConnection) -> None:
    """Where a clause names it, it is the field."""
    model = counts(
        "SELECT country, SUM(quantity) AS quantity, COUNT(*) AS id FROM orders WHERE id <> 'x'"
        " GROUP BY country HAVING SUM(quantity) > 1",
        {"country": "string", "quantity": "long", "id": "long"},
    )
    rows = [at(i, i, country="A", id="a", quantity=1) for i in range(3)]
    rows += [at(0, 3, country="A", id="x", quantity=9), at(0, 4, country="B", id="a", quantity=1)]
    assert [r[2:] for r in answer(con, model, {"orders": rows})] == [("A", 3, 3)]


def test_a_part_of_an_object_is_read_by_any_name(con: duckdb.DuckDBPyConnection) -> None:
    rows = [at(0, 0, id="a", address={"city": "Rome", "zip": "1"}), at(1, 1, id="b")]
    for alias in ("o", "orders", "address"):
        model = bound(
            f"SELECT {alias}.id, {alias}.address.city AS city FROM orders AS {alias}",
            {"id": "string", "city": "string"},
        )
        assert [r[3:] for r in answer(con, model, {"orders": rows})] == [("a", "Rome"), ("b", None)]


def test_nothing_landed_is_no_row(con: duckdb.DuckDBPyConnection) -> None:
    """Even without keys: there is no window without a row."""
    for model in [*SUMMED.values(), TOP, ROWS, *DEDUP.values()]:
        assert answer(con, model, {"orders": []}) == []


def test_decimals_stay_exact(con: duckdb.DuckDBPyConnection) -> None:
    model = counts(
        "SELECT country, SUM(quantity * price) AS n FROM orders GROUP BY country",
        {"country": "string", "n": "decimal(38,3)"},
    )
    rows = [
        at(i, i, country="A", quantity=q, price=Decimal(p))
        for i, (q, p) in enumerate([(2, "1.500"), (-1, "0.001"), (None, "7")])
    ]
    assert [r[2:] for r in answer(con, model, {"orders": rows})] == [("A", Decimal("2.999"))]
