"""A query as of a moment is answered as it would have been then."""

import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType

from lakehead.errors import UserError
from lakehead.lake.as_of import AsOf, Moment, OneSnapshot, Snapshots, Tagged, parse_as_of
from lakehead.lake.catalog import open_catalog
from lakehead.lake.rewind import rewind
from lakehead.lake.snapshots import table_state
from lakehead.lake.tags import make_tag
from lakehead.query.engine import run
from lakehead.settings import Settings
from tests.draws import draws


@dataclass
class Small:
    """``marts.m`` of numbers ``n``; each step gives a moment after it."""

    settings: Settings
    name: str = "marts.m"

    def make(self, name: str | None = None) -> None:
        catalog = open_catalog(self.settings)
        catalog.create_namespace_if_not_exists("marts")
        catalog.create_table(name or self.name, Schema(NestedField(1, "n", LongType())))

    def append(self, *numbers: int, branch: str = "main", name: str | None = None) -> Moment:
        table = open_catalog(self.settings).load_table(name or self.name)
        rows = pa.Table.from_pylist([{"n": n} for n in numbers], table.schema().as_arrow())
        table.append(rows, branch=branch)
        return moment()

    def ask(self, as_of: AsOf | None, sql: str = "SELECT n FROM marts.m ORDER BY n") -> list[Any]:
        with run(self.settings, sql, as_of=as_of) as result:
            return [row[0] for row in result.fetchall()]


def moment() -> Moment:
    """One that no two commits share: Iceberg's clock counts milliseconds."""
    time.sleep(0.002)
    now = datetime.now(UTC)
    time.sleep(0.002)
    return Moment(now)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(Settings(home=tmp_path, project=tmp_path))
    made.make()
    return made


Steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.just(0)),
        st.tuples(st.just("branch"), st.just(0)),
        st.tuples(st.just("tag"), st.just(0)),
        st.tuples(st.just("rewind"), st.integers(0, 20)),
    ),
    max_size=7,
)


