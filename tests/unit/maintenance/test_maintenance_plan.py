"""What is due to a table, and why."""

from datetime import UTC, datetime, timedelta

from lakehead.lake.plan import DataFile, Plan
from lakehead.lake.snapshots import Snapshot, TableState
from lakehead.maintenance.layout import Layout
from lakehead.maintenance.plan import MOST_MANIFESTS, TARGET_BYTES, Compaction, Wanted, plan_table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MIB = 2**20


def state(count: int = 1) -> TableState:
    snapshots = tuple(
        Snapshot(i, i - 1 or None, i, NOW - timedelta(minutes=count - i), 0, "", {})
        for i in range(1, count + 1)
    )
    return TableState("landing.t", "u", "", snapshots[-1], (), snapshots, True, {"main": count})


def files(*sizes: int, day: str = "1") -> tuple[DataFile, ...]:
    return tuple(DataFile(f"{day}/{i}", 1, size, 1, 1, {"d": day}) for i, size in enumerate(sizes))


def test_nothing_is_due_where_files_are_large_or_few() -> None:
    small, large = 1 * MIB, TARGET_BYTES
    work = plan_table(state(), Plan(files(*[large] * 9, *[small] * 4), False, 3), Layout(), NOW)
    assert (work.due, work.compaction, work.expire, work.why) == (False, None, (), [])
    assert (work.files, work.bytes, work.snapshots, work.manifests) == (
        13,
        9 * large + 4 * small,
        1,
        3,
    )


def test_small_files_of_a_day_become_few() -> None:
    lying = files(*[MIB] * 300, day="1") + files(*[MIB] * 4, day="2") + files(*[MIB] * 5, day="3")
    work = plan_table(state(), Plan(lying), Layout(sort=("k", "at")), NOW)
    assert work.compaction == Compaction(files=305, bytes=305 * MIB, partitions=2, after=4)
    assert work.sort == ("k", "at")
    assert work.why == ["305 files are smaller than 96 MiB, 1.0 MiB each"]


def test_snapshots_go_by_the_layouts_time_and_not_while_they_are_read() -> None:
    layout = Layout(keep=timedelta(minutes=10))
    work = plan_table(state(30), Plan(), layout, NOW)
    assert work.expire == tuple(range(1, 19))
    assert work.why == ["18 snapshots were superseded more than 0:10:00 ago"]
    held = plan_table(state(30), Plan(), layout, NOW, held={7})
    assert held.expire == tuple(i for i in range(1, 19) if i != 7)


def test_many_manifests_are_merged() -> None:
    assert not plan_table(state(), Plan((), False, MOST_MANIFESTS), Layout(), NOW).due
    work = plan_table(state(), Plan((), False, MOST_MANIFESTS + 1), Layout(), NOW)
    assert work.rewrite_manifests
    assert work.why == ["21 manifests are read to plan a query"]


def test_what_is_asked_for_is_due() -> None:
    work = plan_table(state(), Plan(), Layout(), NOW, (), Wanted(timedelta(days=3), True))
    assert work.orphans_before == NOW - timedelta(days=3)
    assert work.statistics
    assert len(work.why) == 2
