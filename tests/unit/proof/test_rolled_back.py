"""Parity of a mart that was rolled back: what was given up is missing until it is settled."""

import re
from pathlib import Path

import pytest

from lakehead.cli.proof import show_parity
from lakehead.lake.rewind import rewind
from lakehead.lake.snapshots import table_state
from lakehead.proof.parity import ParityReport, closed_until, parity
from tests.small_lake import Lake, at, event, make_lake, window


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Four windows that have closed, of one row each; the last two were given up."""
    made = make_lake(tmp_path)
    made.model()
    made.land(*(event(i, 10 * i) for i in range(4)), checkpoint=1)
    made.answer(window(0, 1), window(10, 1), checkpoint=1)
    then = table_state(made.settings, "marts.m").snapshot_id
    made.answer(window(20, 1), checkpoint=2)
    made.answer(window(30, 1), checkpoint=3)
    made.land(event(4, 40), checkpoint=3)
    assert then
    state = table_state(made.settings, "marts.m")
    rewind(made.settings, state, then, closed_until(made.settings, "m"))
    return made


def counts(report: ParityReport) -> tuple[int, int, int, int]:
    return report.windows, report.different, report.unexplained, report.given_up


def test_what_was_given_up_is_missing_at_once(lake: Lake) -> None:
    report = parity(lake.settings, "m")
    assert counts(report) == (4, 2, 2, 2)
    assert report.closed_until == at(40).isoformat()
    assert [e.mart for e in report.examples] == ["nothing", "nothing"]
    assert closed_until(lake.settings, "m") == at(40)


def test_it_stays_missing_as_the_stream_goes_on(lake: Lake) -> None:
    lake.land(event(5, 50), checkpoint=4)
    lake.answer(window(40, 1), checkpoint=4)
    report = parity(lake.settings, "m")
    assert counts(report) == (5, 2, 2, 2)
    assert report.closed_until == at(50).isoformat()


def test_other_differences_are_no_part_of_it(lake: Lake) -> None:
    lake.land(event(5, 50), event(6, 60), checkpoint=4)
    lake.answer(window(40, 7), window(60, 1), checkpoint=4)
    # One wrong, and one that the stream itself left out.
    assert counts(parity(lake.settings, "m")) == (7, 4, 4, 2)


def test_settled_it_is_clean_and_stays_so(lake: Lake) -> None:
    upto = '{"0": 4}'
    lake.answer(window(20, 1, upto), window(30, 1, upto))
    assert counts(parity(lake.settings, "m")) == (4, 0, 0, 0)
    # Landed later than the settled answer, after a restart: without a watermark of its own.
    lake.land(event(5, 25), checkpoint=4)
    report = parity(lake.settings, "m")
    assert counts(report) == (4, 1, 0, 0)
    assert report.explained_by_late == 1


def test_it_is_told_with_the_next_command(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    show_parity({"m": parity(lake.settings, "m")})
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "m: 2 of them are missing since it was rolled back: lakehead reconcile m" in said
