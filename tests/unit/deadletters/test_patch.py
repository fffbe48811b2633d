"""Patches: the cases of RFC 7386, renames and casts."""

import json
from typing import Any

import pytest

from lakehead.deadletters.patch import CannotPatch, read_patch
from lakehead.errors import UserError


# Appendix A, where the target is an object or is within one.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({"x": [1, 2]}, {"x": {"a": "b", "c": None}}, {"x": {"a": "b"}}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merging_is_that_of_the_rfc(target: Any, patch: Any, result: Any) -> None:
    before = json.dumps(target)
    assert read_patch(json.dumps(patch)).apply(target) == result
    assert json.dumps(target) == before


@pytest.mark.parametrize(
    ("rename", "event", "result"),
    [
        ("a=b", {"a": 1, "c": 2}, {"b": 1, "c": 2}),
        ("a=b", {"c": 2}, {"c": 2}),
        ("a=b.c", {"a": 1, "b": {"d": 2}}, {"b": {"c": 1, "d": 2}}),
        ("b.c=a", {"b": {"c": 1}}, {"a": 1, "b": {}}),
        ("b.c=a", {"b": 3}, {"b": 3}),
        ("a=b", {"a": None}, {"b": None}),
    ],
)
def test_renaming(rename: str, event: Any, result: Any) -> None:
    assert read_patch(renames=[rename]).apply(event) == result


@pytest.mark.parametrize("event", [{"a": 1, "b": 2}, {"a": 1, "b": None}])
def test_a_name_that_is_taken_is_not_overwritten(event: Any) -> None:
    with pytest.raises(CannotPatch, match="it has both"):
        read_patch(renames=["a=b"]).apply(event)


@pytest.mark.parametrize(
    ("cast", "value", "result"),
    [
        ("a=long", " 12 ", 12),
        ("a=long", "twelve", "twelve"),
        ("a=boolean", "true", True),
        ("a=string", 12, "12"),
        ("a=string", True, "true"),
        ("a=double", "1.5", 1.5),
        ("a=long", None, None),
    ],
)
def test_casting(cast: str, value: Any, result: Any) -> None:
    assert read_patch(casts=[cast]).apply({"a": value}) == {"a": result}
    assert read_patch(casts=[f"b.{cast}"]).apply({"b": {"a": value}}) == {"b": {"a": result}}


def test_renames_come_first_then_casts_then_the_merge() -> None:
    patch = read_patch('{"c": "x"}', ["a=b", "c=d"], ["b=long"])
    assert patch.apply({"a": "1", "c": 2}) == {"b": 1, "d": 2, "c": "x"}
    assert patch.names == {"b", "c", "d"}
    assert patch and not read_patch()
    assert read_patch("{}")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("{",), "expected JSON"),
        (("[]",), "expected a JSON object"),
        ((None, ["a"]), "old=new"),
        ((None, ["a..b=c"]), "'a..b'"),
        ((None, (), ["a=money"]), "is not a type"),
        ((None, (), ["a=decimal(2,9)"]), "precision"),
    ],
)
def test_what_is_no_patch_is_named(args: Any, said: str) -> None:
    with pytest.raises(UserError, match=said.replace("(", r"\(")) as failed:
        read_patch(*args)
    assert failed.value.hint
