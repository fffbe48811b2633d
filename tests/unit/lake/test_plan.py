"""A plan read from the manifests is the plan that pyiceberg makes, for every snapshot."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake_rows import some_rows
from pyiceberg.manifest import ManifestEntryStatus
from pyiceberg.table import Table

from lakehead.errors import SystemFailure
from lakehead.lake import plan
from lakehead.lake.plan import KEPT_PLANS, DataFile, Plan, plan_files
from lakehead.lake.snapshots import SnapshotGone, TableState, local_path, table_state
from lakehead.settings import Settings

Grown = tuple[Settings, Table]


@pytest.fixture(autouse=True)
def _another_process() -> None:
    """What an earlier test left in memory is of no account."""
    plan._memory.clear()


def by_pyiceberg(table: Table, snapshot_id: int) -> dict[str, tuple[int, int, int, int]]:
    """Path -> rows, bytes, data sequence number, snapshot that added it."""
    snapshot = table.snapshot_by_id(snapshot_id)
    assert snapshot is not None
    entries = {
        entry.data_file.file_path: (entry.sequence_number, entry.snapshot_id)
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io)
        if entry.status != ManifestEntryStatus.DELETED
    }
    planned: dict[str, Any] = {}
    for task in table.scan(snapshot_id=snapshot_id).plan_files():
        file = task.file
        numbers = (file.record_count, file.file_size_in_bytes, *entries[file.file_path])
        planned[local_path(file.file_path)] = numbers
    return planned


def as_numbers(made: Plan) -> dict[str, tuple[int, int, int, int]]:
    return {f.path: (f.rows, f.bytes, f.sequence_number, f.snapshot_id) for f in made.files}


def folder(settings: Settings, state: TableState) -> Path:
    return settings.home / "cache" / "plans" / state.uuid


def test_equals_pyiceberg_for_every_snapshot(grown: Grown) -> None:
    settings, table = grown
    ids = [s.snapshot_id for s in table.metadata.snapshots]
    assert len(ids) >= 9
    for snapshot_id in [*ids, *reversed(ids)]:  # the second time from the cache
        made = plan_files(settings, table_state(settings, "landing.orders", snapshot_id))
        expected = by_pyiceberg(table, snapshot_id)
        assert expected and as_numbers(made) == expected
        assert len(made.files) == len(expected)
        assert made.rows == table.scan(snapshot_id=snapshot_id).to_arrow().num_rows
        assert not made.has_deletes


def test_partition_values(grown: Grown) -> None:
    settings, _ = grown
    for file in plan_files(settings, table_state(settings, "landing.orders")).files:
        assert f"at_day={file.partition['at_day']}" in file.path


def test_no_snapshot_no_files(grown: Grown) -> None:
    assert plan_files(grown[0], table_state(grown[0], "marts.empty")) == Plan()


def test_warm_plan_opens_no_manifest(grown: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _ = grown
    state = table_state(settings, "landing.orders")
    cold = plan_files(settings, state)
    monkeypatch.setattr(plan, "_read_avro", None)
    plan._memory.clear()
    assert plan_files(settings, state) == cold
    monkeypatch.setattr(plan, "_load", None)
    assert plan_files(settings, state) == cold


def test_memory_holds_the_tables_used_last(
    grown: Grown, settings: Settings, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_KEPT_TABLES", 1)
    table.append(some_rows(table, 0, 3))
    for home in (settings, grown[0]):
        plan_files(home, table_state(home, "landing.orders"))
    assert [key.startswith(str(grown[0].home)) for key in plan._memory] == [True]


def test_bounds_are_those_of_the_rows(grown: Grown) -> None:
    settings, _ = grown
    made = plan_files(settings, table_state(settings, "landing.orders"))
    for file in made.files:
        rows = pq.read_table(file.path, partitioning=None)
        times = [int(at.timestamp() * 1_000_000) for at in rows["at"].to_pylist()]
        ids = rows["id"].to_pylist()
        # Text has none that are exact.
        assert file.bounds == {1: (min(ids), max(ids)), 2: (min(times), max(times))}
    greatest = max(file.bounds[1][1] for file in made.files)
    assert [f for f in made.files if f.bounds[1][1] == greatest] == list(
        made.at_least(1, greatest).files
    )
    assert made.at_least(1, greatest + 1).files == ()
    assert made.at_least(3, 0).files == made.files


SPANS = st.lists(st.integers(0, 40), unique=True, max_size=8).map(
    lambda ends: list(itertools.pairwise(sorted(ends)))[::2]
)
BOUNDS = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda b: (min(b), max(b)))


@given(spans=SPANS, bounds=st.lists(BOUNDS | st.none()))
def test_within_spans_are_all_files_that_may_have_a_value_there(
    spans: list[tuple[int, int]], bounds: list[tuple[int, int] | None]
) -> None:
    files = [
        DataFile(str(i), 1, 1, 1, 1, {}, {} if known is None else {1: known})
        for i, known in enumerate(bounds)
    ]
    inside = {value for start, end in spans for value in range(start, end)}
    expected = [
        file
        for file, known in zip(files, bounds, strict=True)
        if known is None or not inside.isdisjoint(range(known[0], known[1] + 1))
    ]
    assert list(Plan(tuple(files)).within(1, spans).files) == expected


def test_newer_snapshot_reads_only_new_manifests(
    settings: Settings, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(4):
        table.append(some_rows(table, i, 1))
    plan_files(settings, table_state(settings, "landing.orders"))
    table.append(some_rows(table, 9, 1))
    read: list[str] = []
    real = plan._read_avro

    def recorded(location: str, *more: Any, **options: Any) -> Any:
        read.append(location)
        return real(location, *more, **options)

    monkeypatch.setattr(plan, "_read_avro", recorded)
    state = table_state(settings, "landing.orders")
    made = plan_files(settings, state)
    assert len(read) == 2  # the manifest list, and the one manifest of the newest commit
    assert as_numbers(made) == by_pyiceberg(table, state.snapshot_id or 0)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"format": 0}', '{"format": 2, "manifests": {"a": [[1]]}}']
)
def test_corrupt_cache_is_replaced(settings: Settings, table: Table, content: str) -> None:
    table.append(some_rows(table, 0, 3))
    state = table_state(settings, "landing.orders")
    cold = plan_files(settings, state)
    cached = folder(settings, state) / f"{state.snapshot_id}.json"
    cached.write_text(content)
    plan._memory.clear()
    assert plan_files(settings, state) == cold
    assert json.loads(cached.read_text())["format"] == 2


def test_old_plans_are_pruned(settings: Settings, table: Table) -> None:
    table.append(some_rows(table, 0, 3))
    state = table_state(settings, "landing.orders")
    where = folder(settings, state)
    where.mkdir(parents=True)
    for i in range(KEPT_PLANS + 5):
        (where / f"{i}.json").write_text("{}")
        os.utime(where / f"{i}.json", (i, i))
    plan_files(settings, state)
    left = {path.stem for path in where.iterdir()}
    assert left == {str(state.snapshot_id), *map(str, range(6, KEPT_PLANS + 5))}


def test_cache_that_cannot_be_written(settings: Settings, table: Table) -> None:
    table.append(some_rows(table, 0, 3))
    (settings.home / "cache").write_text("a file where the folder should be")
    made = plan_files(settings, table_state(settings, "landing.orders"))
    assert made.rows == 3


def test_lost_and_broken_manifests(settings: Settings, table: Table) -> None:
    table.append(some_rows(table, 0, 3))
    state = table_state(settings, "landing.orders")
    assert state.snapshot is not None
    manifests = Path(local_path(state.snapshot.manifest_list))
    whole = manifests.read_bytes()
    manifests.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SystemFailure, match="cannot be read"):
        plan_files(settings, state)
    manifests.unlink()
    with pytest.raises(SnapshotGone, match="is gone"):
        plan_files(settings, state)
