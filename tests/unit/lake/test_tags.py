"""A tag is one name for snapshots of one moment: all of it is there, or none."""

import threading
from pathlib import Path

import pytest
from lake_rows import some_rows
from pyiceberg.table import Table

from lakehead.errors import UserError
from lakehead.lake import tags as tags_module
from lakehead.lake.catalog import open_catalog
from lakehead.lake.refs import SetRef, change_refs
from lakehead.lake.snapshots import local_path, table_state, table_states
from lakehead.lake.tags import delete_tag, list_tags, make_tag
from lakehead.query.engine import run
from lakehead.settings import Settings

TABLES = ("landing.orders", "marts.m")


@pytest.fixture
def mart(settings: Settings, table: Table) -> Table:
    """``marts.m``, and ``landing.orders`` beside it, with a commit each; ``marts.empty``."""
    catalog = open_catalog(settings)
    catalog.create_namespace("marts")
    catalog.create_table("marts.empty", table.schema())
    made = catalog.create_table("marts.m", table.schema())
    made.append(some_rows(made, 0, 2))
    table.append(some_rows(table, 0, 3))
    return made


def newest(settings: Settings) -> dict[str, int | None]:
    return {name: state.snapshot_id for name, state in table_states(settings).items()}


def tagged(settings: Settings, name: str) -> dict[str, int]:
    return {n: s.tags[name] for n, s in table_states(settings).items() if name in s.tags}


def test_the_newest_snapshots_are_tagged_and_recorded(settings: Settings, mart: Table) -> None:
    done = make_tag(settings, "v1")
    assert done.left_out == ("marts.empty",)
    assert tagged(settings, "v1") == {n: i for n, i in newest(settings).items() if n in TABLES}
    assert {t.table: t.snapshot_id for t in done.tables} == tagged(settings, "v1")
    mart.refresh().append(some_rows(mart, 5, 1))
    assert tagged(settings, "v1") == {t.table: t.snapshot_id for t in done.tables}
    with run(settings, "SELECT tag, action, table_name, snapshot_id FROM ops.tags") as result:
        assert sorted(result.fetchall()) == [
            ("v1", "made", t.table, t.snapshot_id) for t in done.tables
        ]
    assert open_catalog(settings).load_table("marts.m").refs()["v1"].max_ref_age_ms is None


def test_tables_may_be_named(settings: Settings, mart: Table) -> None:
    assert [t.table for t in make_tag(settings, "v1", ["Marts.M"]).tables] == ["marts.m"]
    with pytest.raises(UserError, match=r"there is no table 'marts\.n'; did you mean marts\.m"):
        make_tag(settings, "v2", ["marts.n", "marts.m"])
    with pytest.raises(UserError, match=r"nothing to tag.*marts\.empty"):
        make_tag(settings, "v2", ["marts.empty"])
    assert tagged(settings, "v2") == {}


def test_a_dry_run_changes_nothing(settings: Settings, mart: Table) -> None:
    before = table_states(settings)
    assert [t.table for t in make_tag(settings, "v1", dry_run=True).tables] == list(TABLES)
    assert table_states(settings) == before
    make_tag(settings, "v1")
    before = table_states(settings)
    assert len(delete_tag(settings, "v1", dry_run=True).tables) == 2
    assert table_states(settings) == before


def test_a_name_is_given_once(settings: Settings, mart: Table) -> None:
    make_tag(settings, "v1", ["marts.m"])
    for dry_run in (True, False):
        with pytest.raises(UserError, match=r"there is a tag 'v1' already, of marts\.m"):
            make_tag(settings, "v1", ["landing.orders"], dry_run)
    assert list(tagged(settings, "v1")) == ["marts.m"]
    id_ = mart.refresh().current_snapshot().snapshot_id  # type: ignore[union-attr]
    mart.manage_snapshots().create_branch(id_, "audit").commit()
    with pytest.raises(UserError, match="there is a branch 'audit' already"):
        make_tag(settings, "audit")


