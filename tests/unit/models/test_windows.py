"""What a header says under ``window``."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.models.windows import Cumulate, Hop, Session, Window, parse_window

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("value", "window", "said"),
    [
        ({"tumble": "10 seconds"}, Hop(10 * SECOND, 10 * SECOND), "tumble 0:00:10"),
        (
            {"hop": {"size": "1 minute", "every": "20 seconds"}},
            Hop(MINUTE, 20 * SECOND),
            "hop 0:01:00 every 0:00:20",
        ),
        ({"hop": {"size": "1 minute", "every": "1 minute"}}, Hop(MINUTE, MINUTE), "tumble 0:01:00"),
        (
            {"cumulate": {"size": "1 hour", "step": "1 minute"}},
            Cumulate(60 * MINUTE, MINUTE),
            "cumulate 1:00:00 by 0:01:00",
        ),
        ({"session": {"gap": "30 seconds"}}, Session(30 * SECOND), "session 0:00:30"),
        ({"session": "30 seconds"}, Session(30 * SECOND), "session 0:00:30"),
        ({"tumble": "999 days"}, Hop(timedelta(999), timedelta(999)), "tumble 999 days, 0:00:00"),
        ({"tumble": "2000 milliseconds"}, Hop(2 * SECOND, 2 * SECOND), "tumble 0:00:02"),
    ],
)
def test_a_window_is_what_it_says(value: object, window: Window, said: str) -> None:
    assert parse_window(value) == window
    assert str(window) == said


def test_a_row_is_in_so_many_windows() -> None:
    assert Hop(MINUTE, 20 * SECOND).count == 3
    assert Hop(MINUTE, MINUTE).count == 1
    assert Hop(MINUTE, MINUTE).tumbles
    assert not Hop(MINUTE, SECOND).tumbles
    assert Cumulate(MINUTE, 10 * SECOND).count == 6


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("10 seconds", "window is '10 seconds', expected such as {tumble: 10 seconds}"),
        (None, "window is None, expected such as"),
        ({}, "window is {}, expected such as"),
        ({"tumble": "1 day", "session": "1 day"}, "expected such as"),
        ({"slide": "1 day"}, "window is {'slide': '1 day'}, expected such as"),
        ({1: 2}, "window is {1: 2}, expected such as"),
        ({"tumble": "10 parsecs"}, "window.tumble: '10 parsecs' is not a duration"),
        ({"tumble": {"size": "1 day"}}, "window.tumble: {'size': '1 day'} is not a duration"),
        ({"tumble": "0 seconds"}, "window.tumble is '0 seconds', expected whole seconds, 1 or"),
        ({"tumble": "1500 milliseconds"}, "expected whole seconds, 1 or more"),
        ({"tumble": "1000 days"}, "window.tumble is '1000 days', expected 999 days at most"),
        ({"tumble": "999999999999 days"}, "window.tumble: '999999999999 days' is not a duration"),
        ({"hop": "1 minute"}, "window.hop is '1 minute', expected size and every"),
        ({"hop": {"size": "1 minute"}}, "expected size and every"),
        ({"hop": {"size": "1 day", "every": "1 day", "gap": 1}}, "expected size and every"),
        (
            {"hop": {"size": "1 minute", "every": "25 seconds"}},
            "window.hop: size is '1 minute', expected a multiple of every",
        ),
        ({"hop": {"size": "10 seconds", "every": "1 minute"}}, "expected a multiple of every"),
        ({"hop": {"size": "1 minute", "every": "0 seconds"}}, "window.hop.every is '0 seconds'"),
        (
            {"hop": {"size": "1 day", "every": "1 second"}},
            "window.hop: size is 86400 times every, expected 1000 at most",
        ),
        ({"cumulate": {"size": "1 day", "every": "1 hour"}}, "expected size and step"),
        (
            {"cumulate": {"size": "1 day", "step": "7 hours"}},
            "window.cumulate: size is '1 day', expected a multiple of step",
        ),
        ({"cumulate": {"size": "1 day", "step": "1 minute"}}, "1440 times step, expected 1000"),
        ({"session": {"size": "1 day"}}, "window.session is {'size': '1 day'}, expected such as"),
        ({"session": {"gap": "soon"}}, "window.session.gap: 'soon' is not a duration"),
    ],
)
def test_a_window_that_cannot_be_says_what_was_expected(value: object, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_window(value)
    assert says in str(caught.value)


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KEYS = st.sampled_from(["tumble", "hop", "cumulate", "session", "size", "every", "step", "gap"])
DURATIONS = st.builds(
    lambda n, unit: f"{n} {unit}",
    st.integers(0, 10**7),
    st.sampled_from(["milliseconds", "seconds", "minutes", "hours", "days"]),
)


@given(
    st.recursive(
        SCALARS | DURATIONS, lambda inner: st.dictionaries(KEYS | SCALARS, inner, max_size=3)
    )
)
def test_any_value_is_a_window_or_a_value_error(value: object) -> None:
    try:
        window = parse_window(value)
    except ValueError as error:
        assert str(error).startswith("window")
    else:
        assert not isinstance(window, Hop | Cumulate) or 1 <= window.count <= 1000
