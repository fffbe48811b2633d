import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lakehead.contracts.load import contract_from_text
from lakehead.contracts.model import Contract
from lakehead.contracts.patterns import check_pattern, compile_pattern
from lakehead.contracts.samples import Sampler, sample_events
from lakehead.contracts.samples.matching import matching
from lakehead.contracts.validate import Validator
from lakehead.errors import UserError
from tests.draws import draws

MOMENT = 1_750_000_000

bounds = st.integers(-(10**6), 10**6)
ordered = st.lists(bounds, min_size=2, max_size=2).map(sorted)
numbers = st.sampled_from([("integer", "int"), ("integer", "long"), ("number", "double")])
days = st.dates(datetime(1971, 1, 1).date(), datetime(2090, 1, 1).date())
# A field's properties, but for its name.
plain = st.one_of(
    st.builds(
        lambda kind, low, high: {
            "logicalType": kind[0],
            "physicalType": kind[1],
            "logicalTypeOptions": {**low, **high},
        },
        numbers,
        st.just({}) | st.builds(lambda n: {"minimum": n}, st.integers(-(10**6), 0)),
        st.just({}) | st.builds(lambda n: {"maximum": n}, st.integers(0, 10**6)),
    ),
    st.builds(
        lambda scale, limits: {
            "logicalType": "number",
            "physicalType": f"decimal({8 + scale},{scale})",
            "logicalTypeOptions": {"minimum": limits[0], "maximum": limits[1]},
        },
        st.integers(0, 30),
        ordered,
    ),
    st.builds(
        lambda low, more: {
            "logicalType": "string",
            "logicalTypeOptions": {"minLength": low, "maxLength": low + more},
        },
        st.integers(0, 60),
        st.integers(0, 60),
    ),
    st.sampled_from(
        [
            {"logicalType": "boolean"},
            {"logicalType": "string", "physicalType": "binary"},
            {"logicalType": "number", "physicalType": "float"},
            {"logicalType": "timestamp"},
            {"logicalType": "timestamp", "physicalType": "timestamp_ntz"},
            {"logicalType": "string", "enum": [{"value": "a"}, {"value": ""}]},
            {"logicalType": "string", "logicalTypeOptions": {"pattern": "^[A-Z]{2}-[0-9]+$"}},
        ]
    ),
    st.builds(
        lambda limits: {
            "logicalType": "date",
            "logicalTypeOptions": {"minimum": str(limits[0]), "maximum": str(limits[1])},
        },
        st.lists(days, min_size=2, max_size=2).map(sorted),
    ),
    st.builds(
        lambda day: {
            "logicalType": "timestamp",
            "logicalTypeOptions": {"minimum": f"{day}T10:00Z"},
        },
        days,
    ),
)
required = st.booleans().map(lambda wanted: {"required": wanted})
ruled = st.builds(lambda kind, need: kind | need, plain, required)
bare = plain.map(
    lambda kind: {k: v for k, v in kind.items() if k in ("logicalType", "physicalType")}
)
nested = st.one_of(
    st.builds(
        lambda inner, need: {"logicalType": "object", "properties": _named(inner)} | need,
        st.lists(ruled, min_size=1, max_size=3),
        required,
    ),
    st.builds(
        lambda item, low, need: (
            {
                "logicalType": "array",
                "items": item,
                "logicalTypeOptions": {"minItems": low, "maxItems": low + 2},
            }
            | need
        ),
        bare,
        st.integers(0, 3),
        required,
    ),
    st.builds(
        lambda value: {
            "logicalType": "map",
            "map": {"key": {"logicalType": "string"}, "value": value},
        },
        bare,
    ),
)
properties = st.lists(ruled | nested, min_size=1, max_size=6).map(lambda found: _named(found))


