"""Parity over a small lake: what the stream missed is explained, and nothing else is."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from lakehead.errors import SystemFailure, UserError
from lakehead.jobs.records import Observed, write_observed
from lakehead.proof import parity as parity_module
from lakehead.proof.parity import ParityReport, closed_until, parity
from tests.small_lake import Lake, at, event, make_lake, window

SAME = {"different": 0, "explained_by_late": 0, "unexplained": 0}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = make_lake(tmp_path)
    made.model()
    return made


def counted(lake: Lake, **expected: Any) -> ParityReport:
    """The report, of which ``expected`` holds."""
    report = parity(lake.settings, "m")
    assert {k: v for k, v in asdict(report).items() if k in expected} == expected
    return report


def test_a_stream_that_missed_nothing_is_the_batch(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 9.999), event(2, 10), event(3, 20, id=None), checkpoint=1)
    lake.answer(window(0, 2), window(10, 1), checkpoint=1)
    lake.answer(window(20, 1, id=None), checkpoint=2)
    report = counted(lake, windows=3, late_rows=0, settled=0, **SAME)
    assert report.closed_until == at(30).isoformat()
    assert report.examples == []
    assert closed_until(lake.settings, "m") == at(30)


def test_an_empty_mart_is_right_whatever_has_landed(lake: Lake) -> None:
    lake.land(event(0, 0), checkpoint=1)
    report = counted(lake, windows=0, late_rows=0, **SAME)
    assert (report.closed_until, report.mart_snapshot) == (None, None)


def test_what_has_not_closed_is_not_compared(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 10), event(2, 21), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    counted(lake, windows=1, **SAME)


def test_a_row_missed_by_its_watermark_is_explained(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 15), event(2, 5, 9.999), event(3, 6, 9.998), checkpoint=1)
    lake.answer(window(0, 2), window(10, 1), checkpoint=1)
    report = counted(lake, windows=2, different=1, explained_by_late=1, unexplained=0, late_rows=1)
    [example] = report.examples
    assert example.window_start.startswith("2026-01-01 00:00:00")
    assert example.key == ["2026-01-01 00:00:10+00", "a"]
    assert (example.mart, example.whole, example.expected) == ("{'n': 2}", "{'n': 3}", "{'n': 2}")


def test_a_window_that_only_late_rows_were_in_is_explained(lake: Lake) -> None:
    lake.land(event(0, 15), event(1, 5, 15), checkpoint=1)
    lake.answer(window(10, 1), checkpoint=1)
    report = counted(lake, windows=2, different=1, explained_by_late=1, unexplained=0)
    assert (report.examples[0].mart, report.examples[0].expected) == ("nothing", "nothing")


def test_a_row_missed_by_an_earlier_checkpoint_is_explained(lake: Lake) -> None:
    lake.land(event(0, 0), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    lake.land(event(1, 1), checkpoint=2)
    counted(lake, different=1, explained_by_late=1, unexplained=0, late_rows=1)


def test_a_row_of_the_same_checkpoint_was_not_missed(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 1), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    report = counted(lake, different=1, explained_by_late=0, unexplained=1, late_rows=0)
    assert report.examples[0].expected == "{'n': 2}"


def test_a_row_missed_by_an_earlier_reconcile_is_explained(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 10), checkpoint=1)
    lake.answer(window(0, 1, '{"0": 1}'), window(10, 1, '{"0": 1}'))
    lake.land(event(2, 1), checkpoint=2)
    counted(lake, settled=2, different=1, explained_by_late=1, unexplained=0, late_rows=1)


def test_a_settled_row_is_held_to_its_offsets(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 1), event(2, 2, 15), checkpoint=1)
    # Late, and taken in since: whole.
    lake.answer(window(0, 3, '{"0": 2}'))
    counted(lake, settled=1, late_rows=0, **SAME)


@pytest.mark.parametrize("n", [1, 3])
def test_a_settled_row_that_its_offsets_do_not_give_is_unexplained(lake: Lake, n: int) -> None:
    lake.land(event(0, 0), event(1, 1), event(2, 2), event(3, 3), checkpoint=1)
    lake.answer(window(0, n, '{"0": 1}'))
    report = counted(lake, settled=1, different=1, explained_by_late=0, unexplained=1)
    assert report.examples[0].expected == "{'n': 2}"


def test_offsets_of_a_partition_that_is_not_named_were_not_read(lake: Lake) -> None:
    lake.land(event(0, 0), event(0, 1, kafka_partition=1), checkpoint=1)
    lake.answer(window(0, 1, '{"0": 5}'))
    counted(lake, settled=1, different=1, explained_by_late=1, unexplained=0)


def test_a_row_that_is_there_twice_is_unexplained(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 1, 12), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    counted(lake, windows=1, different=1, explained_by_late=0, unexplained=1)


def test_a_row_that_nothing_landed_for_is_unexplained(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 11), checkpoint=1)
    lake.answer(window(0, 1), window(10, 1), window(10, 1, id="b"), checkpoint=1)
    report = counted(lake, windows=3, different=1, unexplained=1)
    assert report.examples[0].whole == "nothing"


def test_the_unexplained_come_first_and_are_few(lake: Lake) -> None:
    lake.land(*(event(i, 10 * i) for i in range(9)), event(9, 0, 100), checkpoint=1)
    lake.answer(*(window(10 * i, 1 + i % 2) for i in range(9)), checkpoint=1)
    report = counted(lake, windows=9, different=5, explained_by_late=1, unexplained=4)
    assert [e.mart for e in report.examples] == ["{'n': 2}"] * 4 + ["{'n': 1}"]


# The other kinds


def coordinates(offset: int, seconds: float, **values: Any) -> dict[str, Any]:
    return {
        "event_time": at(seconds),
        "kafka_partition": 0,
        "kafka_offset": offset,
        "id": "a",
        **values,
    }


def test_rows_are_compared_up_to_the_newest_of_each_partition(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model("SELECT id FROM orders WHERE id <> 'x'", {"id": "string"}, kind="rows")
    lake.land(event(0, 9), event(1, 0, 9), event(2, 0, id="x"), event(3, 20), checkpoint=1)
    lake.answer(coordinates(0, 9), coordinates(1, 0), checkpoint=1)
    counted(lake, windows=2, late_rows=0, **SAME)
    lake.answer(coordinates(3, 20, id="b"), checkpoint=2)
    counted(lake, windows=3, different=1, unexplained=1)


def test_a_hop_is_missed_window_by_window(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model(window={"hop": {"size": "20 seconds", "every": "10 seconds"}}, keys=["id"])
    lake.land(event(0, 5), event(1, 6, 12), checkpoint=1)
    first = {"window_start": at(-10), "window_end": at(10)}
    second = {"window_start": at(0), "window_end": at(20)}
    rest = {"id": "a", "settled_offsets": None}
    lake.answer({**first, "n": 1, **rest}, {**second, "n": 2, **rest}, checkpoint=1)
    counted(lake, windows=2, different=1, explained_by_late=1, unexplained=0, late_rows=1)


def test_a_session_that_lacks_a_late_row_is_two(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    lake.model(window={"session": {"gap": "5 seconds"}}, keys=["id"])
    lake.land(event(0, 0), event(1, 8), event(2, 4, 9), checkpoint=1)
    ends = ({"window_start": at(s), "window_end": at(s + 5)} for s in (0, 8))
    lake.answer(*({**w, "id": "a", "n": 1} for w in ends), checkpoint=1)
    counted(lake, windows=3, different=3, explained_by_late=3, unexplained=0, late_rows=1)


def test_dedup_keeps_another_row_where_the_first_was_late(tmp_path: Path) -> None:
    lake = make_lake(tmp_path)
    header = {"window": {"tumble": "10 seconds"}, "dedup": {"keys": ["id"]}}
    lake.model("SELECT id FROM orders", {"id": "string"}, **header)
    lake.land(event(0, 5), event(1, 3, 12), checkpoint=1)
    ends = {"window_start": at(0), "window_end": at(10)}
    lake.answer({**ends, **coordinates(0, 5)}, checkpoint=1)
    counted(lake, windows=1, different=1, explained_by_late=1, unexplained=0)


@pytest.fixture
def joined(tmp_path: Path) -> Lake:
    lake = make_lake(tmp_path, "orders", "payments")
    on = "o.id = p.id AND p.event_time BETWEEN o.event_time AND o.event_time + INTERVAL '9' SECOND"
    lake.model(
        f"SELECT o.id FROM orders AS o JOIN payments AS p ON {on}",
        {"id": "string"},
        kind="join",
        streams=["orders", "payments"],
    )
    return lake


def pair(left: int, right: int, seconds: float, until: float, mark: float | None) -> Any:
    return {
        **coordinates(left, seconds),
        "right_event_time": at(until),
        "right_partition": 0,
        "right_offset": right,
        "watermark": None if mark is None else at(mark),
    }


def test_a_join_misses_what_its_own_scan_left_out(joined: Lake) -> None:
    joined.land(event(0, 0), event(1, 30), checkpoint=1)
    joined.land(event(0, 1), event(1, 2, 50), event(2, 31), stream="payments")
    joined.answer(pair(0, 0, 0, 1, 5), pair(1, 2, 30, 31, 40), checkpoint=1)
    # In the second stream's own landing it was late; this job's scan may have been behind.
    counted(joined, windows=3, different=1, explained_by_late=0, unexplained=1)
    joined.leave_out(1, 20)
    counted(joined, windows=3, different=1, explained_by_late=1, unexplained=0)


def test_a_settled_join_is_held_to_the_offsets_of_both_streams(joined: Lake) -> None:
    joined.land(event(0, 0), checkpoint=1)
    joined.land(event(0, 1), event(1, 2), stream="payments")
    settled = {"settled_offsets": '{"0": 0, "payments/0": 0}'}
    joined.answer({**pair(0, 0, 0, 1, None), **settled})
    counted(joined, windows=1, settled=1, **SAME)
    joined.answer({**pair(0, 1, 0, 2, None), **settled})
    # What is whole is right, though the offsets that it states do not reach the second payment.
    counted(joined, windows=2, settled=2, **SAME)
    joined.land(event(2, 3), stream="payments")
    counted(joined, windows=2, settled=2, **SAME)
    joined.answer({**pair(0, 9, 0, 2, None), **settled})
    counted(joined, windows=3, different=1, explained_by_late=0, unexplained=1)


def test_a_version_is_missed_as_its_own_scan_found_it(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, "orders", "payments")
    lake.model(
        "SELECT o.id, p.event_time AS since FROM orders AS o LEFT JOIN payments FOR SYSTEM_TIME"
        " AS OF o.event_time AS p ON o.id = p.id",
        {"id": "string", "since": "timestamp"},
        kind="enrich",
        streams=["orders", "payments"],
    )
    lake.land(event(0, 5), event(1, 20), event(2, 7, 8), checkpoint=1)
    lake.land(event(0, 10), event(1, 3, 60), stream="payments")
    mart = [coordinates(0, 5), coordinates(1, 20, since=at(10))]
    lake.answer(*mart, checkpoint=1)
    counted(lake, windows=3, different=2, explained_by_late=1, unexplained=1, late_rows=1)
    lake.leave_out(1, 6)
    counted(lake, windows=3, different=2, explained_by_late=2, unexplained=0, late_rows=1)


# Snapshots that do not meet


def test_landed_rows_are_waited_for(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity_module, "_DEADLINE_SECONDS", -1)
    lake = Lake(replace(lake.settings, tuning=replace(lake.settings.tuning, checkpoint_seconds=0)))
    lake.land(event(0, 0), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=2)
    # A job that has stopped has committed all that it had.
    counted(lake, windows=1, **SAME)
    write_observed(lake.settings, Observed("orders", "running"))
    with pytest.raises(SystemFailure, match=r"landing\.orders holds checkpoint 1, the mart 2"):
        parity(lake.settings, "m")
    lake.land(event(1, 10), checkpoint=2)
    counted(lake, windows=1, **SAME)


def test_what_is_not_there_is_named(lake: Lake) -> None:
    with pytest.raises(UserError, match="there is no model 'x'"):
        parity(lake.settings, "x")
