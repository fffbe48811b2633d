"""The state read from SQLite and JSON is what pyiceberg says it is."""

import gzip
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from lake_rows import some_rows
from pyiceberg.table import Table

from lakehead.errors import SystemFailure, UserError
from lakehead.lake import catalog, snapshots
from lakehead.lake.snapshots import (
    SnapshotGone,
    list_tables,
    local_path,
    table_state,
    table_states,
)
from lakehead.settings import Settings

Grown = tuple[Settings, Table]


def test_one_catalog_name() -> None:
    assert snapshots.CATALOG == catalog.CATALOG


def test_lists_tables(grown: Grown) -> None:
    assert list_tables(grown[0]) == ["landing.orders", "marts.empty"]


def test_state_equals_pyiceberg(grown: Grown) -> None:
    settings, table = grown
    state = table_state(settings, "landing.orders")
    current = table.current_snapshot()
    assert current is not None and current.summary is not None
    assert state.uuid == str(table.metadata.table_uuid)
    assert state.snapshot_id == current.snapshot_id
    assert state.sequence_number == current.sequence_number
    assert state.metadata_location == table.metadata_location
    assert state.committed_at is not None
    assert round(state.committed_at.timestamp() * 1000) == current.timestamp_ms
    assert state.summary["total-records"] == current.summary.additional_properties["total-records"]
    assert [(f.id, f.name, f.type) for f in state.fields] == [
        (f.field_id, f.name, str(f.field_type)) for f in table.schema().fields
    ]
    assert [(s.id, s.sequence_number) for s in state.snapshots] == [
        (s.snapshot_id, s.sequence_number) for s in table.metadata.snapshots
    ]
    assert state.refs == {"main": current.snapshot_id}


def test_time_travel_has_the_schema_of_then(settings: Settings, table: Table) -> None:
    table.append(some_rows(table, 0, 2))
    first = table.current_snapshot()
    assert first is not None
    with table.update_schema() as update:
        update.rename_column("note", "remark")
    table.append(some_rows(table, 2, 2).rename_columns(["id", "at", "remark"]))
    now = table_state(settings, "landing.orders")
    then = table_state(settings, "landing.orders", first.snapshot_id)
    assert [f.name for f in now.fields] == ["id", "at", "remark"]
    assert [f.name for f in then.fields] == ["id", "at", "note"]
    assert (then.snapshot_id, then.sequence_number) == (first.snapshot_id, 1)


def test_empty_table_has_no_snapshot(grown: Grown) -> None:
    state = table_state(grown[0], "marts.empty")
    assert (state.snapshot_id, state.sequence_number, state.committed_at) == (None, 0, None)
    assert state.summary == {}


def test_no_lake(settings: Settings) -> None:
    with pytest.raises(UserError, match="there is no lake yet") as caught:
        list_tables(settings)
    assert caught.value.hint == "lakehead demo"
    assert not settings.home.exists()


def test_empty_catalog_file_is_no_lake(settings: Settings) -> None:
    settings.catalog_db.parent.mkdir(parents=True)
    settings.catalog_db.touch()
    with pytest.raises(UserError, match="there is no lake yet"):
        list_tables(settings)


def test_catalog_that_is_no_database(settings: Settings) -> None:
    settings.catalog_db.parent.mkdir(parents=True)
    settings.catalog_db.write_text("not a database, but long enough to be looked at" * 50)
    with pytest.raises(SystemFailure, match="cannot be read"):
        list_tables(settings)


@pytest.mark.parametrize("name", ["landing.ordrs", "orders", "marts.orders", "LANDING.ORDER"])
def test_unknown_table_suggests(grown: Grown, name: str) -> None:
    with pytest.raises(UserError) as caught:
        table_state(grown[0], name)
    assert repr(name) in caught.value.message
    assert "did you mean landing.orders" in caught.value.message
    assert "marts.empty" in caught.value.message


def test_unknown_snapshot_names_the_newest(grown: Grown) -> None:
    settings, table = grown
    current = table.current_snapshot()
    assert current is not None
    with pytest.raises(UserError, match="no snapshot 42") as caught:
        table_state(settings, "landing.orders", 42)
    assert str(current.snapshot_id) in caught.value.message
    with pytest.raises(UserError, match="nothing was committed"):
        table_state(settings, "marts.empty", 42)


def test_lost_metadata_is_a_system_failure(settings: Settings, table: Table) -> None:
    Path(local_path(table.metadata_location)).unlink()
    with pytest.raises(SnapshotGone, match="is gone"):
        table_state(settings, "landing.orders")


def test_broken_metadata_is_a_system_failure(settings: Settings, table: Table) -> None:
    Path(local_path(table.metadata_location)).write_text('{"half":')
    with pytest.raises(SystemFailure, match="cannot be read"):
        table_state(settings, "landing.orders")


def test_gzipped_metadata(settings: Settings, table: Table) -> None:
    plain = Path(local_path(table.metadata_location))
    zipped = plain.with_name(plain.name.replace(".metadata.json", ".gz.metadata.json"))
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    with sqlite3.connect(settings.catalog_db) as db:
        db.execute("UPDATE iceberg_tables SET metadata_location = ?", (f"file:{zipped}",))
    assert table_state(settings, "landing.orders").uuid == str(table.metadata.table_uuid)


def test_a_metadata_file_dropped_while_reading_is_read_anew(
    settings: Settings, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = snapshots._locations
    stale = [{"landing.orders": "file:///no/longer/here.metadata.json"}]
    monkeypatch.setattr(snapshots, "_locations", lambda s: stale.pop() if stale else real(s))
    assert table_states(settings)["landing.orders"].metadata_location == table.metadata_location


def test_journal_of_a_killed_writer_is_rolled_back(settings: Settings, table: Table) -> None:
    db = sqlite3.connect(settings.catalog_db, isolation_level=None)
    db.execute("PRAGMA cache_size = 1")
    db.execute("CREATE TABLE filler (text)")
    db.executemany("INSERT INTO filler VALUES (?)", [("x" * 2000,)] * 100)
    db.execute("BEGIN")
    db.execute("UPDATE filler SET text = text || 'y'")
    db.execute("UPDATE iceberg_tables SET metadata_location = 'file:///half/done'")
    killed = replace(settings, home=settings.home.parent / "killed")
    shutil.copytree(settings.catalog_db.parent, killed.catalog_db.parent)
    db.close()
    assert killed.catalog_db.with_name("catalog.db-journal").exists()
    assert table_state(killed, "landing.orders").metadata_location == table.metadata_location


@pytest.mark.parametrize("location", ["file:///a b/c", "file:/a b/c", "/a b/c"])
def test_local_path(location: str) -> None:
    assert local_path(location) == "/a b/c"


def test_an_object_store_is_refused() -> None:
    with pytest.raises(UserError, match="s3://bucket/x"):
        local_path("s3://bucket/x")


def test_imports_nothing_heavy() -> None:
    code = "import sys, lakehead.lake.snapshots, lakehead.lake.plan; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert loaded.returncode == 0
    assert not {"pyiceberg", "pyarrow", "fastavro", "duckdb"} & set(loaded.stdout.split())