def _named(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": f"f{i}"} | one for i, one in enumerate(found)]


def document(properties: list[dict[str, Any]], *rules: str) -> dict[str, Any]:
    """A contract of these fields and an event time; the first field is the key, or the time."""
    clock = {"name": "at", "logicalType": "timestamp", "required": True}
    quality = [
        {"type": "custom", "engine": "lakehead", "name": f"rule_{i}", "implementation": rule}
        for i, rule in enumerate(rules)
    ]
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "any",
        "name": "any",
        "version": "1.0.0",
        "status": "active",
        "schema": [
            {
                "name": "any",
                "physicalType": "topic",
                "properties": [*properties, clock],
                "quality": quality,
            }
        ],
        "customProperties": [
            {"property": "eventTime", "value": "at"},
            {"property": "key", "value": "at"},
        ],
    }


def contract(properties: list[dict[str, Any]], *rules: str) -> Contract:
    return contract_from_text(json.dumps(document(properties, *rules)), Path("any.yaml"))


def drawn(made: Contract, count: int, seed: int = 0) -> list[dict[str, Any]]:
    return list(islice(sample_events(made, seed), count))


@examples(max_examples=draws(60), deadline=None)
@given(properties=properties, seed=st.integers(0, 100))
def test_every_event_of_any_contract_is_valid(properties: list[dict[str, Any]], seed: int) -> None:
    made = contract(properties)
    validator = Validator(made)
    for event in drawn(made, 5, seed):
        assert validator.problems(event) == []
        assert list(event) == [f.name for f in made.fields]


@examples(max_examples=draws(60), deadline=None)
@given(properties=properties, seed=st.integers(0, 100))
def test_the_same_seed_gives_the_same_events(properties: list[dict[str, Any]], seed: int) -> None:
    made = contract(properties)
    assert drawn(made, 5, seed) == drawn(made, 5, seed)


def test_another_seed_gives_others() -> None:
    made = contract([{"name": "n", "logicalType": "integer"}])
    assert drawn(made, 20, 1) != drawn(made, 20, 2)


def test_the_event_time_is_what_was_asked() -> None:
    made = contract([{"name": "n", "logicalType": "integer"}])
    assert Sampler(made).event(MOMENT)["at"] == datetime.fromtimestamp(MOMENT, UTC)


def test_other_times_lie_before_the_event_time() -> None:
    made = contract([{"name": "paid", "logicalType": "timestamp", "required": True}])
    assert all(0 < (e["at"] - e["paid"]).total_seconds() <= 86_400 for e in drawn(made, 50))


def test_optional_fields_are_null_now_and_then_and_required_ones_never() -> None:
    made = contract(
        [
            {"name": "maybe", "logicalType": "integer"},
            {"name": "always", "logicalType": "integer", "required": True},
        ]
    )
    events = drawn(made, 500)
    assert 0 < sum(e["maybe"] is None for e in events) < 100
    assert all(e["always"] is not None for e in events)


def test_examples_come_first_where_they_are_valid() -> None:
    made = contract(
        [
            {
                "name": "fare",
                "logicalType": "number",
                "physicalType": "decimal(6,2)",
                "required": True,
                "examples": [1.5, "2.25", 3.999],
            }
        ]
    )
    assert {e["fare"] for e in drawn(made, 50)} == {Decimal("1.5"), Decimal("2.25")}


def test_a_bound_beyond_the_type_gives_values_of_the_type() -> None:
    tenths = {"logicalType": "number", "physicalType": "decimal(1,1)", "required": True}
    made = contract([{"name": "share", "logicalTypeOptions": {"minimum": -100000}} | tenths])
    shares = [e["share"] for e in drawn(made, 500)]
    assert min(shares) == Decimal("-0.9")
    assert max(shares) == Decimal("0.9")


@pytest.mark.parametrize(
    "kind",
    [
        {"logicalType": "string"},
        {"logicalType": "integer"},
        {"logicalType": "string", "logicalTypeOptions": {"maxLength": 5}},
        {"logicalType": "string", "logicalTypeOptions": {"minLength": 30}},
        {"logicalType": "timestamp"},
    ],
)
def test_unique_fields_are_unique(kind: dict[str, Any]) -> None:
    unique = {"customProperties": [{"property": "uniqueWithin", "value": "1 day"}], "unique": True}
    made = contract([{"name": "key", "required": True} | kind | unique])
    keys = [e["key"] for e in drawn(made, 2000)]
    assert len(set(keys)) == len(keys)
    assert all(Validator(made).problems(e) == [] for e in drawn(made, 10))


