from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.streams import retail
from lakehead.streams.faults import LATE, POISON_KINDS, TOMBSTONE, FaultPlan, spoil
from lakehead.streams.retail import Sample
from lakehead.streams.timeline import iso

NOW = 1_750_000_000


def drawn(events: int, seed: int, poison: float, late: float) -> list[str | None]:
    plan = FaultPlan(events, seed, poison, late)
    return [plan.draw(i) for i in range(events)]


@pytest.mark.parametrize("kind", POISON_KINDS)
def test_every_poison_is_refused_and_the_clean_event_is_not(
    kind: str, sample: Sample, refusal: Callable[[bytes | None, float], str | None]
) -> None:
    for index, row in enumerate(retail.rows(sample, sample.rows)):
        event = retail.stamp(retail.encode(row), iso(NOW * 1000))
        assert refusal(event, NOW) is None
        spoilt = spoil(kind, event, index, iso((NOW + 3600) * 1000))
        assert refusal(spoilt, NOW) is not None
        assert (spoilt is None) == (kind == TOMBSTONE)


def test_an_unknown_kind_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="'sour' is no kind"):
        spoil("sour", b"{}", 0, "")


@given(
    events=st.integers(1, 5000),
    seed=st.integers(0, 2**32),
    shares=st.tuples(st.floats(0, 0.45), st.floats(0, 0.45)),
)
def test_plan_is_deterministic_fair_and_waits_with_late(
    events: int, seed: int, shares: tuple[float, float]
) -> None:
    faults = drawn(events, seed, *shares)
    assert faults == drawn(events, seed, *shares)
    kinds = Counter(f for f in faults if f not in (None, LATE))
    if kinds:
        counts = [kinds[k] for k in POISON_KINDS]
        assert max(counts) - min(counts) <= 1
    warm_up = min(max(events // 10, 1000), events // 2)
    assert LATE not in faults[:warm_up]


def test_shares_are_kept() -> None:
    faults = drawn(20_000, 1, 0.05, 0.1)
    late = faults.count(LATE)
    poison = sum(f not in (None, LATE) for f in faults)
    assert poison == pytest.approx(1000, rel=0.1)
    assert late == pytest.approx(1800, rel=0.1)


def test_another_seed_is_another_plan() -> None:
    assert drawn(1000, 1, 0.1, 0.1) != drawn(1000, 2, 0.1, 0.1)


def test_without_shares_nothing_is_spoilt() -> None:
    assert drawn(100, 1, 0.0, 0.0) == [None] * 100