@pytest.mark.parametrize("name", ["", "main", "rollback", "1st", "a b", "a=b", "x" * 101, "a/b"])
def test_a_name_that_is_none_is_refused(settings: Settings, mart: Table, name: str) -> None:
    with pytest.raises(UserError, match="is no name for a tag; expected a letter"):
        make_tag(settings, name)


def test_deleted_it_is_gone_from_all_tables_and_may_be_made_again(
    settings: Settings, mart: Table
) -> None:
    make_tag(settings, "v1")
    assert [t.table for t in delete_tag(settings, "v1").tables] == list(TABLES)
    assert tagged(settings, "v1") == {}
    assert list_tags(settings) == []
    with pytest.raises(UserError, match="there is no tag 'v1'; tags: none"):
        delete_tag(settings, "v1")
    make_tag(settings, "v1", ["marts.m"])
    [again] = list_tags(settings)
    assert [t.table for t in again.tables] == ["marts.m"] and again.whole


def test_what_is_gone_is_told(settings: Settings, mart: Table) -> None:
    make_tag(settings, "v1")
    make_tag(settings, "v2", ["landing.orders"])
    open_catalog(settings).drop_table("marts.m")
    first, second = list_tags(settings)
    assert (first.name, first.whole, second.whole) == ("v1", False, True)
    assert [t.table for t in first.tables if not t.kept] == ["marts.m"]


def test_a_tag_follows_a_table_that_is_renamed(settings: Settings, mart: Table) -> None:
    make_tag(settings, "v1", ["marts.m"])
    open_catalog(settings).rename_table("marts.m", "marts.m__1")
    [tag] = list_tags(settings)
    assert [t.table for t in tag.tables] == ["marts.m__1"] and tag.whole


def test_cut_short_before_it_was_recorded_it_is_recorded_by_tagging_again(
    settings: Settings, mart: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(tags_module, "record", killed)
        make_tag(settings, "v1")
    [unrecorded] = list_tags(settings)
    assert unrecorded.time is None and len(unrecorded.tables) == 2
    mart.refresh().append(some_rows(mart, 9, 1))
    assert make_tag(settings, "v1").tables == unrecorded.tables
    [tag] = list_tags(settings)
    assert tag.time is not None and tag.tables == unrecorded.tables


def test_no_half_of_a_tag_is_left(settings: Settings, mart: Table) -> None:
    before = table_states(settings)
    orders = before["landing.orders"].snapshot_id
    assert orders
    half = {"landing.orders": [SetRef("v1", orders)], "marts.m": [SetRef("v1", 12345)]}
    with pytest.raises(ValueError, match="unknown snapshot"):
        change_refs(settings, lambda _: half)
    assert table_states(settings) == before


def test_commits_beside_it_lose_nothing(settings: Settings, mart: Table, table: Table) -> None:
    commits = 15

    def stream(target: Table) -> None:
        for i in range(commits):
            target.append(some_rows(target, i, 1))

    own = [open_catalog(settings).load_table(name) for name in TABLES]
    writers = [threading.Thread(target=stream, args=(each,)) for each in own]
    for writer in writers:
        writer.start()
    made = [make_tag(settings, f"t{i}") for i in range(5)]
    for writer in writers:
        writer.join()
    for each, rows in zip(TABLES, (3, 2), strict=True):
        state = table_state(settings, each)
        assert state.summary["total-records"] == str(rows + commits)
        own_history = [s.id for s in state.snapshots]
        at = [own_history.index(t.snapshot_id) for m in made for t in m.tables if t.table == each]
        assert at == sorted(at)
        assert set(state.tags) == {m.name for m in made}


def test_old_metadata_is_removed_as_the_table_says(settings: Settings, table: Table) -> None:
    keep = {
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "3",
    }
    with table.transaction() as change:
        change.set_properties(keep)
    table.append(some_rows(table, 0, 1))
    for i in range(6):
        make_tag(settings, f"t{i}")
    state = table_state(settings, "landing.orders")
    folder = Path(local_path(state.metadata_location)).parent
    assert len(list(folder.glob("*.metadata.json"))) == 4
