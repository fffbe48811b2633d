"""A version takes over and is rolled back, as far as records and catalog go: no engine runs."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from job_project import submitted, write

from lakehead.contracts.load import load_contract
from lakehead.errors import UserError
from lakehead.jobs import records
from lakehead.jobs.plan import plan, plan_job
from lakehead.jobs.records import Desired
from lakehead.jobs.rollback import rollback
from lakehead.jobs.tables import drop_tables, make_tables
from lakehead.jobs.takeover import TakeOver
from lakehead.jobs.versions import Replays, Version
from lakehead.lake.snapshots import list_tables, table_state
from lakehead.lake.swap import rename_tables
from lakehead.settings import Settings

WIDER = {
    "columns": "country: string, units: long, lines: long",
    "select": "country, SUM(quantity) AS units, COUNT(*) AS lines",
}


def columns(project: Settings, table: str = "marts.sold") -> list[str]:
    return [f.name for f in table_state(project, table).fields]


def make(project: Settings, desired: Desired) -> None:
    """The tables of what is desired, and its record: what submit does but for the engines."""
    planned = plan_job(project, "orders", True, None)
    coming = {r.target for r in desired.renames}
    make_tables(project, planned.contract, planned.placed.parts, True, coming)
    records.write_desired(project, desired)
    drop_tables(project, planned.placed.dropped)


@pytest.fixture
def filling(project: Settings) -> Iterator[Desired]:
    """A job that has run, with a changed model that fills its table."""
    make(project, submitted(project))
    write(project, **WIDER)
    changed = plan(project, "orders")[1]
    make(project, changed)
    yield changed


def swap(project: Settings) -> Desired:
    taking = TakeOver(project, "orders", lambda _: None)
    taking._swap([v for v in taking._desired().models if not v.live])
    return taking._desired()


def test_readers_see_the_table_before_until_the_names_are_swapped(
    project: Settings, filling: Desired
) -> None:
    old, new = filling.models
    assert "lines" not in columns(project)
    assert "lines" in columns(project, new.table)
    desired = swap(project)
    assert "lines" not in columns(project)
    assert rename_tables(project, desired.renames)
    assert "lines" in columns(project)
    assert "lines" not in columns(project, f"marts.sold__{old.version}")
    assert new.table not in list_tables(project)


def test_the_version_that_took_over_goes_on_under_its_own_ids(
    project: Settings, filling: Desired
) -> None:
    old, new = filling.models
    desired = swap(project)
    [live] = desired.models
    assert live == replace(new, live=True, table="marts.sold", kept=f"marts.sold__{old.version}")
    assert [i.uid for i in desired.spec.inserts[2:]] == [new.uid]
    assert "`marts`.`sold`" in desired.spec.inserts[2].sql
    assert desired.generation == filling.generation + 1


def test_submitted_again_before_the_controller_came_to_it_the_renames_are_kept(
    project: Settings, filling: Desired
) -> None:
    desired = swap(project)
    again = plan(project, "orders")
    assert again[0].change == "none"
    assert again[1].renames == desired.renames
    make(project, again[1])
    rename_tables(project, again[1].renames)
    assert plan(project, "orders")[1].renames == ()
    assert "lines" in columns(project)


def test_a_change_that_is_taken_back_leaves_no_table(project: Settings, filling: Desired) -> None:
    write(project)
    make(project, plan(project, "orders")[1])
    assert list_tables(project) == ["landing.orders", "landing.orders_dead", "marts.sold"]


def test_changed_back_the_first_version_fills_another_table(
    project: Settings, filling: Desired
) -> None:
    rename_tables(project, swap(project).renames)
    write(project)
    old, new = plan(project, "orders")[1].models
    assert new.version == filling.models[0].version
    assert new.table == f"marts.sold__{new.version}_2"
    assert old.live


def test_a_rollback_gives_the_table_back_and_feeds_it_no_more(
    project: Settings, filling: Desired
) -> None:
    desired = swap(project)
    rename_tables(project, desired.renames)
    records.write_desired(project, replace(desired, run=False))
    done = rollback(project, "sold")
    assert "lines" not in columns(project)
    assert "lines" in columns(project, done.aside)
    rolled = records.read_desired(project, "orders")
    assert rolled and rolled.models == ()
    [change] = plan(project, "orders")[0].versions
    assert (change.change, change.kept) == ("added", "marts.sold__before")


def test_without_an_earlier_table_there_is_no_way_back(project: Settings) -> None:
    make(project, submitted(project))
    with pytest.raises(UserError, match="sold has no earlier table"):
        rollback(project, "sold")
    with pytest.raises(UserError, match="no job has a model 'bought' that is live; jobs have sold"):
        rollback(project, "bought")


def test_an_output_that_moves_takes_its_table_along(project: Settings) -> None:
    make(project, submitted(project))
    write(project, table="marts.sales")
    done, desired = plan(project, "orders")
    assert [c.change for c in done.versions] == ["moved"]
    make(project, desired)
    assert rename_tables(project, desired.renames)
    assert list_tables(project) == ["landing.orders", "landing.orders_dead", "marts.sales"]
    assert load_contract(project.schemas, "orders").landing_table == "landing.orders"


@pytest.fixture
def replayed(project: Settings) -> Iterator[Version]:
    """A job that has run, with a replay of its model whose batch is done."""
    make(project, submitted(project))
    replays = Replays({"sold": None})
    planned = plan_job(project, "orders", True, None, replays)
    make_tables(project, planned.contract, planned.placed.parts, True, set())
    records.write_desired(project, planned.desired)
    yield planned.desired.models[1]


def test_a_replay_does_not_take_over_unchecked(project: Settings, replayed: Version) -> None:
    left = TakeOver(project, "orders", lambda _: None).run(0)
    assert [str(w) for w in left] == [
        "sold is being replayed, and takes over when it is checked; then: lakehead replay sold"
    ]


def test_a_replay_that_fails_its_check_does_not_take_over(
    project: Settings, replayed: Version
) -> None:
    asked: list[Version] = []

    def refuse(version: Version) -> None:
        asked.append(version)
        raise UserError("not equal")

    taking = TakeOver(project, "orders", lambda _: None, refuse)
    assert taking._filling() == [replayed]
    with pytest.raises(UserError, match="not equal"):
        taking._check_replays(taking._filling())
    assert asked == [replayed]
    assert [v.live for v in taking._desired().models] == [True, False]


def test_a_replay_takes_over_and_the_table_before_is_kept(
    project: Settings, replayed: Version
) -> None:
    taking = TakeOver(project, "orders", lambda _: None, lambda _: None)
    taking._swap(taking._filling())
    desired = taking._desired()
    assert rename_tables(project, desired.renames)
    [live] = desired.models
    assert live.kept in list_tables(project)
    again = plan(project, "orders")[0]
    assert again.change == "none"
    [change] = again.versions
    assert change.change == "unchanged"
