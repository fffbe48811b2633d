from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.streams.produce.faults import (
    DUPLICATE,
    HOT,
    LATE,
    MOST_HUGE,
    NULL,
    OUT_OF_ORDER,
    FaultPlan,
    warm_up,
)
from lakehead.streams.produce.options import Faults
from lakehead.streams.produce.poison import HUGE, POISON_KINDS

KINDS = tuple(kind for kind in POISON_KINDS if kind != HUGE)


def plan(
    faults: Faults, seed: int = 0, kinds: tuple[str, ...] = KINDS, first_late: int = 0
) -> FaultPlan:
    return FaultPlan(faults, kinds, first_late, seed, "orders")


def drawn(events: int, made: FaultPlan) -> list[str | None]:
    return [made.draw(i) for i in range(events)]


@given(
    events=st.integers(1, 3000),
    seed=st.integers(0, 2**32),
    shares=st.lists(st.floats(0, 0.22), min_size=4, max_size=4),
    first_late=st.integers(0, 2000),
)
def test_plan_is_deterministic_fair_and_waits_with_late(
    events: int, seed: int, shares: list[float], first_late: int
) -> None:
    faults = Faults(poison=shares[0], late=shares[1], out_of_order=shares[2], duplicates=shares[3])
    found = drawn(events, plan(faults, seed, first_late=first_late))
    assert found == drawn(events, plan(faults, seed, first_late=first_late))
    kinds = Counter(f for f in found if f in POISON_KINDS)
    if kinds:
        counts = [kinds[k] for k in KINDS]
        assert max(counts) - min(counts) <= 1
    assert LATE not in found[:first_late]


def test_shares_are_kept() -> None:
    faults = Faults(poison=0.05, late=0.1, out_of_order=0.2, duplicates=0.15)
    found = drawn(20_000, plan(faults, 1))
    counts = Counter(found)
    assert sum(counts[k] for k in KINDS) == pytest.approx(1000, rel=0.1)
    assert counts[LATE] == pytest.approx(2000, rel=0.1)
    assert counts[OUT_OF_ORDER] == pytest.approx(4000, rel=0.1)
    assert counts[DUPLICATE] == pytest.approx(3000, rel=0.1)


def test_shares_of_keys_are_kept() -> None:
    made = plan(Faults(hot_keys=0.5, null_keys=0.1))
    counts = Counter(made.draw_key() for _ in range(20_000))
    assert counts[HOT] == pytest.approx(10_000, rel=0.1)
    assert counts[NULL] == pytest.approx(2000, rel=0.1)


def test_seeds_and_streams_have_plans_of_their_own() -> None:
    faults = Faults(poison=0.1, late=0.1)
    plans = [
        FaultPlan(faults, KINDS, 0, seed, name) for seed, name in ((1, "a"), (2, "a"), (1, "b"))
    ]
    found = [drawn(1000, made) for made in plans]
    assert found[0] != found[1] != found[2] != found[0]


def test_without_shares_nothing_is_spoilt() -> None:
    made = plan(Faults())
    assert drawn(100, made) == [None] * 100
    assert [made.draw_key() for _ in range(100)] == [None] * 100


def test_without_a_kind_that_the_contract_can_have_nothing_is_spoilt() -> None:
    assert drawn(100, plan(Faults(poison=0.9), kinds=())) == [None] * 100


def test_a_run_has_few_huge_records() -> None:
    found = Counter(drawn(10_000, plan(Faults(poison=0.5), kinds=(HUGE, "empty"))))
    assert found[HUGE] == MOST_HUGE
    assert found["empty"] > 4000
    alone = Counter(drawn(1000, plan(Faults(poison=0.5), kinds=(HUGE,))))
    assert alone[HUGE] == MOST_HUGE


@given(st.integers(1, 10**6))
def test_the_warm_up_is_a_tenth_but_never_most(events: int) -> None:
    assert warm_up(events) == min(max(events // 10, 1000), events // 2)
