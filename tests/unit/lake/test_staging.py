"""What a branch has changed goes to main in one commit, and nothing that came to main is lost."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.expressions import AlwaysTrue, EqualTo
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import LongType, NestedField

from lakehead.errors import SystemFailure
from lakehead.lake import staging
from lakehead.lake.catalog import open_catalog
from lakehead.lake.plan import plan_files
from lakehead.lake.retention import lineage
from lakehead.lake.snapshots import TableState, table_state
from lakehead.settings import Settings

NAME = "marts.m"
BRANCH = "batch"


def rows(table: Table, *numbers: tuple[int, int]) -> pa.Table:
    found = [{"window": window, "n": n} for window, n in numbers]
    return pa.Table.from_pylist(found, table.schema().as_arrow())


class Mart:
    """Two windows in a file, and one in another."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        catalog = open_catalog(settings)
        catalog.create_namespace("marts")
        fields = [NestedField(i, name, LongType()) for i, name in ((1, "window"), (2, "n"))]
        catalog.create_table(NAME, Schema(*fields))
        self.append((0, 1), (10, 1))
        self.append((20, 1))

    @property
    def table(self) -> Table:
        return open_catalog(self.settings).load_table(NAME)

    @property
    def state(self) -> TableState:
        return table_state(self.settings, NAME)

    def append(self, *numbers: tuple[int, int]) -> None:
        table = self.table
        table.append(rows(table, *numbers))

    def replace(self, window: int, n: int, branch: str = "main") -> None:
        def change(table: Table) -> None:
            table.overwrite(rows(table, (window, n)), EqualTo("window", window), branch=branch)

        staging.write(self.settings, NAME, branch, change)

    def stage(self) -> TableState:
        """The window from 0 is to have 7; gives what main was."""
        base = self.state
        staging.begin(self.settings, base, BRANCH)
        self.replace(0, 7, BRANCH)
        return base

    def content(self) -> list[tuple[int, int]]:
        return sorted((row["window"], row["n"]) for row in self.table.scan().to_arrow().to_pylist())


@pytest.fixture
def mart(tmp_path: Path) -> Mart:
    return Mart(Settings(home=tmp_path, project=tmp_path))


def yes(_: TableState) -> bool:
    return True


def no(_: TableState) -> bool:
    return False


def test_main_goes_to_the_branch_where_nothing_has_moved(mart: Mart) -> None:
    base = mart.stage()
    assert mart.content() == [(0, 1), (10, 1), (20, 1)]
    staged = mart.state.refs[BRANCH]
    assert staging.publish(mart.settings, base, BRANCH, no)
    assert mart.content() == [(0, 7), (10, 1), (20, 1)]
    assert (mart.state.snapshot_id, dict(mart.state.refs)) == (staged, {"main": staged})


def test_what_others_have_committed_stays_and_the_files_are_those_of_the_branch(mart: Mart) -> None:
    base = mart.stage()
    staged = mart.state.as_of(mart.state.refs[BRANCH])
    mart.append((30, 1))
    theirs = mart.state
    assert staging.publish(mart.settings, base, BRANCH, yes)
    now = mart.state
    assert mart.content() == [(0, 7), (10, 1), (20, 1), (30, 1)]
    assert set(now.refs) == {"main"}
    assert theirs.snapshot_id in {s.id for s in lineage(now, now.snapshot_id)}

    def paths(state: TableState) -> set[str]:
        return {file.path for file in plan_files(mart.settings, state).files}

    assert paths(now) == paths(staged) | (paths(theirs) - paths(base))
    assert now.summary["total-records"] == "4"
    assert now.summary["source-snapshot-id"] == str(staged.snapshot_id)


def test_it_is_asked_whether_the_change_still_fits(mart: Mart) -> None:
    base = mart.stage()
    mart.append((0, 2))
    before = mart.state
    asked = []

    def holds(now: TableState) -> bool:
        asked.append(now.snapshot_id)
        return False

    assert not staging.publish(mart.settings, base, BRANCH, holds)
    assert asked == [before.snapshot_id]
    assert mart.state.snapshot_id == before.snapshot_id
    assert BRANCH in mart.state.refs


def test_where_a_file_that_is_replaced_was_rewritten_nothing_is_published(mart: Mart) -> None:
    base = mart.stage()
    table = mart.table
    table.overwrite(table.scan().to_arrow(), AlwaysTrue())
    before = mart.state
    assert not staging.publish(mart.settings, base, BRANCH, yes)
    assert mart.state.snapshot_id == before.snapshot_id
    assert mart.content() == [(0, 1), (10, 1), (20, 1)]


def test_commits_that_come_while_it_is_published_stay(mart: Mart) -> None:
    base = mart.stage()
    mart.append((30, 1))
    more = [(40, 1), (50, 1)]

    def holds(now: TableState) -> bool:
        if more:
            mart.append(more.pop())
        return True

    assert staging.publish(mart.settings, base, BRANCH, holds)
    assert mart.content() == [(0, 7), (10, 1), (20, 1), (30, 1), (40, 1), (50, 1)]
    assert set(mart.state.refs) == {"main"}


def test_who_is_always_late_gives_up_and_says_so(
    mart: Mart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_TRIES", 2)
    base = mart.stage()
    mart.append((30, 1))

    def holds(now: TableState) -> bool:
        mart.append((40, 1))
        return True

    with pytest.raises(SystemFailure, match=r"marts\.m was committed to 2 times"):
        staging.publish(mart.settings, base, BRANCH, holds)
    assert (0, 7) not in mart.content()


def test_a_commit_to_main_does_not_keep_a_branch_from_being_written(mart: Mart) -> None:
    base = mart.state
    staging.begin(mart.settings, base, BRANCH)
    meddling = [(30, 1), (40, 1)]

    def change(table: Table) -> None:
        if meddling:
            mart.append(meddling.pop())
        table.overwrite(rows(table, (0, 7)), EqualTo("window", 0), branch=BRANCH)

    staged = staging.write(mart.settings, NAME, BRANCH, change)
    assert mart.state.as_of(staged).snapshot
    assert staging.publish(mart.settings, base, BRANCH, yes)
    assert mart.content() == [(0, 7), (10, 1), (20, 1), (30, 1), (40, 1)]


def test_what_goes_wrong_in_writing_is_not_tried_again(mart: Mart) -> None:
    calls = []

    def change(table: Any) -> None:
        calls.append(table)
        raise ValueError("something else")

    with pytest.raises(ValueError, match="something else"):
        staging.write(mart.settings, NAME, BRANCH, change)
    assert len(calls) == 1


def test_a_branch_that_was_left_behind_begins_anew_or_goes(mart: Mart) -> None:
    mart.stage()
    mart.append((30, 1))
    staging.begin(mart.settings, mart.state, BRANCH + staging._AGAIN)
    base = mart.stage()
    assert set(mart.state.refs) == {"main", BRANCH}
    assert staging.publish(mart.settings, base, BRANCH, no)
    assert mart.content() == [(0, 7), (10, 1), (20, 1), (30, 1)]
    mart.stage()
    staging.drop(mart.settings, NAME, BRANCH)
    assert set(mart.state.refs) == {"main"}
    metadata = mart.state.metadata_location
    staging.drop(mart.settings, NAME, BRANCH)
    assert mart.state.metadata_location == metadata
