"""The kinds of poison: events that no contract accepts, each in a way of its own."""

TRUNCATED = "truncated"
WRONG_TYPE = "wrong_type"
MISSING_FIELD = "missing_field"
BAD_ENUM = "bad_enum"
NOT_UTF8 = "not_utf8"
EMPTY = "empty"
NOT_AN_OBJECT = "not_an_object"
FUTURE_CLOCK = "future_clock"
TOMBSTONE = "tombstone"
PAST_CLOCK = "past_clock"
OUT_OF_RANGE = "out_of_range"
BAD_PATTERN = "bad_pattern"
HUGE = "huge"
POISON_KINDS = (
    TRUNCATED,
    WRONG_TYPE,
    MISSING_FIELD,
    BAD_ENUM,
    NOT_UTF8,
    EMPTY,
    NOT_AN_OBJECT,
    FUTURE_CLOCK,
    TOMBSTONE,
    PAST_CLOCK,
    OUT_OF_RANGE,
    BAD_PATTERN,
    HUGE,
)
