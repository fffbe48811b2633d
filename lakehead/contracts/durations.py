"""Lengths of time as contracts and models write them."""

import re
from datetime import timedelta

# Flink's intervals hold three digits of days.
MAXIMUM_DAYS = 999


def parse_duration(text: object) -> timedelta:
    """``"2 seconds"`` as a time; units are milliseconds to days.

    Raises:
        ValueError: anything else; says what was expected.
    """
    match = re.fullmatch(r"(\d+)\s+(millisecond|second|minute|hour|day)s?", str(text).strip())
    try:
        if match:
            return timedelta(**{f"{match[2]}s": int(match[1])})
    except (OverflowError, ValueError):
        pass
    raise ValueError(f"{text!r} is not a duration; expected such as '10 seconds' or '7 days'")
