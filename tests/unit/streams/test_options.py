import math
from typing import Any

import pytest

from lakehead.errors import UserError
from lakehead.streams.produce.options import DEFAULT_RATE, Faults, ProduceOptions


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"events": 0}, "events is 0"),
        ({"rate": 0.0}, "rate is 0.0"),
        ({"rate": math.nan}, "rate is nan"),
        ({"rate": math.inf}, "rate is inf"),
        ({"speed": -1.0}, "speed is -1.0"),
        ({"burst": 1.0}, "burst is 1.0"),
        ({"burst": math.nan}, "burst is nan"),
        ({"burst": 2.0, "speed": 1.0}, "burst is 2.0 without a rate"),
        ({"rate": 1.0, "speed": 1.0}, "expected one of them"),
        ({"original_time": True, "speed": 2.0}, "speed is 2.0"),
        ({"original_time": True, "rate": 2.0, "pace": False}, "rate is 2.0"),
    ],
)
def test_refuses_what_cannot_be_and_says_the_value(given: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        ProduceOptions(**{"events": 10} | given)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"poison": 1.5}, "poison is 1.5"),
        ({"poison": math.nan}, "poison is nan"),
        ({"late": -0.1}, "late is -0.1"),
        ({"poison": 0.5, "late": 0.5}, "poison 0.5 and late 0.5 make 1, expected at most 0.9"),
        ({"duplicates": 0.5, "out_of_order": 0.5}, "at most 0.9"),
        ({"hot_keys": 0.6, "null_keys": 0.6}, "at most 1 together"),
        ({"late_by": 0.0}, "late_by is 0.0"),
        ({"late_by": 1e12}, "late_by is 1000000000000"),
        ({"out_of_order_by": -1.0}, "out_of_order_by is -1.0"),
        ({"poison": 0.1, "poison_kinds": ("sour",)}, "poison kind 'sour' is unknown"),
        ({"poison_kinds": ("huge",)}, "no event is to be poison"),
        ({"idle_partitions": -1}, "idle_partitions is -1"),
    ],
)
def test_faults_that_cannot_be_are_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        Faults(**given)


def test_a_manifest_keeps_every_option_by_name() -> None:
    faults = Faults(poison=0.1, poison_kinds=("huge",))
    recorded = ProduceOptions(events=3, faults=faults).recorded()
    assert (recorded["events"], recorded["rate"], recorded["poison"]) == (3, DEFAULT_RATE, 0.1)
    assert recorded["poison_kinds"] == ["huge"]
    assert "faults" not in recorded


def test_default_is_a_steady_rate_only_where_nothing_else_sets_the_pace() -> None:
    assert ProduceOptions(events=1).steady_rate == DEFAULT_RATE
    assert ProduceOptions(events=1, speed=2.0).steady_rate is None
    assert ProduceOptions(events=1, original_time=True).steady_rate is None
    assert ProduceOptions(events=1, original_time=True, rate=7.0).steady_rate == 7.0


def test_late_events_go_further_back_in_original_time() -> None:
    assert ProduceOptions(events=1).late_seconds == 300
    assert ProduceOptions(events=1, original_time=True).late_seconds == 30 * 86400
    assert ProduceOptions(events=1, faults=Faults(late_by=5.0)).late_seconds == 5
