"""Files are left unopened only where nothing in them is due."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lakehead.jobs.reconcile import Range
from lakehead.lake.plan import Plan, plan_files
from lakehead.lake.snapshots import table_state
from lakehead.models import duckdb as model_duckdb
from lakehead.models.batch import LATE
from lakehead.models.load import bound_model
from lakehead.proof.bounds import landed_files, mart_files
from lakehead.proof.due import Due, Window
from lakehead.query.engine import connect_plans
from lakehead.query.types import quoted
from tests.draws import draws
from tests.small_lake import Lake, at, event, make_lake

LANDED, MART = "landing.orders", "marts.tumble"
# By model: its window, and the lengths that its windows have.
MODELS = {
    "tumble": ({"tumble": "10 seconds"}, [10]),
    "hop": ({"hop": {"size": "30 seconds", "every": "10 seconds"}}, [30]),
    "cumulate": ({"cumulate": {"size": "30 seconds", "step": "10 seconds"}}, [10, 20, 30]),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Ten files each of landed rows and of answers: of a moment, of a while, and of all times."""
    made = make_lake(tmp_path_factory.mktemp("lake"))
    for name, (window, _) in MODELS.items():
        made.model(name=name, window=window, keys=["id"])
    draw = random.Random(1)
    for i in range(10):
        around, spread = draw.uniform(-50, 150), draw.choice([0, 4, 30, 200])
        seconds = [around + draw.uniform(-spread, spread) for _ in range(8)]
        made.land(*(event(8 * i + k, second) for k, second in enumerate(seconds)))
        starts = [10 * (second // 10) for second in seconds]
        rows = [(start, start + draw.choice([10, 20, 30])) for start in starts]
        made.answer(
            *({"window_start": at(s), "window_end": at(e), "id": "a", "n": 1} for s, e in rows),
            name="tumble",
        )
    yield made


def moments(least: int = -8, most: int = 20) -> st.SearchStrategy[datetime]:
    return st.integers(least, most).map(lambda n: at(10 * n))


@st.composite
def due(draw: st.DrawFn, name: str) -> Due:
    upto = draw(moments())
    after = draw(st.none() | moments().filter(lambda t: t <= upto))
    late: list[Window] = []
    if after is not None:
        window = st.tuples(st.integers(-8, 20), st.sampled_from(MODELS[name][1]))
        drawn = draw(st.lists(window.map(lambda w: (at(10 * w[0]), at(10 * w[0] + w[1])))))
        late = [w for w in drawn if w[1] <= after]
    within = Range(draw(st.none() | moments()), draw(st.none() | moments()))
    return Due(upto, after, tuple(late), within)


CASES = st.sampled_from(list(MODELS)).flatmap(lambda n: st.tuples(st.just(n), due(n)))


def rows(lake: Lake, name: str, wanted: Due, plan: Plan) -> set[int]:
    """The offsets of landed rows in these files that are read for the windows."""
    bound, state = bound_model(lake.settings, name), table_state(lake.settings, LANDED)
    condition, given = wanted.rows(bound)
    with connect_plans(lake.settings, [(state, plan)]) as con:
        wanted.prepare(con, bound)
        found = con.execute(f"SELECT kafka_offset FROM {LANDED} WHERE {condition}", given)
        return {offset for (offset,) in found.fetchall()}


def in_windows(lake: Lake, name: str, wanted: Due) -> set[int]:
    """The offsets of all landed rows in the windows."""
    bound, state = bound_model(lake.settings, name), table_state(lake.settings, LANDED)
    condition, given = wanted.windows()
    with connect_plans(lake.settings, [(state, plan_files(lake.settings, state))]) as con:
        wanted.prepare(con, bound)
        con.execute(f"CREATE VIEW r AS SELECT *, NULL::BIGINT AS {quoted(LATE)} FROM {LANDED}")
        each = model_duckdb.in_windows(bound, {"orders": "r"})
        found = con.execute(f"SELECT kafka_offset FROM ({each}) WHERE {condition}", given)
        return {offset for (offset,) in found.fetchall()}


@settings(max_examples=draws(60), deadline=None)
@given(case=CASES)
@example(case=("hop", Due(at(200))))
@example(case=("tumble", Due(at(200), at(200))))
def test_every_row_of_a_window_that_is_due_is_read(lake: Lake, case: tuple[str, Due]) -> None:
    name, wanted = case
    state, bound = table_state(lake.settings, LANDED), bound_model(lake.settings, name)
    plan = landed_files(lake.settings, state, bound, wanted)
    found = rows(lake, name, wanted, plan)
    assert found >= in_windows(lake, name, wanted)
    assert found == rows(lake, name, wanted, plan_files(lake.settings, state))


def answers(lake: Lake, wanted: Due, plan: Plan) -> list[tuple[datetime, datetime]]:
    state = table_state(lake.settings, MART)
    condition, given = wanted.windows()
    with connect_plans(lake.settings, [(state, plan)]) as con:
        wanted.prepare(con, bound_model(lake.settings, "tumble"))
        columns = "window_start, window_end"
        found = con.execute(f"SELECT {columns} FROM {MART} WHERE {condition} ORDER BY ALL", given)
        return found.fetchall()


# Of windows of all lengths, whatever the model says now.
@settings(max_examples=draws(60), deadline=None)
@given(wanted=due("cumulate"))
def test_every_answer_of_a_window_that_is_due_is_found(lake: Lake, wanted: Due) -> None:
    state = table_state(lake.settings, MART)
    plan = mart_files(lake.settings, state, wanted)
    assert answers(lake, wanted, plan) == answers(lake, wanted, plan_files(lake.settings, state))


def test_other_files_are_not_opened(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model(name="tumble", window=MODELS["tumble"][0], keys=["id"])
    for i in range(10):
        lake.land(event(i, 10 * i), event(10 + i, 10 * i + 9.9))
        window = {"window_start": at(10 * i), "window_end": at(10 * i + 10)}
        lake.answer({**window, "id": "a", "n": 1}, name="tumble")
    wanted = Due(at(90), at(90), late=((at(20), at(30)), (at(60), at(70))))
    landed, mart = (table_state(lake.settings, name) for name in (LANDED, MART))
    bound = bound_model(lake.settings, "tumble")
    read = landed_files(lake.settings, landed, bound, wanted)
    assert rows(lake, "tumble", wanted, read) == {2, 12, 6, 16}
    assert len(read.files) == len(mart_files(lake.settings, mart, wanted).files) == 2
    since = replace(wanted, after=at(70), late=wanted.late[:1])
    # The window that ends at 70 may begin where the first of those that end later does.
    assert len(landed_files(lake.settings, landed, bound, since).files) == 4
    assert len(mart_files(lake.settings, mart, since).files) == 3
    nothing = Due(at(90), at(90))
    assert landed_files(lake.settings, landed, bound, nothing).files == ()
    assert mart_files(lake.settings, mart, nothing).files == ()
