"""The certificate: what was compared, for whoever wants to check it."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from lakehead.errors import UserError
from lakehead.jobs.reconcile import Range
from lakehead.proof.certificate import certify
from lakehead.proof.parity import parity
from lakehead.query.engine import run
from tests.small_lake import Lake, at, event, make_lake, window

# As docs/how-it-proves.md has it.
CHECK = """
SELECT printf('%016x', (sum(md5_number_lower(CAST(row(window_start, window_end, id, n) AS VARCHAR)))
  % 18446744073709551616)::UBIGINT) AS hash
FROM marts.m WHERE window_end <= $1
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = make_lake(tmp_path)
    made.model()
    made.land(event(0, 1), event(1, 12), event(2, 5, 15), checkpoint=1)
    made.answer(window(0, 1), window(10, 1), checkpoint=1)
    return made


def test_it_says_what_was_compared_and_what_came_of_it(lake: Lake) -> None:
    report = parity(lake.settings, "m")
    certificate, path = certify(lake.settings, "m", report)
    assert json.loads(path.read_text())["result"] == certificate.result == "explained"
    assert certificate.offsets == {"0": 2}
    assert certificate.mart_hash != certificate.batch_hash
    with run(lake.settings, "FROM ops.parity") as found:
        [row] = found.fetchall()
    assert row[1] == "m"
    assert row[-1] == "explained"
    assert isinstance(row[0], datetime)


def test_anyone_can_check_the_hash(lake: Lake) -> None:
    report = parity(lake.settings, "m")
    assert report.closed_until
    with run(lake.settings, CHECK, [datetime.fromisoformat(report.closed_until)]) as found:
        assert found.fetchall() == [(report.mart_hash,)]


def test_equal_rows_have_one_hash_in_whatever_order(lake: Lake) -> None:
    lake.answer(window(0, 1), checkpoint=2)
    doubled = parity(lake.settings, "m")
    assert doubled.unexplained == 1
    assert certify(lake.settings, "m", doubled)[0].result == "unexplained"
    within = Range(start=at(10))
    tenth = parity(lake.settings, "m", within)
    assert tenth.mart_hash == tenth.batch_hash
    certificate, _ = certify(lake.settings, "m", tenth, within)
    assert (certificate.result, certificate.windows) == ("equal", 1)
    assert certificate.range_from == at(10).isoformat()


def test_a_range_compares_just_its_windows(lake: Lake) -> None:
    assert parity(lake.settings, "m", Range(end=at(10))).different == 1
    assert parity(lake.settings, "m", Range(start=at(10))).different == 0
    none = parity(lake.settings, "m", Range(start=at(100)))
    assert (none.windows, none.mart_hash) == (0, "0" * 16)


def test_a_model_that_is_not_there_has_none(lake: Lake) -> None:
    report = parity(lake.settings, "m")
    with pytest.raises(UserError):
        certify(lake.settings, "n", report)
