"""What a contract may not be: each problem has its line, and all of them are told at once."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from lakehead.contracts.load import contract_from_text
from lakehead.contracts.model import Contract
from lakehead.contracts.patterns import check_pattern
from lakehead.contracts.problems import ContractError
from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT

PATH = INSTALL_ROOT / "schemas" / "orders.yaml"
SOURCE = PATH.read_text()


def refused(text: str) -> str:
    with pytest.raises(UserError) as caught:
        contract_from_text(text, PATH)
    return caught.value.message


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_every_problem_is_told_at_its_line() -> None:
    changes = {
        "physicalType: int\n": "physicalType: uint8\n",
        "value: 2 seconds": "value: soon",
        "status: active": "status: active\nstate: active",
    }
    text = SOURCE
    for old, new in changes.items():
        text = text.replace(old, new)
    with pytest.raises(ContractError) as caught:
        contract_from_text(text, PATH)
    lines = [line_of(text, part) for part in ("state: active", "uint8", "soon")]
    assert [p.line for p in caught.value.problems] == lines
    for problem in caught.value.problems:
        assert f"{PATH}:{problem.line}: {problem.message}" in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("status: active", "stauts: active", "did you mean status?"),
        ("status: active", "status: active\nstatus: draft", "'status' is there twice"),
        ("status: active", "status: &a active\nid: *a", "an alias (*name) is not supported"),
        ("status: active", "status: " + "[" * 61 + "]" * 61, "nested more than 60 deep"),
        ("{minimum: 1}", "{minimum: 2, maximum: 1}", "minimum 2 is above maximum 1"),
        ("{minLength: 1, maxLength: 20}", "{minLength: 2, maxLength: 1}", "minLength 2 is above"),
        ("{minimum: 1}", "{minimum: 1e999}", "expected a number of at most 38 digits"),
        ("'^[A-Z]?[0-9]{6}$'", "'(?=x)'", "expected ( ) or (?: )"),
    ],
)
def test_what_would_surprise_is_refused_at_its_line(old: str, new: str, expected: str) -> None:
    text = SOURCE.replace(old, new)
    assert text != SOURCE
    message = refused(text)
    assert expected in message
    # The alias stands on the line after.
    assert f"{PATH}:{line_of(text, new) + new.count(chr(10))}: " in message


@pytest.mark.parametrize(
    "pattern",
    ["^[A-Z]{2}[0-9]+$", r"\d{4}-\d\d", "a|b", "(?:ab)+c*?", r"[^\s\]]", "é", r"\.\-\/", "[a&b]"],
)
def test_a_pattern_that_every_engine_reads_alike_is_kept(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        *("(?i)a", "(?=a)", "(?<!a)b", "(?P<n>a)", "(?>a)"),
        *(r"(a)\1", r"\bword", r"\p{L}", r"\Aa\Z", r"\x41", r"\Qa\E", r"\h"),
        *("a++", "a*+", "a{1,2}{3}", "a{1001}", "{", "a}", "a{,3}"),
        *("[[a]]", "[a&&b]", "[]a]", "[]", "[a", "a\nb", "a\x00", "", "x" * 1001),
    ],
)
def test_a_pattern_that_engines_read_differently_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        check_pattern(pattern)


def test_what_is_within_an_array_has_no_rules(
    load: Callable[[Any], Contract], document: Any
) -> None:
    properties = document["schema"][0]["properties"]
    item = {"logicalType": "string", "logicalTypeOptions": {"minLength": 1}}
    properties.append({"name": "tags", "logicalType": "array", "items": copy.deepcopy(item)})
    with pytest.raises(ContractError, match="a rule on what is within"):
        load(document)
    del properties[-1]["items"]["logicalTypeOptions"]
    assert str(load(document).field("tags").type) == "array<string>"
