"""The values of a query's parameters as a person types them."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal

from lakehead.errors import UserError

_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
# JSON's numbers, so that 007 and 1_000 stay the texts that they are.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS = {"null": None, "true": True, "false": False}
# What DuckDB's HUGEINT and DECIMAL hold for certain.
_MOST_DIGITS = 38


def parse_parameters(texts: Sequence[str]) -> list[object] | dict[str, object] | None:
    """``NAME=VALUE`` each, for ``$name``; or values alone, for ``?`` and ``$1``; None for none.

    Raises:
        UserError: some have names and some do not, a name comes twice, or a number is too large.
    """
    if not texts:
        return None
    found = [_NAMED.fullmatch(text) for text in texts]
    if not any(found):
        return [parse_value(text) for text in texts]
    named: dict[str, object] = {}
    for text, match in zip(texts, found, strict=True):
        if match is None:
            raise UserError(
                f"--param {text!r} has no name, and others have one",
                "give each as NAME=VALUE for $name, or each as VALUE for ?",
            )
        name = match[1]
        if name in named:
            raise UserError(f"--param {name} is given twice", "leave one out")
        named[name] = parse_value(match[2])
    return named


def parse_value(text: str) -> object:
    """``null``, ``true``, ``false`` and numbers are those; all else is text, as is ``'quoted'``.

    Raises:
        UserError: a number that DuckDB has no type for.
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    if match[3]:
        number = float(text)
        if not math.isfinite(number):
            raise UserError(f"{text} is too large a number", f"as text: \"'{text}'\"")
        return number
    if sum(c.isdigit() for c in text) > _MOST_DIGITS:
        raise UserError(f"{text} has more than {_MOST_DIGITS} digits", f"as text: \"'{text}'\"")
    return Decimal(text) if match[2] else int(text)
