from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.contracts.model import Contract
from lakehead.contracts.samples import START
from lakehead.contracts.validate import Validator
from lakehead.settings import Settings
from lakehead.streams.encode import key_text
from lakehead.streams.events import Source
from lakehead.streams.produce.sources import SampleSource, source_of


def made(everything: Contract, names: list[str], base: Source | None) -> SampleSource:
    return SampleSource([replace(everything, stream=name) for name in names], 1, base)


def test_a_stream_with_retail_data_has_them_alone(
    settings: Settings, contract: Contract, source: Source
) -> None:
    found = source_of(settings, [contract], 1)
    assert list(found.events(50)) == list(source.events(50))


def test_streams_without_take_turns_with_those_that_have_them(
    settings: Settings, contract: Contract, everything: Contract, source: Source
) -> None:
    contracts = [everything, contract, replace(everything, stream="other")]
    found = source_of(settings, contracts, 1)
    assert found.streams == ("orders", "everything", "other")
    events = list(found.events(90))
    assert [e.stream for e in events[:3]] == list(found.streams)
    assert [e for e in events if e.stream == "orders"] == list(source.events(30))
    assert found.rows == 3 * source.rows
    assert (found.first, found.newest, found.period) == (
        source.first,
        source.newest,
        source.period,
    )


def test_alone_an_event_comes_every_second(everything: Contract) -> None:
    found = made(everything, ["a", "b"], None)
    assert [(e.stream, e.seconds) for e in found.events(4)] == [
        ("a", START),
        ("b", START + 1),
        ("a", START + 2),
        ("b", START + 3),
    ]
    assert (found.rows, found.newest) == (86_400, START + 86_399)


def test_events_are_valid_have_their_keys_and_no_event_time(everything: Contract) -> None:
    validator = Validator(everything)
    for event in made(everything, ["everything"], None).events(50):
        assert list(event.fields) == [f.name for f in everything.fields if f.name != "event_time"]
        assert event.key == key_text(event.fields["id"])
        problems = validator.problems(event.fields)
        assert problems == ["event_time.required: is missing, and required"]


@given(names=st.lists(st.sampled_from("abc"), unique=True, min_size=1), based=st.booleans())
def test_a_shorter_run_is_the_begin_of_a_longer_one(
    names: list[str], based: bool, everything: Contract, source: Source
) -> None:
    found = made(everything, names, source if based else None)
    assert list(found.events(40)) == list(islice(found.events(60), 40))


@given(count=st.integers(1, 1500), names=st.integers(1, 3), based=st.booleans())
def test_newest_of_is_the_maximum_so_far(
    count: int, names: int, based: bool, everything: Contract, source: Source
) -> None:
    bare = replace(everything, fields=everything.fields[-1:], rules=(), key="event_time")
    found = made(bare, list("abc")[:names], source if based else None)
    assert found.newest_of(count) == max(e.seconds for e in found.events(count))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_seed_is_that_of_the_samples(
    seed: int, settings: Settings, everything: Contract
) -> None:
    one = list(source_of(settings, [everything], seed).events(20))
    assert one == list(source_of(settings, [everything], seed).events(20))
    assert one != list(source_of(settings, [everything], 3).events(20))
