"""Each difference has the cause that there is evidence of, and no other."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lakehead.deadletters.ledger import opened
from lakehead.deadletters.log import Outgoing, Producer
from lakehead.proof.certificate import certify
from lakehead.proof.parity import ParityReport, parity
from lakehead.query.engine import run
from tests.small_lake import Lake, event, make_lake, window


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = make_lake(tmp_path)
    made.model()
    return made


def redriven(lake: Lake, *offsets: int, stream: str = "orders") -> None:
    """Dead records came to lie at these offsets, one after the other."""
    with opened(lake.settings) as ledger:
        for offset in offsets:
            sent = [Outgoing(0, 100 + offset, None, b"x")]
            batch = ledger.claim(stream, 0, Producer(1, 0), offset, 0, 0.0, sent)
            ledger.settle(batch, offset)


def caused(lake: Lake, different: int, **by: int) -> ParityReport:
    """The report, which counts by cause what ``by`` does, and nothing else."""
    report = parity(lake.settings, "m")
    counts = {
        "late": report.explained_by_late,
        "redriven": report.explained_by_redriven,
        "duplicate": report.explained_by_duplicate,
        "unexplained": report.unexplained,
    }
    assert report.different == different
    assert {k: n for k, n in counts.items() if n} == by
    return report


# Redriven


def test_a_record_that_was_dead_and_sent_again_too_late(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 15), event(2, 5, 15), checkpoint=1)
    lake.answer(window(0, 1), window(10, 1), checkpoint=1)
    caused(lake, 1, late=1)
    redriven(lake, 2)
    assert caused(lake, 1, redriven=1).late_rows == 1


def test_one_that_came_in_time_is_no_excuse(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 5), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    redriven(lake, 1)
    caused(lake, 1, unexplained=1)


def test_where_other_late_rows_are_missing_too_it_is_for_late_rows(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 5, 15), event(2, 6, 15), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    redriven(lake, 2)
    caused(lake, 1, late=1)


def test_each_window_has_its_own_cause(lake: Lake) -> None:
    rows = [event(i, 10 * i) for i in range(4)]
    lake.land(*rows, event(4, 1, 39), event(5, 11, 39), event(6, 21), checkpoint=1)
    lake.answer(*(window(10 * i, 1) for i in range(4)), checkpoint=1)
    redriven(lake, 5)
    report = caused(lake, 3, late=1, redriven=1, unexplained=1)
    assert report.examples[0].window_start.startswith("2026-01-01 00:00:20")


def test_a_settled_answer_lacks_one_that_was_sent_again_since(lake: Lake) -> None:
    lake.land(event(0, 0), checkpoint=1)
    lake.answer(window(0, 1, '{"0": 0}'))
    lake.land(event(1, 5, 15), checkpoint=2)
    caused(lake, 1, late=1)
    redriven(lake, 1)
    caused(lake, 1, redriven=1)
    lake.land(event(2, 6, 15), checkpoint=3)
    caused(lake, 1, late=1)


def test_a_record_of_another_stream_at_that_offset_is_no_excuse(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, "orders", "payments")
    lake.model()
    lake.land(event(0, 0), event(1, 5, 15), checkpoint=1)
    lake.answer(window(0, 1), checkpoint=1)
    redriven(lake, 1, stream="payments")
    caused(lake, 1, late=1)


# Duplicate


def test_a_row_that_lies_twice_in_the_landing_table(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 1), checkpoint=1)
    lake.answer(window(0, 2), checkpoint=1)
    caused(lake, 0)
    lake.land(event(1, 1))
    report = caused(lake, 1, duplicate=1)
    assert (report.examples[0].mart, report.examples[0].whole) == ("{'n': 2}", "{'n': 3}")


def test_the_copy_may_have_been_landed_with_another_watermark(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 1), checkpoint=1)
    lake.land(event(1, 1, 5))
    lake.answer(window(0, 2), checkpoint=1)
    caused(lake, 1, duplicate=1)


def test_two_records_at_one_place_are_no_duplicates(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 1), checkpoint=1)
    lake.land(event(1, 2))
    lake.answer(window(0, 2), checkpoint=1)
    caused(lake, 1, unexplained=1)


def test_twice_in_the_mart_stays_unexplained(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 1), checkpoint=1)
    lake.land(event(1, 1))
    lake.answer(window(0, 2), checkpoint=1)
    lake.answer(window(0, 2), checkpoint=1)
    caused(lake, 1, unexplained=1)


def test_a_wrong_answer_is_not_excused_by_a_duplicate(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 1), checkpoint=1)
    lake.land(event(1, 1))
    lake.answer(window(0, 1), checkpoint=1)
    caused(lake, 1, unexplained=1)


def test_late_rows_are_left_out_of_what_is_counted_once(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 15), event(2, 5, 15), checkpoint=1)
    lake.land(event(0, 0))
    lake.answer(window(0, 1), window(10, 1), checkpoint=1)
    caused(lake, 1, duplicate=1)


def test_the_certificate_counts_by_cause(lake: Lake) -> None:
    lake.land(event(0, 0), event(1, 15), event(2, 5, 15), event(3, 25), checkpoint=1)
    lake.land(event(1, 15))
    lake.answer(window(0, 1), window(10, 1), window(20, 1), checkpoint=1)
    redriven(lake, 2)
    report = caused(lake, 2, redriven=1, duplicate=1)
    certificate, path = certify(lake.settings, "m", report)
    counts = {k: v for k, v in asdict(certificate).items() if k.startswith("explained_by_")}
    assert counts == {
        "explained_by_late": 0,
        "explained_by_redriven": 1,
        "explained_by_duplicate": 1,
    }
    assert certificate.result == "explained"
    written: dict[str, Any] = json.loads(path.read_text())
    assert counts.items() <= written.items()
    with run(lake.settings, f"SELECT {', '.join(counts)} FROM ops.parity") as found:
        assert found.fetchall() == [tuple(counts.values())]