def test_references_are_keys_of_the_stream_that_they_name() -> None:
    unique = {"customProperties": [{"property": "uniqueWithin", "value": "1 day"}], "unique": True}
    key = {"name": "id", "logicalType": "string", "required": True}
    keys = {e["id"] for e in drawn(contract([key | unique]), 100)}
    to = {"name": "ref", "logicalType": "string", "relationships": [{"to": "any.id"}]}
    used = {e["ref"] for e in drawn(contract([to]), 500)} - {None}
    assert 5 < len(used) <= 20
    assert used <= keys


def test_row_rules_are_kept() -> None:
    made = contract(
        [
            {"name": "n", "logicalType": "integer", "required": True},
            {"name": "kind", "logicalType": "string", "enum": [{"value": "a"}, {"value": "b"}]},
        ],
        "kind = 'a' OR n < 100",
    )
    events = drawn(made, 200)
    assert all(e["kind"] != "b" or e["n"] < 100 for e in events)
    assert any(e["kind"] == "b" for e in events)


def test_a_rule_that_cannot_be_kept_is_named() -> None:
    made = contract([{"name": "n", "logicalType": "integer", "required": True}], "n < 0")
    with pytest.raises(UserError, match="rule_0") as caught:
        drawn(made, 1)
    assert "examples" in caught.value.hint


def test_a_field_that_cannot_be_drawn_is_named() -> None:
    options = {"pattern": "^[a-z]{3}$", "minLength": 5}
    made = contract([{"name": "code", "logicalType": "string", "logicalTypeOptions": options}])
    with pytest.raises(UserError, match=r"the field code of any.*\^\[a-z\]\{3\}\$"):
        drawn(made, 5)


def test_texts_are_what_their_names_say() -> None:
    made = contract([{"name": "home_country", "logicalType": "string", "required": True}])
    assert "Norway" in {e["home_country"] for e in drawn(made, 100)}


atoms = st.sampled_from(
    ["a", "[0-9]", "[^,;]", r"\d", r"\w", r"\S", ".", r"\.", "[a-fX-]", r"[\w-]"]
)
repeats = st.sampled_from(["", "*", "+", "?", "{3}", "{2,}", "{0,200}", "{1,3}?"])
sequences = st.lists(st.tuples(atoms, repeats).map("".join), min_size=1, max_size=4).map("".join)
# What is repeated as a whole repeats nothing within: such patterns take for ever to match.
fixed = st.lists(atoms, min_size=1, max_size=3).map("".join)
groups = st.builds(
    lambda left, right, how, count: f"{how}{left}|{right}){count}",
    fixed,
    fixed,
    st.sampled_from(["(", "(?:"]),
    repeats,
)
patterns = st.builds(
    lambda parts, ends: ends[0] + "".join(parts) + ends[1],
    st.lists(sequences | groups, min_size=1, max_size=3),
    st.tuples(st.sampled_from(["", "^"]), st.sampled_from(["", "$"])),
)


@examples(deadline=None)
@given(pattern=patterns, seed=st.integers(0, 1000))
def test_drawn_text_matches_its_pattern(pattern: str, seed: int) -> None:
    # Python's matching takes time by a power of how many parts repeat.
    assume(sum(map(pattern.count, "*+{")) <= 3)
    try:
        check_pattern(pattern)
    except ValueError:
        assume(False)
    text = matching(pattern)(Random(seed))
    assert compile_pattern(pattern).search(text)


def test_a_pattern_without_anchors_is_filled_up() -> None:
    text = matching("[0-9]{3}", 10, 12)(Random(1))
    assert 10 <= len(text) <= 12 and re.search("[0-9]{3}", text)
