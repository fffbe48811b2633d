"""Differences of two moments, as bags: what two queries as of them would have, subtracted."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType

from lakehead.errors import UserError
from lakehead.lake.as_of import AsOf, OneSnapshot, Tagged, parse_moments
from lakehead.lake.catalog import open_catalog
from lakehead.lake.snapshots import table_state
from lakehead.lake.tags import make_tag
from lakehead.query.engine import diff
from lakehead.settings import Settings
from tests.draws import draws

ALL = "FROM marts.m"


class Numbers:
    """``marts.m`` of numbers ``n``; each commit gives its snapshot."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder, project=folder)
        catalog = open_catalog(self.settings)
        catalog.create_namespace("marts")
        self.table = catalog.create_table("marts.m", Schema(NestedField(1, "n", LongType())))

    def append(self, *numbers: int) -> OneSnapshot:
        rows = [{"n": n} for n in numbers]
        self.table.append(pa.Table.from_pylist(rows, self.table.schema().as_arrow()))
        return self.now()

    def delete(self, number: int) -> OneSnapshot:
        self.table.delete(f"n = {number}")
        return self.now()

    def now(self) -> OneSnapshot:
        found = table_state(self.settings, "marts.m").snapshot_id
        assert found is not None
        return OneSnapshot(found)

    def diff(self, before: AsOf | None, after: AsOf | None, sql: str = ALL) -> list[Any]:
        with diff(self.settings, sql, before, after) as result:
            return result.fetchall()


@pytest.fixture
def numbers(tmp_path: Path) -> Numbers:
    return Numbers(tmp_path)


Commits = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), min_size=1, max_size=3)


@settings(max_examples=draws(10))
@given(Commits, st.data())
def test_it_is_the_difference_of_two_bags(commits: list[list[int]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        numbers = Numbers(Path(folder))
        bags: list[Counter[int]] = []
        moments: list[OneSnapshot] = []
        for commit in commits:
            moments.append(numbers.append(*commit))
            bags.append((bags[-1] if bags else Counter()) + Counter(commit))
            gone = commit[0]
            moments.append(numbers.delete(gone))
            bags.append(Counter({n: c for n, c in bags[-1].items() if n != gone}))
        first, second = (data.draw(st.integers(0, len(bags) - 1)) for _ in range(2))
        found = Counter(numbers.diff(moments[first], moments[second]))
        removed, added = bags[first] - bags[second], bags[second] - bags[first]
        assert found == Counter(
            {("-", n): c for n, c in removed.items()} | {("+", n): c for n, c in added.items()}
        )


def test_of_an_answer_and_up_to_now(numbers: Numbers) -> None:
    numbers.append(1, 1, 2)
    make_tag(numbers.settings, "yesterday")
    numbers.append(1, 3)
    sql = "SELECT n, count(*) AS times FROM marts.m GROUP BY n;"
    with diff(numbers.settings, sql, *parse_moments("yesterday..now")) as result:
        assert [c.name for c in result.columns] == ["change", "n", "times"]
        # A row that was replaced by another of its key: one beneath the other.
        assert result.fetchall() == [("-", 1, 2), ("+", 1, 3), ("+", 3, 1)]
        assert set(result.tables) == {"marts.m"}
    assert numbers.diff(None, Tagged("yesterday")) == [("-", 1), ("-", 3)]
    assert numbers.diff(None, None) == []


def test_columns_must_be_the_same(numbers: Numbers) -> None:
    before = numbers.append(1)
    with numbers.table.update_schema() as update:
        update.add_column("name", StringType())
    numbers.append(2)
    with pytest.raises(UserError, match="the columns are n as of the first moment, and n, name"):
        numbers.diff(before, None)
    assert numbers.diff(before, None, "SELECT n FROM marts.m") == [("+", 2)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("yesterday", "is not two moments"),
        ("..now", "is not two moments"),
        ("v1..", "is not two moments"),
        ("v1...now", "is no moment of the lake"),
        ("v1..2999-01-01", "is still to come"),
    ],
)
def test_what_is_not_two_moments(text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        parse_moments(text)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SHOW TABLES", "a difference is that of a SELECT"),
        ("EXPLAIN FROM marts.m", "a difference is that of a SELECT"),
        ("DROP TABLE marts.m", "a query may only read"),
        ("FROM marts.m; FROM marts.m", "expected one statement"),
        ("FROM read_text('/etc/passwd')", "may not be used"),
        ("FROM marts.x", "there is no table"),
        ("SELECT x FROM marts.m", "x"),
    ],
)
def test_no_other_sql_than_a_query_takes(numbers: Numbers, sql: str, told: str) -> None:
    numbers.append(1)
    with pytest.raises(UserError, match=told):
        numbers.diff(None, None, sql)


def test_both_moments_are_held(numbers: Numbers) -> None:
    from lakehead.lake.leases import held

    before, after = numbers.append(1), numbers.append(2)
    uuid = table_state(numbers.settings, "marts.m").uuid
    with diff(numbers.settings, ALL, before, after):
        assert held(numbers.settings) == {uuid: {before.id, after.id}}
    assert held(numbers.settings) == {}
