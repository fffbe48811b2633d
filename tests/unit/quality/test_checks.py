"""Checks of snapshots: what they find, what they record, what a gate keeps back."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pyiceberg.types import StringType
from shop import HOSTILE, START, sale, sales_table, total, totals_table, write

from lakehead.errors import UserError
from lakehead.lake.snapshots import SnapshotGone
from lakehead.quality.batch import branch_snapshot, open_batch
from lakehead.quality.check import check
from lakehead.quality.expectation import not_null
from lakehead.quality.gate import gate
from lakehead.quality.gx import evaluate
from lakehead.quality.suites import find_suite
from lakehead.quality.watch import check_new
from lakehead.query.engine import run
from lakehead.settings import Settings


def ask(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with run(settings, sql) as result:
        return result.fetchall()


def test_a_check_counts_shows_and_is_recorded(settings: Settings) -> None:
    table = sales_table(settings)
    first = write(table, [sale(0), sale(1)])
    with table.update_schema() as update:
        update.add_column("later", StringType())
    write(table, [sale(2, note=HOSTILE, amount=None), sale(3, qualify="lost")])
    suite = find_suite(settings, "sales")
    result = check(settings, suite)
    broken = {o.expectation: o for o in result.outcomes if not o.success}
    assert (result.success, result.branch, result.rows) == (False, "main", 4)
    assert set(broken) == {"note.length", "qualify.enum"}
    length = broken["note.length"]
    assert (length.checked, length.failed, length.percent) == (4, 1, 25.0)
    assert length.examples == [{"kafka_partition": 0, "kafka_offset": 2, "note": HOSTILE}]
    recorded = ask(settings, 'SELECT * FROM ops.quality WHERE NOT success ORDER BY "column"')
    assert [row[1:9] for row in recorded] == [
        ("landing.sales", result.snapshot_id, "main", "note.length", "note", 4, 1, False),
        ("landing.sales", result.snapshot_id, "main", "qualify.enum", "qualify", 4, 1, False),
    ]
    assert json.loads(recorded[0][9])["examples"] == length.examples
    # A column that came later is null in the snapshot of before.
    later = not_null("later")
    before = check(settings, replace(suite, expectations=(*suite.expectations, later)), first)
    assert (before.outcomes[-1].expectation, before.outcomes[-1].failed) == ("later.required", 2)
    before = check(settings, suite, first)
    assert (before.success, before.branch, before.rows) == (True, None, 2)
    assert ask(settings, "SELECT count(*) FROM ops.quality") == [(3 * len(suite.expectations) + 1,)]


def test_what_is_not_there_is_told(settings: Settings) -> None:
    suite = find_suite(settings, "sales")
    table = sales_table(settings)
    with pytest.raises(UserError, match=r"landing\.sales has no rows yet"):
        check(settings, suite)
    write(table, [sale(0)])
    with pytest.raises(UserError, match=r"landing\.sales has no snapshot 7"):
        check(settings, suite, 7)
    with pytest.raises(UserError, match=r"no branch 'staging'; it has main"):
        branch_snapshot(settings, "landing.sales", "staging")
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("note")
    with pytest.raises(UserError, match=r"no column 'note', of which note.length is"):
        check(settings, suite)


def test_a_gate_lets_a_sound_branch_pass_and_quarantines_what_is_not(settings: Settings) -> None:
    table, suite = totals_table(settings), find_suite(settings, "totals")
    published = write(table, [total(0, "a")])
    table.manage_snapshots().create_branch(published, "staging").commit()
    sound = write(table, [total(1, "a")], "staging")
    assert branch_snapshot(settings, "marts.totals", "staging") == sound
    passed = gate(settings, "marts.totals", sound, suite)
    assert (passed.passed, passed.quarantined, passed.failures) == (True, 0, [])
    assert (passed.check.branch, passed.check.rows) == ("staging", 2)
    bad = write(table, [total(2, HOSTILE, n=0), total(3, "b", n=-1, total=None)], "staging")
    for _ in range(2):
        result = gate(settings, "marts.totals", bad, suite)
        assert (result.passed, result.quarantined) == (False, 3)
        assert result.quarantine_table == "quarantine.totals"
        assert [o.says for o in result.failures] == ["n > 0", "total is not null"]
    rows = ask(settings, "FROM quarantine.totals ORDER BY expectation, row")
    assert {row[1:4] for row in rows} == {("marts.totals", bad, "staging")}
    assert [row[4] for row in rows] == ["expect.n > 0", "expect.n > 0", "expect.total is not null"]
    kept = [json.loads(row[5]) for row in rows]
    assert sorted(row["id"] for row in kept) == sorted([HOSTILE, "b", "b"])
    assert kept[0]["window_start"] == (START + timedelta(minutes=2)).isoformat()
    # Readers of the table have seen none of it.
    assert ask(settings, "SELECT count(*) FROM marts.totals") == [(1,)]
    with pytest.raises(UserError, match=r"the suite totals is of marts\.totals, expected one of"):
        gate(settings, "landing.sales", bad, suite)


def test_a_file_that_is_gone_is_told_as_an_expired_snapshot(settings: Settings) -> None:
    table = sales_table(settings)
    write(table, [sale(0)])
    suite = find_suite(settings, "sales")
    with open_batch(settings, suite) as batch:
        for file in settings.warehouse.rglob("*.parquet"):
            file.unlink()
        with pytest.raises(SnapshotGone):
            evaluate(suite, batch)
    assert list(check_new(settings, [suite])) == []


def test_new_snapshots_are_checked_by_their_new_files(settings: Settings) -> None:
    table, suites = sales_table(settings), [find_suite(settings, "sales")]
    assert list(check_new(settings, suites)) == []
    first = write(table, [sale(0), sale(1, note="")])
    (whole,) = check_new(settings, suites)
    assert {(o.checked, o.since) for o in whole.outcomes} == {(2, None)}
    assert list(check_new(settings, suites)) == []
    write(table, [sale(2), sale(2, amount=None)])
    (new,) = check_new(settings, suites)
    seen = {o.expectation: (o.checked, o.failed, o.since) for o in new.outcomes}
    # The old file's empty note was told before; a coordinate may be anywhere.
    assert seen["note.length"] == (2, 0, first)
    assert seen["kafka_partition+kafka_offset.unique"] == (4, 2, None)
    path = settings.schemas / "sales.yaml"
    path.write_text(path.read_text().replace("maxLength: 3}", "maxLength: 4}", 1))
    write(table, [sale(4)])
    (changed,) = check_new(settings, [find_suite(settings, "sales")])
    # A rule that is new has not seen the old files.
    seen = {o.expectation: (o.checked, o.failed) for o in changed.outcomes}
    assert (seen["note.length"], seen["amount.range"]) == ((5, 1), (1, 0))
