"""Parameters reach DuckDB as values of their types, and never as SQL."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.errors import UserError
from lakehead.query.parameters import parse_parameters, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("1.50", Decimal("1.50")),
        ("1e3", 1000.0),
        ("true", True),
        ("false", False),
        ("null", None),
        ("", ""),
        ("'", "'"),
        ("''", ""),
        ("'7'", "7"),
        ("'null'", "null"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("٣", "٣"),
        ("True", "True"),
        ("2026-01-31", "2026-01-31"),
        ("x' OR 1=1 --", "x' OR 1=1 --"),
    ],
)
def test_values(text: str, value: object) -> None:
    read = parse_value(text)
    assert read == value and type(read) is type(value)


@given(st.integers(-(10**38) + 1, 10**38 - 1) | st.text().map(lambda text: f"'{text}'"))
def test_every_number_and_every_quoted_text(value: object) -> None:
    expected = value[1:-1] if isinstance(value, str) else value
    assert parse_value(str(value)) == expected


@pytest.mark.parametrize("text", ["1e999", "9" * 39, "0." + "9" * 38])
def test_numbers_that_would_lose_digits_are_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse_value(text)


def test_names_or_places() -> None:
    assert parse_parameters([]) is None
    assert parse_parameters(["a=1", "b=x=y"]) == {"a": 1, "b": "x=y"}
    assert parse_parameters(["1", "x y=z"]) == [1, "x y=z"]
    with pytest.raises(UserError, match="'7' has no name"):
        parse_parameters(["a=1", "7"])
    with pytest.raises(UserError, match="a is given twice"):
        parse_parameters(["a=1", "a=2"])


def test_they_fill_a_query(ask: Callable[..., list[tuple[Any, ...]]]) -> None:
    params = parse_parameters(["since=2024-01-02", "country=FI"])
    counted = ask(
        'SELECT count(*) FROM landing.orders WHERE "at" >= $since AND country IS NOT DISTINCT FROM'
        " $country",
        params=params,
    )
    assert counted == [(0,)]
    assert ask("SELECT count(*) FROM landing.orders WHERE id = ?", params=[2]) == [(1,)]
    hostile = "x' OR 1=1 --"
    assert ask("SELECT ?", params=parse_parameters([hostile])) == [(hostile,)]


@pytest.mark.parametrize("texts", [[], ["1", "2"], ["a=1"]])
def test_what_does_not_fit_the_query(
    ask: Callable[..., list[tuple[Any, ...]]], texts: list[str]
) -> None:
    with pytest.raises(UserError):
        ask("SELECT ?", params=parse_parameters(texts))
