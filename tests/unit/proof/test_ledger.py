"""The ledger: what commits said is kept when their snapshots and files have gone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.expressions import AlwaysTrue

from lakehead.deadletters.ledger import opened
from lakehead.deadletters.log import Outgoing, Producer
from lakehead.errors import NotRunning
from lakehead.jobs.records import Observed, write_observed
from lakehead.lake.catalog import open_catalog
from lakehead.proof import ledger
from lakehead.proof.ledger import inherit_closings, record
from lakehead.proof.parity import parity
from lakehead.query.engine import run
from tests.draws import draws
from tests.small_lake import Lake, at, event, make_lake, window

EXPLAINED = {"different": 1, "explained_by_late": 1, "unexplained": 0}


def make(folder: Path) -> Lake:
    lake = make_lake(folder)
    lake.model()
    lake.feed()
    return lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return make(tmp_path)


def die(lake: Lake, *offsets: int, checkpoint: int) -> None:
    rows = [
        {
            "cause": "amount.minimum",
            "kafka_partition": 0,
            "kafka_offset": o,
            "kafka_timestamp": at(o),
        }
        for o in offsets
    ]
    lake.append("landing.orders_dead", rows, checkpoint)


def rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    with run(lake.settings, sql) as result:
        return result.fetchall()


RANGES = (
    "SELECT kafka_partition, checkpoint, first_offset, next_offset, landed, late, dead, empty"
    " FROM ops.ledger ORDER BY ALL"
)


def test_ranges_lie_end_to_end(lake: Lake) -> None:
    lake.land(event(0, 0), event(2, 1), event(0, 1, kafka_partition=1), checkpoint=1)
    die(lake, 1, 3, checkpoint=1)
    lake.land(event(4, 20), event(5, 2, 10), checkpoint=2)
    die(lake, checkpoint=2)
    done = record(lake.settings, "orders")
    assert (done.ranges, done.checkpoint) == (3, 2)
    assert rows(lake, RANGES) == [
        (0, 1, 0, 4, 2, 0, 2, 0),
        (0, 2, 4, 6, 2, 1, 0, 0),
        (1, 1, 0, 1, 1, 0, 0, 0),
    ]


def test_what_was_written_is_not_written_again(lake: Lake) -> None:
    lake.land(event(0, 0), checkpoint=1)
    die(lake, checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    first = record(lake.settings, "orders")
    assert (first.ranges, first.closings) == (1, 1)
    again = record(lake.settings, "orders")
    assert (again.ranges, again.closings, again.checkpoint) == (0, 0, 1)


def test_a_checkpoint_that_one_table_lacks_is_waited_for(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 0), checkpoint=1)
    die(lake, checkpoint=1)
    lake.land(event(3, 0), checkpoint=2)
    assert record(lake.settings, "orders").checkpoint == 1
    die(lake, 2, checkpoint=2)
    assert record(lake.settings, "orders").checkpoint == 2
    assert rows(lake, RANGES)[1] == (0, 2, 2, 4, 1, 0, 1, 0)


def test_a_job_that_has_stopped_has_committed_all(lake: Lake) -> None:
    lake.land(event(0, 0), checkpoint=1)
    assert record(lake.settings, "orders").ranges == 0
    write_observed(lake.settings, Observed("orders", state="stopped"))
    assert record(lake.settings, "orders").ranges == 1


def test_offsets_without_a_row_are_asked_of_kafka(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.land(event(0, 0), event(3, 0), checkpoint=1)
    die(lake, checkpoint=1)
    with pytest.raises(NotRunning):
        record(lake.settings, "orders")
    asked = []

    def count_empty(*args: Any) -> int:
        asked.append(args[1:])
        return 1

    monkeypatch.setattr(ledger, "count_empty", count_empty)
    record(lake.settings, "orders")
    assert asked == [("orders", 0, 0, 4)]
    # One of the two is lost, and the ledger does not hide it.
    assert rows(lake, RANGES) == [(0, 1, 0, 4, 2, 0, 0, 1)]


def test_records_that_were_sent_again_are_told(lake: Lake) -> None:
    lake.land(event(0, 0), event(2, 0), checkpoint=1)
    die(lake, 1, checkpoint=1)
    with opened(lake.settings) as redriven:
        sent = [Outgoing(0, 1, None, b"{}")]
        batch = redriven.claim("orders", 0, Producer(1, 0), 0, 0, 0.0, sent)
        redriven.settle(batch, 2)
    record(lake.settings, "orders")
    assert rows(lake, "SELECT redriven FROM ops.ledger") == [(1,)]


def rewrite(lake: Lake, table: str) -> None:
    """All rows in one new file, as a compaction does it."""
    loaded = open_catalog(lake.settings).load_table(table)
    loaded.overwrite(loaded.scan().to_arrow(), overwrite_filter=AlwaysTrue())


def expire(lake: Lake, table: str) -> None:
    """All snapshots but the newest are gone."""
    loaded = open_catalog(lake.settings).load_table(table)
    ids = [s.snapshot_id for s in loaded.metadata.snapshots]
    loaded.maintenance.expire_snapshots().by_ids(ids[:-1]).commit()


def missed(lake: Lake) -> None:
    """A row whose window an earlier checkpoint had closed."""
    lake.land(event(0, 0), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    lake.land(event(1, 1), checkpoint=2)
    die(lake, checkpoint=2)


def counts(lake: Lake) -> dict[str, int]:
    report = parity(lake.settings, "m")
    return {name: getattr(report, name) for name in EXPLAINED}


@pytest.mark.parametrize("table", ["landing.orders", "marts.m"])
def test_parity_needs_no_file_as_it_was_written(lake: Lake, table: str) -> None:
    missed(lake)
    rewrite(lake, table)
    assert counts(lake) == EXPLAINED


@pytest.mark.parametrize("table", ["landing.orders", "marts.m"])
def test_parity_needs_no_snapshot_that_the_ledger_has_read(lake: Lake, table: str) -> None:
    missed(lake)
    rewrite(lake, table)
    record(lake.settings, "orders")
    expire(lake, table)
    assert counts(lake) == EXPLAINED


def test_a_snapshot_that_goes_unread_takes_its_evidence_with_it(lake: Lake) -> None:
    missed(lake)
    write_observed(lake.settings, Observed("orders", state="stopped"))
    rewrite(lake, "landing.orders")
    expire(lake, "landing.orders")
    assert counts(lake)["unexplained"] == 1


STEPS = st.lists(st.sampled_from(["land", "record", "rewrite", "expire"]), max_size=12)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Path]]:
    yield (tmp_path_factory.mktemp("lake") for _ in iter(int, 1))


@settings(max_examples=draws(10), deadline=None)
@given(steps=STEPS)
def test_whatever_is_rewritten_and_expired_the_ledger_tiles(
    folders: Iterator[Path], steps: list[str]
) -> None:
    lake = make(next(folders))
    offset, checkpoint = 0, 0
    for step in ["land", *steps, "record"]:
        match step:
            case "land":
                checkpoint += 1
                lake.land(event(offset, offset), event(offset + 1, offset), checkpoint=checkpoint)
                die(lake, offset + 2, checkpoint=checkpoint)
                offset += 3
            case "record":
                record(lake.settings, "orders")
            case "rewrite":
                rewrite(lake, "landing.orders")
            case "expire":
                # As maintenance does it: first the ledger.
                record(lake.settings, "orders")
                expire(lake, "landing.orders")
    assert rows(lake, RANGES) == [
        (0, c, 3 * (c - 1), 3 * c, 2, 0, 1, 0) for c in range(1, checkpoint + 1)
    ]


def test_a_table_that_takes_over_answers_takes_over_when_they_had_closed(lake: Lake) -> None:
    lake.land(event(0, 0), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    heir = lake.table("marts.heir", open_catalog(lake.settings).load_table("marts.m").schema())
    record(lake.settings, "orders")
    for _ in "twice":
        inherit_closings(lake.settings, "marts.m", "marts.heir")
    uuid = str(heir.metadata.table_uuid)
    found = rows(
        lake, f"SELECT checkpoint, closed_until FROM ops.closings WHERE table_uuid = '{uuid}'"
    )
    assert found == [(1, at(10))]
