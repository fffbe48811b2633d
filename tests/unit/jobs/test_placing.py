"""Which versions of its models a job should run, and what is said of each."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from job_project import submitted, write

from lakehead.contracts.load import load_contract
from lakehead.errors import UserError
from lakehead.jobs import records
from lakehead.jobs.live import filling_version, live_bound
from lakehead.jobs.placing import Placed, place
from lakehead.jobs.plan import plan, plan_job
from lakehead.jobs.records import Desired
from lakehead.jobs.versions import (
    Replays,
    Version,
    bound_again,
    differences,
    meaning,
    version_of,
)
from lakehead.models.load import bound_models
from lakehead.settings import Settings


def placed(project: Settings, before: Desired | None) -> Placed:
    contract = load_contract(project.schemas, "orders")
    return place(project, contract, bound_models(project, "orders"), before)


def test_a_job_that_never_ran_begins_with_its_models_at_the_start_of_the_topic(
    project: Settings,
) -> None:
    [part] = placed(project, None).parts
    assert (part.version.live, part.version.since, part.version.table) == (True, None, "marts.sold")


def test_a_model_that_means_the_same_keeps_its_state(project: Settings) -> None:
    before = submitted(project)
    write(project, description="said in other words", select="country,\n  sum(quantity) AS units")
    found = placed(project, before)
    [change] = found.changes
    assert (change.change, change.state) == ("unchanged", "kept")
    assert found.parts[0].version.uid == before.models[0].uid
    again = plan(project, "orders")[0]
    assert again.change == "none"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"where": "WHERE quantity > 1"}, ("filter added: WHERE quantity > 1",)),
        ({"where": "WHERE price > 1"}, ("filter added: WHERE price > 1",)),
        ({"window": "20"}, ("window: tumble 0:00:10 becomes tumble 0:00:20",)),
        (
            {"select": "country, MAX(quantity) AS units"},
            ("column units: SUM(quantity) as long becomes MAX(quantity) as long",),
        ),
        (
            {
                "select": "country, SUM(quantity) AS units, COUNT(*) AS lines",
                "columns": "country: string, units: long, lines: long",
            },
            ("column lines added: COUNT(*) as long",),
        ),
    ],
)
def test_a_changed_model_fills_a_table_of_its_own_beside_the_one_before(
    project: Settings, changes: dict[str, str], said: tuple[str, ...]
) -> None:
    before = submitted(project)
    write(project, **changes)
    found = placed(project, before)
    old, new = (part.version for part in found.parts)
    assert old == before.models[0]
    assert (new.live, new.generation) == (False, 2)
    assert new.table == f"marts.sold__{new.version}"
    seconds = 20 if "window" in changes else 10
    assert new.begins == datetime(2026, 1, 1, 12, 0, seconds, tzinfo=UTC)
    [change] = found.changes
    assert (change.change, change.what) == ("changed", said)


def test_the_one_before_goes_on_from_its_state_while_the_new_one_fills(project: Settings) -> None:
    before = submitted(project)
    write(project, where="WHERE quantity > 1")
    job, desired = plan(project, "orders")
    assert job.change == "changed"
    written = {i.uid: i.sql for i in desired.spec.inserts}
    assert before.models[0].uid in written
    assert written[before.models[0].uid] == before.spec.inserts[2].sql
    assert desired.models[1].uid in written


def test_submitted_again_the_new_version_stays_the_one_that_fills(project: Settings) -> None:
    submitted(project)
    write(project, where="WHERE quantity > 1")
    desired = plan(project, "orders")[1]
    noted = replace(desired.models[1], horizon="2026-01-01T12:00:30+00:00")
    records.write_desired(project, replace(desired, models=(desired.models[0], noted)))
    again, same = plan(project, "orders")
    assert again.change == "none"
    assert same.models[1] == noted
    [change] = again.versions
    assert (change.change, change.takes_over_at) == ("filling", "2026-01-01T12:00:30+00:00")


def test_taken_back_before_it_took_over_the_new_version_is_dropped(project: Settings) -> None:
    before = submitted(project)
    write(project, where="WHERE quantity > 1")
    changed = plan(project, "orders")[1]
    records.write_desired(project, changed)
    write(project)
    planned = plan_job(project, "orders", True, None)
    assert planned.desired.models == before.models
    assert planned.placed.dropped == (changed.models[1].table,)


def test_a_model_that_is_gone_leaves_its_table(project: Settings) -> None:
    before = submitted(project)
    (project.pipelines / "sold.sql").unlink()
    found = placed(project, before)
    assert found.parts == ()
    [change] = found.changes
    assert (change.change, change.kept) == ("removed", "marts.sold")


def test_a_contract_that_the_running_version_cannot_read_is_refused(project: Settings) -> None:
    before = submitted(project)
    path = project.schemas / "orders.yaml"
    path.write_text(path.read_text().replace("name: country", "name: land"))
    write(
        project,
        keys="land",
        columns="land: string, units: long",
        select="land, SUM(quantity) AS units",
    )
    with pytest.raises(UserError, match="the version of sold that runs cannot read the contract"):
        placed(project, before)


def test_a_wider_type_is_another_version(project: Settings) -> None:
    [one] = bound_models(project, "orders")
    path = project.schemas / "orders.yaml"
    wider = path.read_text().replace("physicalType: int\n", "physicalType: long\n")
    assert wider != path.read_text()
    path.write_text(wider)
    [other] = bound_models(project, "orders")
    assert version_of(meaning(one)) != version_of(meaning(other))
    assert differences(meaning(one), meaning(other)) == (
        "type of orders.quantity: int becomes long",
    )


def test_a_version_is_bound_again_as_it_was_recorded(project: Settings) -> None:
    recorded = json.loads(json.dumps(vars(submitted(project).models[0])))
    contract = load_contract(project.schemas, "orders")
    again = bound_again(Version(**recorded), {"orders": contract})
    assert meaning(again) == recorded["meaning"]


def test_a_parallelism_is_kept_and_bounded_by_the_slots(project: Settings) -> None:
    submitted(project)
    desired = plan(project, "orders", parallelism=3)[1]
    assert desired.spec.config["parallelism.default"] == "3"
    records.write_desired(project, desired)
    assert plan(project, "orders")[0].change == "none"
    with pytest.raises(UserError, match="expected 1 to 16"):
        plan(project, "orders", parallelism=17)


def test_what_is_live_is_what_was_submitted_until_the_new_version_takes_over(
    project: Settings,
) -> None:
    before = submitted(project)
    write(project, where="WHERE quantity > 1")
    assert meaning(live_bound(project, "sold")) == before.models[0].meaning
    records.write_desired(project, plan(project, "orders")[1])
    assert meaning(live_bound(project, "sold")) == before.models[0].meaning
    filling = filling_version(project, "sold")
    assert filling and filling.meaning["where"] == "WHERE quantity > 1"


def test_a_model_that_no_version_feeds_is_not_live(project: Settings) -> None:
    before = submitted(project)
    filling = replace(before.models[0], live=False)
    records.write_desired(project, replace(before, models=(filling,)))
    with pytest.raises(UserError, match="no version of sold has its table now"):
        live_bound(project, "sold")


def test_what_was_never_submitted_is_what_the_file_says(project: Settings) -> None:
    assert live_bound(project, "sold").model.table == "marts.sold"


def test_a_row_that_comes_late_is_never_left_to_the_batch(project: Settings) -> None:
    before = submitted(project)
    (project.pipelines / "lines.sql").write_text(
        "/*\nmodel: lines\nstream: orders\nkind: rows\n"
        "output:\n  table: marts.lines\n  columns: {country: string}\n*/\n"
        "SELECT country FROM orders WHERE quantity > 5\n"
    )
    found = placed(project, before)
    assert [c.change for c in found.changes] == ["added", "unchanged"]
    assert found.parts[0].version.since is None
    assert found.changes[0].takes_over_at == "2026-01-01T12:00:03.001000+00:00"


def replaying(project: Settings, start: str | None = None) -> Placed:
    contract = load_contract(project.schemas, "orders")
    models = bound_models(project, "orders")
    before = records.read_desired(project, "orders")
    return place(project, contract, models, before, Replays({"sold": start}))


def filled(project: Settings) -> Desired:
    """A replay of the model that has begun and is recorded."""
    submitted(project)
    desired = plan(project, "orders", replays=Replays({"sold": None}))[1]
    records.write_desired(project, desired)
    return desired


def test_a_replay_means_the_same_and_has_a_state_and_a_table_of_its_own(project: Settings) -> None:
    before = submitted(project)
    found = replaying(project, "2026-01-01T12:00:00+00:00")
    old, new = (part.version for part in found.parts)
    assert old == before.models[0]
    assert (new.meaning, new.live, new.replays) == (old.meaning, False, 1)
    assert new.uid != old.uid
    assert new.table == f"marts.sold__{old.version}_1"
    assert new.replayed_since == datetime(2026, 1, 1, 12, tzinfo=UTC)
    [change] = found.changes
    assert (change.change, change.state, change.what) == ("replayed", "rebuilt from the lake", ())


def test_a_replay_goes_on_when_it_is_asked_for_again_or_when_anything_is_submitted(
    project: Settings,
) -> None:
    desired = filled(project)
    assert plan(project, "orders")[1].models == desired.models
    again = replaying(project)
    assert tuple(p.version for p in again.parts) == desired.models
    assert [c.change for c in again.changes] == ["filling"]


def test_a_replay_from_another_time_takes_the_place_of_the_one_that_fills(
    project: Settings,
) -> None:
    desired = filled(project)
    found = replaying(project, "2026-01-01T12:00:00+00:00")
    assert found.parts[1].version.replays == 2
    assert found.dropped == (desired.models[1].table,)


def test_a_replay_is_given_up_without_a_trace(project: Settings) -> None:
    desired = filled(project)
    contract = load_contract(project.schemas, "orders")
    given_up = Replays(abandoned=frozenset(["sold"]))
    found = place(project, contract, bound_models(project, "orders"), desired, given_up)
    assert [p.version for p in found.parts] == [desired.models[0]]
    assert found.dropped == (desired.models[1].table,)


def test_a_change_of_the_model_is_more_than_its_replay(project: Settings) -> None:
    desired = filled(project)
    write(project, where="WHERE quantity > 1")
    planned = plan_job(project, "orders", True, None)
    [change] = planned.plan.versions
    assert (change.change, planned.desired.models[1].replays) == ("changed", 0)
    assert planned.placed.dropped == (desired.models[1].table,)
