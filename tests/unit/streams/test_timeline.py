from collections import Counter
from datetime import UTC, datetime
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.errors import UserError
from lakehead.streams.encode import iso
from lakehead.streams.events import Source
from lakehead.streams.produce.options import ProduceOptions
from lakehead.streams.produce.timeline import Timeline, timeline_of

NOW = 1_750_000_000_123

paces: st.SearchStrategy[dict[str, float]] = st.one_of(
    st.builds(dict, rate=st.floats(0.1, 1e6)),
    # Any slower, the longest would span more years than are allowed.
    st.builds(dict, speed=st.floats(0.2, 1e7)),
    st.just({"original_time": True}),
    st.builds(dict, original_time=st.just(True), rate=st.floats(0.1, 1e6)),
)


def place(timeline: Timeline, source: Source, count: int) -> list[tuple[int, int, bool]]:
    """(due, event time, whether the file steps back there) of the first events."""
    times = [r.seconds for r in source.events(count)]
    newest = list(accumulate(times, max))
    return [
        (*timeline.at(i, t, n), t < n) for i, (t, n) in enumerate(zip(times, newest, strict=True))
    ]


@given(pace=paces, count=st.integers(1, 1500))
def test_no_event_is_ahead_of_its_sending_and_order_is_the_files(
    source: Source, pace: dict[str, float], count: int
) -> None:
    options = ProduceOptions(events=count, **pace)  # type: ignore[arg-type]
    placed = place(timeline_of(options, source, NOW), source, count)
    assert all(event <= due for due, event, _ in placed)
    dues = [due for due, _, _ in placed]
    assert dues == sorted(dues)
    forward = [event for _, event, back in placed if not back]
    assert forward == sorted(forward)


@given(pace=paces.filter(lambda p: "original_time" not in p), count=st.integers(1, 1500))
def test_without_pace_the_newest_event_is_at_now(
    source: Source, pace: dict[str, float], count: int
) -> None:
    options = ProduceOptions(events=count, pace=False, **pace)  # type: ignore[arg-type]
    placed = place(timeline_of(options, source, NOW), source, count)
    assert max(event for _, event, _ in placed) <= NOW
    assert max(due for due, _, _ in placed) == NOW


def test_steady_is_even_and_keeps_the_step_back(source: Source) -> None:
    options = ProduceOptions(events=source.rows, rate=250.0)
    placed = place(timeline_of(options, source, NOW), source, source.rows)
    assert [due - NOW for due, _, _ in placed] == [4 * i for i in range(source.rows)]
    behind = {i for i, (due, event, _) in enumerate(placed) if event < due}
    stepped = {i for i, (_, _, back) in enumerate(placed) if back}
    assert behind == stepped != set()


def test_rhythm_is_the_files_own(source: Source) -> None:
    options = ProduceOptions(events=500, speed=1000.0)
    placed = place(timeline_of(options, source, NOW), source, 500)
    expected = [NOW + (r.seconds - source.first) for r in source.events(500)]
    assert [event for _, event, _ in placed] == expected


def test_original_time_is_the_files_and_rate_only_paces(source: Source) -> None:
    options = ProduceOptions(events=500, original_time=True, rate=100.0)
    placed = place(timeline_of(options, source, NOW), source, 500)
    assert [e for _, e, _ in placed] == [r.seconds * 1000 for r in source.events(500)]
    assert [due - NOW for due, _, _ in placed] == [10 * i for i in range(500)]


def test_replays_in_original_time_may_not_reach_the_future(source: Source) -> None:
    now = (source.newest + 2 * source.period) * 1000
    most = 3 * source.rows
    fits = timeline_of(ProduceOptions(events=most, original_time=True), source, now)
    assert max(event for _, event, _ in place(fits, source, most)) <= now
    with pytest.raises(UserError, match=f"expected at most {most}"):
        timeline_of(ProduceOptions(events=most + 1, original_time=True), source, now)


def test_without_pace_a_span_of_decades_is_refused(source: Source) -> None:
    options = ProduceOptions(events=900, rate=0.001, pace=False)
    timeline_of(options, source, NOW)
    with pytest.raises(UserError, match="would span"):
        timeline_of(ProduceOptions(events=10**9, rate=1.0, pace=False), source, NOW)
    with pytest.raises(UserError, match="would span"):
        timeline_of(ProduceOptions(events=900, speed=0.01, pace=False), source, NOW)


@given(st.integers(-2_000_000_000_000, 5_000_000_000_000))
def test_iso_is_utc_with_milliseconds(moment: int) -> None:
    written = iso(moment)
    assert written.endswith("Z") and len(written) == 24
    read = datetime.fromisoformat(written)
    assert (read - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000 == pytest.approx(moment)


@given(rate=st.floats(1, 1e5), burst=st.floats(1.5, 50), count=st.integers(2, 500))
def test_a_burst_is_one_second_of_ten_and_moves_nothing_else(
    source: Source, rate: float, burst: float, count: int
) -> None:
    options = ProduceOptions(events=count, rate=rate, burst=burst)
    dues = [due - NOW for due, _, _ in place(timeline_of(options, source, NOW), source, count)]
    assert dues == sorted(dues)
    calm = [due for due in dues if due < 9000]
    assert calm == [int(i * 1000 / rate) for i in range(len(calm))]


def test_a_burst_is_as_much_higher_as_was_asked(source: Source) -> None:
    options = ProduceOptions(events=3800, rate=100.0, burst=10.0)
    timeline = timeline_of(options, source, NOW)
    dues = [timeline.at(i, source.first, source.first)[0] - NOW for i in range(3800)]
    seconds = Counter(due // 1000 for due in dues)
    assert [seconds[s] for s in range(20)] == ([100] * 9 + [1000]) * 2
