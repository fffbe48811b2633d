"""What a person writes for a moment of the lake, and what is meant by it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.errors import UserError
from lakehead.lake.as_of import Moment, OneSnapshot, Snapshots, Tagged, parse_as_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def parsed(text: str) -> object:
    return parse_as_of(text, NOW)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("v1", Tagged("v1")),
        (" before-rollback-20260131-101112-345 ", Tagged("before-rollback-20260131-101112-345")),
        ("4077316878301565878", OneSnapshot(4077316878301565878)),
        ("landing.Orders=1, marts.m=2", Snapshots({"landing.orders": 1, "marts.m": 2})),
        ("15 minutes ago", Moment(NOW - timedelta(minutes=15))),
        ("1 day  ago", Moment(NOW - timedelta(days=1))),
        ("2026-01-31T10:00Z", Moment(datetime(2026, 1, 31, 10, tzinfo=UTC))),
        ("2026-01-31T10:00+02:00", Moment(datetime(2026, 1, 31, 8, tzinfo=UTC))),
        ("2026-01-31 10:00", Moment(datetime(2026, 1, 31, 10, tzinfo=UTC), zone_given=False)),
        ("2026-01-31", Moment(datetime(2026, 1, 31, tzinfo=UTC), zone_given=False)),
    ],
)
def test_every_form_is_read(text: str, meant: object) -> None:
    assert parsed(text) == meant


def test_a_time_without_a_zone_is_said_to_be_utc() -> None:
    assert str(parsed("2026-01-31")).endswith("no zone was given: taken as UTC")
    assert "zone" not in str(parsed("2026-01-31T00:00Z"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no moment of the lake; expected a tag"),
        ("2026-13-01", "'2026-13-01' is no moment of the lake"),
        ("v1; DROP TABLE t", "is no moment of the lake"),
        ("a while ago", "'a while ago' is no moment: 'a while' is not a duration"),
        ("2026-01-31T12:01Z", "'2026-01-31T12:01Z' is still to come: it is 2026-01-31T12:00:00"),
        ("landing.orders=v1", "'landing.orders=v1' is no TABLE=ID"),
        ("=1", "'=1' is no TABLE=ID"),
        ("999999 days ago", "'999999 days ago' is no moment"),
    ],
)
def test_what_means_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        parsed(text)
    assert said in raised.value.message
    assert raised.value.hint


@given(st.datetimes(datetime(2000, 1, 1), datetime(2026, 1, 1)), st.integers(-14, 14))
def test_a_time_is_that_time_in_any_zone(moment: datetime, hours: int) -> None:
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=hours)))
    assert parsed(there.isoformat()) == Moment(moment.replace(tzinfo=UTC))


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert str(parsed(text))
    except UserError as error:
        assert error.message and error.hint
