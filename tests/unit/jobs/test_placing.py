"""Which versions of its models a job should run, and what is said of each."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehead.contracts.load import load_contract
from lakehead.errors import UserError
from lakehead.jobs import placing, records
from lakehead.jobs.live import filling_version, live_bound
from lakehead.jobs.placing import Placed, place
from lakehead.jobs.plan import plan, plan_job
from lakehead.jobs.records import Attempt, Desired, Observed
from lakehead.jobs.versions import bound_again, meaning, version_of
from lakehead.models.load import bound_models
from lakehead.settings import INSTALL_ROOT, Settings

MODEL = """/*
model: sold
description: {description}
stream: orders
window: {{tumble: {window} seconds}}
keys: [{keys}]
output:
  table: {table}
  columns: {{{columns}}}
*/
SELECT {select}
FROM orders {where} GROUP BY {keys}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project with one model, and rows that are landed up to a known moment."""
    shutil.copytree(INSTALL_ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "pipelines").mkdir()
    newest = datetime(2026, 1, 1, 12, 0, 3, tzinfo=UTC)
    monkeypatch.setattr(placing, "newest_landed", lambda *_: newest)
    settings = Settings(home=tmp_path / "home", project=tmp_path)
    write(settings)
    return settings


def write(home: Settings, **changes: str) -> None:
    given = {
        "description": "what sold",
        "window": "10",
        "keys": "country",
        "table": "marts.sold",
        "columns": "country: string, units: long",
        "select": "country, SUM(quantity) AS units",
        "where": "",
    }
    (home.pipelines / "sold.sql").write_text(MODEL.format(**(given | changes)))


def placed(home: Settings, before: Desired | None) -> Placed:
    contract = load_contract(home.schemas, "orders")
    return place(home, contract, bound_models(home, "orders"), before)


def submitted(home: Settings) -> Desired:
    """What is desired once the model was submitted, and the job has run."""
    desired = plan(home, "orders")[1]
    records.write_desired(home, desired)
    attempt = Attempt("a" * 32, desired.generation, desired.spec.fingerprint(), 0.0, seen=True)
    observed = Observed("orders", state="running", generation=1, attempts=(attempt,))
    records.write_observed(home, observed)
    return desired


def test_a_job_that_never_ran_begins_with_its_models_at_the_start_of_the_topic(
    home: Settings,
) -> None:
    [part] = placed(home, None).parts
    assert (part.version.live, part.version.since, part.version.table) == (True, None, "marts.sold")


def test_a_model_that_means_the_same_keeps_its_state(home: Settings) -> None:
    before = submitted(home)
    write(home, description="said in other words", select="country,\n  sum(quantity) AS units")
    found = placed(home, before)
    [change] = found.changes
    assert (change.change, change.state) == ("unchanged", "kept")
    assert found.parts[0].version.uid == before.models[0].uid
    again = plan(home, "orders")[0]
    assert again.change == "none"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"where": "WHERE quantity > 1"}, ("filter added: WHERE quantity > 1",)),
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
    home: Settings, changes: dict[str, str], said: tuple[str, ...]
) -> None:
    before = submitted(home)
    write(home, **changes)
    found = placed(home, before)
    old, new = (part.version for part in found.parts)
    assert old == before.models[0]
    assert (new.live, new.generation) == (False, 2)
    assert new.table == f"marts.sold__{new.version}"
    seconds = 20 if "window" in changes else 10
    assert new.begins == datetime(2026, 1, 1, 12, 0, seconds, tzinfo=UTC)
    [change] = found.changes
    assert (change.change, change.what) == ("changed", said)


def test_the_one_before_goes_on_from_its_state_while_the_new_one_fills(home: Settings) -> None:
    before = submitted(home)
    write(home, where="WHERE quantity > 1")
    job, desired = plan(home, "orders")
    assert job.change == "changed"
    written = {i.uid: i.sql for i in desired.spec.inserts}
    assert before.models[0].uid in written
    assert written[before.models[0].uid] == before.spec.inserts[2].sql
    assert desired.models[1].uid in written


def test_submitted_again_the_new_version_stays_the_one_that_fills(home: Settings) -> None:
    submitted(home)
    write(home, where="WHERE quantity > 1")
    desired = plan(home, "orders")[1]
    noted = replace(desired.models[1], horizon="2026-01-01T12:00:30+00:00")
    records.write_desired(home, replace(desired, models=(desired.models[0], noted)))
    again, same = plan(home, "orders")
    assert again.change == "none"
    assert same.models[1] == noted
    [change] = again.versions
    assert (change.change, change.takes_over_at) == ("filling", "2026-01-01T12:00:30+00:00")


def test_taken_back_before_it_took_over_the_new_version_is_dropped(home: Settings) -> None:
    before = submitted(home)
    write(home, where="WHERE quantity > 1")
    changed = plan(home, "orders")[1]
    records.write_desired(home, changed)
    write(home)
    planned = plan_job(home, "orders", True, None)
    assert planned.desired.models == before.models
    assert planned.placed.dropped == (changed.models[1].table,)


def test_a_model_that_is_gone_leaves_its_table(home: Settings) -> None:
    before = submitted(home)
    (home.pipelines / "sold.sql").unlink()
    found = placed(home, before)
    assert found.parts == ()
    [change] = found.changes
    assert (change.change, change.kept) == ("removed", "marts.sold")


def test_a_contract_that_the_running_version_cannot_read_is_refused(home: Settings) -> None:
    before = submitted(home)
    path = home.schemas / "orders.yaml"
    path.write_text(path.read_text().replace("name: country", "name: land"))
    write(
        home,
        keys="land",
        columns="land: string, units: long",
        select="land, SUM(quantity) AS units",
    )
    with pytest.raises(UserError, match="the version of sold that runs cannot read the contract"):
        placed(home, before)


def test_a_wider_type_is_another_version(home: Settings) -> None:
    [one] = bound_models(home, "orders")
    path = home.schemas / "orders.yaml"
    wider = path.read_text().replace("physicalType: int\n", "physicalType: long\n")
    assert wider != path.read_text()
    path.write_text(wider)
    [other] = bound_models(home, "orders")
    assert version_of(meaning(one)) != version_of(meaning(other))


def test_a_version_is_bound_again_as_it_was_recorded(home: Settings) -> None:
    recorded = json.loads(json.dumps(vars(submitted(home).models[0])))
    contract = load_contract(home.schemas, "orders")
    again = bound_again(type(placed(home, None).parts[0].version)(**recorded), {"orders": contract})
    assert meaning(again) == recorded["meaning"]


def test_a_parallelism_is_kept_and_bounded_by_the_slots(home: Settings) -> None:
    submitted(home)
    desired = plan(home, "orders", parallelism=3)[1]
    assert desired.spec.config["parallelism.default"] == "3"
    records.write_desired(home, desired)
    assert plan(home, "orders")[0].change == "none"
    with pytest.raises(UserError, match="expected 1 to 16"):
        plan(home, "orders", parallelism=17)


def test_what_is_live_is_what_was_submitted_until_the_new_version_takes_over(
    home: Settings,
) -> None:
    before = submitted(home)
    write(home, where="WHERE quantity > 1")
    assert meaning(live_bound(home, "sold")) == before.models[0].meaning
    records.write_desired(home, plan(home, "orders")[1])
    assert meaning(live_bound(home, "sold")) == before.models[0].meaning
    filling = filling_version(home, "sold")
    assert filling and filling.meaning["where"] == "WHERE quantity > 1"


def test_a_model_that_no_version_feeds_is_not_live(home: Settings) -> None:
    before = submitted(home)
    filling = replace(before.models[0], live=False)
    records.write_desired(home, replace(before, models=(filling,)))
    with pytest.raises(UserError, match="no version of sold has its table now"):
        live_bound(home, "sold")


def test_what_was_never_submitted_is_what_the_file_says(home: Settings) -> None:
    assert live_bound(home, "sold").model.table == "marts.sold"


def test_a_row_that_comes_late_is_never_left_to_the_batch(home: Settings) -> None:
    before = submitted(home)
    (home.pipelines / "lines.sql").write_text(
        "/*\nmodel: lines\nstream: orders\nkind: rows\n"
        "output:\n  table: marts.lines\n  columns: {country: string}\n*/\n"
        "SELECT country FROM orders WHERE quantity > 5\n"
    )
    found = placed(home, before)
    assert [c.change for c in found.changes] == ["added", "unchanged"]
    assert found.parts[0].version.since is None
    assert found.changes[0].takes_over_at == "2026-01-01T12:00:03.001000+00:00"
