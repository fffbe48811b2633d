import json
from dataclasses import dataclass
from decimal import Decimal

import pytest

from lakehead.cli.render import print_json, short_time


@dataclass
class Part:
    revenue: Decimal


def test_json_takes_dataclasses_and_decimals(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"parts": [Part(Decimal("1.50"))], "row": ("a", Decimal("2"))})
    assert json.loads(capsys.readouterr().out) == {
        "parts": [{"revenue": "1.50"}],
        "row": ["a", "2"],
    }


def test_times_are_shown_to_the_second() -> None:
    assert short_time("2026-01-02T03:04:05.678+00:00") == "2026-01-02 03:04:05"
    assert short_time(None) is None
