"""Whole files are out and rows in, in one snapshot of a branch."""

from collections.abc import Iterator

import pyarrow as pa
import pytest
from lake_rows import some_rows
from pyiceberg.table import Table

from lakehead.lake import staging
from lakehead.lake.catalog import open_catalog
from lakehead.lake.plan import DataFile, plan_files
from lakehead.lake.rewrite import replace_files
from lakehead.lake.snapshots import table_state
from lakehead.settings import Settings

NAME, BRANCH = "landing.orders", "batch"


def files(settings: Settings, snapshot_id: int | None = None) -> dict[str, DataFile]:
    """By path."""
    state = table_state(settings, NAME, snapshot_id)
    return {file.path: file for file in plan_files(settings, state).files}


def ids(table: Table, snapshot_id: int) -> list[int]:
    return sorted(table.scan(snapshot_id=snapshot_id).to_arrow()["id"].to_pylist())


@pytest.fixture
def branched(settings: Settings, table: Table) -> Table:
    """Two commits of three days each, and a branch."""
    table.append(some_rows(table, 0, 10))
    table.append(some_rows(table, 10, 10))
    staging.begin(settings, table_state(settings, NAME), BRANCH)
    return open_catalog(settings).load_table(NAME)


def test_files_are_out_and_parts_of_rows_in(settings: Settings, branched: Table) -> None:
    before = files(settings)
    gone = sorted(path for path in before if "2024-01-0" in path)[:2]
    parts = [some_rows(branched, 100, 1), some_rows(branched, 110, 9)]
    main = branched.current_snapshot()
    assert main

    head = staging.write(settings, NAME, BRANCH, lambda t: replace_files(t, BRANCH, gone, parts))

    after = files(settings, head)
    kept = before.keys() - set(gone)
    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}
    new = [after[path] for path in after.keys() - kept]
    # Each part is written by itself, by day.
    assert sum(file.rows for file in new) == 10
    assert len({(f.path, *f.partition.values()) for f in new}) == len(new) == 4
    table = open_catalog(settings).load_table(NAME)
    lost = sum(before[path].rows for path in gone)
    assert len(ids(table, head)) == 20 - lost + 10
    assert ids(table, head)[-10:] == [100, *range(110, 119)]
    made = table.snapshot_by_id(head)
    assert made and made.parent_snapshot_id == main.snapshot_id
    assert made.summary and made.summary.operation.value == "overwrite"
    assert ids(table, main.snapshot_id) == list(range(20))
    current = table.current_snapshot()
    assert current and current.snapshot_id == main.snapshot_id


def test_rows_alone_and_files_alone(settings: Settings, branched: Table) -> None:
    rows = [some_rows(branched, 100, 1)]
    head = staging.write(settings, NAME, BRANCH, lambda t: replace_files(t, BRANCH, (), rows))
    table = open_catalog(settings).load_table(NAME)
    assert ids(table, head) == [*range(20), 100]
    every = list(files(settings, head))
    head = staging.write(settings, NAME, BRANCH, lambda t: replace_files(t, BRANCH, every, ()))
    assert ids(open_catalog(settings).load_table(NAME), head) == []


def test_where_the_rows_fail_nothing_is_committed(settings: Settings, branched: Table) -> None:
    def failing() -> Iterator[pa.Table]:
        yield some_rows(branched, 100, 1)
        raise OSError("no space left on device")

    paths = list(files(settings))
    with pytest.raises(OSError, match="no space left"):
        replace_files(branched, BRANCH, paths, failing())
    state = table_state(settings, NAME)
    assert state.refs[BRANCH] == state.snapshot_id
    assert len(state.snapshots) == 2
