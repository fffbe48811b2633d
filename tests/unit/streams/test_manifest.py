import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.errors import UserError
from lakehead.settings import Settings
from lakehead.streams.manifest import (
    Duplicates,
    Failed,
    Keys,
    Late,
    Manifest,
    Natural,
    OutOfOrder,
    PartitionRange,
    Poison,
    Rejected,
    read_manifests,
)

counts = st.integers(0, 2**40)
texts = st.text(max_size=5)
reasons = st.dictionaries(texts, texts, max_size=3)
coordinates = st.lists(st.tuples(st.integers(0, 9), counts), max_size=4)
manifests = st.builds(
    Manifest,
    stream=st.just("orders"),
    source=texts,
    seed=st.integers(),
    started=st.just("2026-01-02T03:04:05.000006Z"),
    finished=st.just("2026-01-02T03:05:00.000000Z"),
    interrupted=st.booleans(),
    options=st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.booleans()),
    events=counts,
    unacknowledged=counts,
    partitions=st.dictionaries(
        st.integers(0, 99), st.builds(PartitionRange, counts, counts, counts), max_size=4
    ),
    failed=st.builds(Failed, counts, st.none() | st.text()),
    poison=st.builds(
        Poison,
        counts,
        st.dictionaries(texts, counts, max_size=3),
        reasons,
        reasons,
        st.lists(st.tuples(st.integers(0, 9), counts, texts), max_size=4),
    ),
    late=st.builds(Late, st.floats(0.1, 1e6), counts, coordinates),
    out_of_order=st.builds(OutOfOrder, st.floats(0.1, 1e6), counts, counts, coordinates),
    duplicates=st.builds(Duplicates, counts, coordinates),
    keys=st.builds(Keys, counts, st.none() | texts, counts, st.lists(st.integers(0, 9)), reasons),
    natural=st.builds(Natural, counts, st.dictionaries(texts, counts, max_size=3)),
    rejected=st.builds(Rejected, counts, st.none() | texts, st.none() | texts),
    event_time=st.none() | st.tuples(texts, texts),
)


def blank(started: str, stream: str = "orders") -> Manifest:
    return Manifest(
        stream=stream,
        source="sample",
        seed=7,
        started=started,
        finished=started,
        interrupted=False,
        options={},
        events=0,
        unacknowledged=0,
        partitions={},
        failed=Failed(),
        poison=Poison(),
        late=Late(300.0),
        out_of_order=OutOfOrder(1.0),
        duplicates=Duplicates(),
        keys=Keys(),
        natural=Natural(),
        rejected=Rejected(),
        event_time=None,
    )


@given(manifests)
def test_json_gives_the_same_back(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"poison": 1}'])
def test_what_is_no_manifest_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        Manifest.from_json(text)


def test_an_unknown_key_is_a_value_error() -> None:
    document = json.loads(blank("2026-01-02T03:04:05.000006Z").to_json()) | {"more": 1}
    with pytest.raises(ValueError, match="not a manifest"):
        Manifest.from_json(json.dumps(document))


@pytest.mark.parametrize("found", [1, 3, "2", None])
def test_another_format_is_named(found: object) -> None:
    document = json.loads(blank("2026-01-02T03:04:05.000006Z").to_json()) | {"format": found}
    with pytest.raises(ValueError, match=f"a manifest of format {found}, expected 2"):
        Manifest.from_json(json.dumps(document))


def test_a_manifest_from_before_formats_is_of_the_first(tmp_path: Path) -> None:
    document = json.loads(blank("2026-01-02T03:04:05.000006Z").to_json())
    del document["format"]
    settings = Settings(home=tmp_path, project=tmp_path)
    settings.manifests.mkdir()
    (settings.manifests / "orders-1.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"orders-1.json is a manifest of format 1, expected 2"):
        read_manifests(settings, "orders")


def test_file_is_named_by_stream_start_and_seed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, project=tmp_path)
    path = blank("2026-01-02T03:04:05.000006Z").write(settings)
    assert path == settings.manifests / "orders-20260102T030405.000006Z-7.json"
    assert [p.name for p in settings.manifests.iterdir()] == [path.name]


def test_reads_the_streams_own_oldest_first(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, project=tmp_path)
    assert read_manifests(settings, "orders") == []
    starts = ["2026-01-02T03:04:05.000007Z", "2025-01-02T03:04:05.000006Z"]
    for start in starts:
        blank(start).write(settings)
    blank(starts[0], stream="orders-x").write(settings)
    assert [m.started for m in read_manifests(settings, "orders")] == sorted(starts)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, project=tmp_path)
    path = blank("2026-01-02T03:04:05.000006Z").write(settings)
    path.write_text("{")
    with pytest.raises(UserError, match=path.name):
        read_manifests(settings, "orders")