@settings(max_examples=draws(24))
@given(Steps)
def test_as_of_is_what_main_was(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = Small(Settings(home=Path(folder), project=Path(folder)))
        small.make()
        then = moment()
        rows = [0]
        seen: list[tuple[AsOf, list[int]]] = [(small.append(0), rows)]
        # Every state that main was in: its snapshot, and its rows.
        states = [(table_state(small.settings, small.name).snapshot_id, rows)]
        for number, (step, which) in enumerate(steps, 1):
            state = table_state(small.settings, small.name)
            if step == "append":
                small.append(number)
                rows = [*rows, number]
            elif step == "branch":
                table = open_catalog(small.settings).load_table(small.name)
                if "side" not in table.refs():
                    assert state.snapshot_id
                    table.manage_snapshots().create_branch(state.snapshot_id, "side").commit()
                small.append(-number, branch="side")
            elif step == "tag":
                make_tag(small.settings, f"t{number}")
                seen.append((Tagged(f"t{number}"), rows))
            else:
                target, old = states[which % len(states)]
                assert target
                if target != state.snapshot_id:
                    rewind(small.settings, state, target, None)
                    rows = old
            states.append((table_state(small.settings, small.name).snapshot_id, rows))
            seen.append((moment(), rows))
        for as_of, expected in seen:
            assert small.ask(as_of) == expected
        for snapshot, expected in states:
            assert small.ask(OneSnapshot(snapshot or 0)) == expected
        assert small.ask(None) == rows
        with pytest.raises(UserError, match=r"marts\.m has no snapshot of .* the earliest moment"):
            small.ask(then)


def test_the_earliest_moment_that_is_named_can_be_asked(small: Small) -> None:
    with pytest.raises(UserError, match=r"marts\.m has no snapshot: nothing was ever committed"):
        small.ask(moment())
    small.append(1)
    with pytest.raises(UserError) as raised:
        small.ask(parse_as_of("1 day ago"))
    earliest = raised.value.message.rsplit(" ", 1)[-1]
    assert earliest in raised.value.hint
    assert small.ask(parse_as_of(earliest)) == [1]


def test_expired_history_cannot_be_asked(small: Small) -> None:
    before = small.append(1)
    first = table_state(small.settings, small.name).snapshot_id
    after = small.append(2)
    assert first
    table = open_catalog(small.settings).load_table(small.name)
    table.maintenance.expire_snapshots().by_id(first).commit()
    with pytest.raises(UserError, match="the earliest moment that can be asked is"):
        small.ask(before)
    assert small.ask(after) == [1, 2]
    with pytest.raises(UserError, match="it was expired, or never was"):
        small.ask(OneSnapshot(first))


def test_columns_are_those_of_then(small: Small) -> None:
    before = small.append(1)
    with open_catalog(small.settings).load_table(small.name).update_schema() as change:
        change.rename_column("n", "number")
        change.add_column("note", StringType())
    after = moment()
    # No commit was made since: the rows of then have the columns of then.
    for as_of in (before, after):
        with run(small.settings, "FROM marts.m", as_of=as_of) as result:
            assert [c.name for c in result.columns] == ["n"]
            assert result.fetchall() == [(1,)]
    with run(small.settings, "FROM marts.m") as result:
        assert [c.name for c in result.columns] == ["number", "note"]


def test_several_tables_are_of_one_moment(small: Small) -> None:
    small.make("marts.k")
    small.append(1)
    small.append(10, name="marts.k")
    then = moment()
    make_tag(small.settings, "v1")
    small.append(2)
    small.append(20, name="marts.k")
    both = "SELECT m.n + k.n FROM marts.m, MARTS.K ORDER BY 1"
    assert small.ask(then, both) == small.ask(Tagged("v1"), both) == [11]
    assert len(small.ask(None, both)) == 4
    ids = {n: table_state(small.settings, n).snapshots[0].id for n in ("marts.m", "marts.k")}
    assert small.ask(Snapshots(ids), both) == [11]
    with pytest.raises(UserError, match=r"snapshot 1 is of one table, and these are read"):
        small.ask(OneSnapshot(1), both)
    with pytest.raises(UserError, match=r"marts\.k is read, and no snapshot of it was given"):
        small.ask(Snapshots({"marts.m": ids["marts.m"]}), both)
    with pytest.raises(UserError, match=r"there is no table 'marts\.x'"):
        small.ask(Snapshots({**ids, "marts.x": 1}), both)


def test_a_table_that_the_tag_is_not_of_is_told(small: Small) -> None:
    small.make("marts.k")
    small.append(1)
    small.append(10, name="marts.k")
    make_tag(small.settings, "v1", ["marts.k"])
    with pytest.raises(UserError, match=r"marts\.m has no tag 'v1'; it has none"):
        small.ask(Tagged("v1"))
    with pytest.raises(UserError, match=r"marts\.k has no tag 'v2'; its tags: v1"):
        small.ask(Tagged("v2"), "FROM marts.k")


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW TABLES",
        "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal",
    ],
)
def test_what_lists_tables_lists_those_of_then(small: Small, sql: str) -> None:
    before = moment()
    small.make("marts.k")
    then = small.append(1)
    small.append(2, name="marts.k")
    assert small.ask(then, sql) == ["marts.m"]
    assert sorted(small.ask(None, sql)) == ["marts.k", "marts.m"]
    with pytest.raises(UserError, match="the lake had no table as of"):
        small.ask(before, sql)


def test_show_tables_counts_as_of_then(small: Small) -> None:
    then = small.append(1)
    small.append(2, 3)
    with run(small.settings, "SHOW TABLES", as_of=then) as result:
        [(name, rows, files, _, at)] = result.fetchall()
    assert (name, rows, files) == ("marts.m", 1, 1)
    assert at <= then.time + timedelta(milliseconds=1)


def test_a_statement_without_tables_is_answered(small: Small) -> None:
    assert small.ask(Tagged("v1"), "SELECT 1") == [1]
