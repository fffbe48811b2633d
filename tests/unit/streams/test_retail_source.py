"""The sample's streams as a source, on a small sample with a step back in time."""

from collections import Counter
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehead.errors import UserError
from lakehead.settings import INSTALL_ROOT, Settings
from lakehead.streams.events import Event, Source
from lakehead.streams.retail import RETAIL_STREAMS, Sample, retail_source
from lakehead.streams.retail.draws import Draws
from lakehead.streams.retail.source import RetailSource, merged

IDS = ("payment_id", "update_id", "shipment_id", "session_id", "view_id")
SELECTIONS = [(s,) for s in RETAIL_STREAMS] + [("payments", "orders"), RETAIL_STREAMS]
DAY = 86_400


@pytest.fixture(scope="module")
def small(settings: Settings) -> RetailSource:
    return retail_source(settings, RETAIL_STREAMS)


def test_orders_alone_are_the_files_lines(settings: Settings, sample: Sample) -> None:
    source: Source = retail_source(settings, ["orders"])
    assert source.streams == ("orders",)
    assert (source.rows, source.first, source.newest) == (sample.rows, sample.first, sample.newest)
    assert source.period == sample.period


def test_the_real_sample_of_all_streams_is_known(tmp_path: Path) -> None:
    source = retail_source(Settings(home=tmp_path, project=INSTALL_ROOT), RETAIL_STREAMS)
    assert source.rows == 1_816_858
    assert source.first == 1_259_646_300
    assert source.newest == source.newest_of(source.rows) == 1_324_505_109


@pytest.mark.parametrize("streams", SELECTIONS)
def test_a_stream_is_the_same_alone_and_with_others(
    settings: Settings, small: RetailSource, streams: tuple[str, ...]
) -> None:
    source = retail_source(settings, streams)
    alone = list(source.events(source.rows))
    assert alone == [e for e in small.events(small.rows) if e.stream in streams]
    assert source.rows == len(alone)
    assert source.first == min(e.seconds for e in alone)
    assert source.newest == max(e.seconds for e in alone)


@pytest.mark.parametrize("streams", SELECTIONS)
def test_all_streams_have_events(settings: Settings, streams: tuple[str, ...]) -> None:
    source = retail_source(settings, streams)
    assert set(Counter(e.stream for e in source.events(source.rows))) == set(streams)


def test_what_follows_from_a_line_that_is_behind_is_behind_too(small: RetailSource) -> None:
    newest = 0
    behind = Counter[str]()
    for event in small.events(small.rows):
        behind[event.stream] += event.seconds < newest - DAY
        newest = max(newest, event.seconds)
    assert behind["orders"] == 200
    assert behind["payments"] > 0
    assert behind["page_views"] > 0


def test_a_replay_is_the_same_later_with_ids_of_its_own(small: RetailSource) -> None:
    events = list(small.events(2 * small.rows + 5))
    first, second = events[: small.rows], events[small.rows : 2 * small.rows]
    assert len(events) == 2 * small.rows + 5
    assert [e.seconds + small.period for e in first] == [e.seconds for e in second]
    for before, after in zip(first, second, strict=True):
        assert before[:2] == after[:2]
        for name, value in after.fields.items():
            if name in IDS:
                assert value.replace("R1", "") == before.fields[name] != value
            elif not name.endswith(("_date", "_on", "since")):
                assert value == before.fields[name]
    for name in ("payment_id", "update_id", "view_id"):
        ids = [e.fields[name] for e in first + second if name in e.fields]
        assert len(set(ids)) == len(ids)


def test_replays_do_not_overlap(small: RetailSource) -> None:
    events = list(small.events(2 * small.rows))
    assert max(e.seconds for e in events[: small.rows]) == small.newest
    assert min(e.seconds for e in events[small.rows :]) == small.newest + 60


@pytest.mark.parametrize("streams", [("orders",), ("page_views",), RETAIL_STREAMS])
def test_newest_of_is_the_maximum_so_far(settings: Settings, streams: tuple[str, ...]) -> None:
    source = retail_source(settings, streams)

    seconds = [event.seconds for event in source.events(2 * source.rows + 50)]
    for count in (1, 2, 300, source.rows - 1, source.rows, source.rows + 1, len(seconds)):
        assert source.newest_of(count) == max(seconds[:count]), count


def test_a_few_events_are_the_first_of_all(tmp_path: Path) -> None:
    source = retail_source(Settings(home=tmp_path, project=INSTALL_ROOT), RETAIL_STREAMS)
    few = list(source.events(1000))
    assert few == list(islice(source.events(source.rows), 1000))


def test_a_step_back_leaves_out_the_invoices_that_come_again(tmp_path: Path) -> None:
    table = pq.read_table(INSTALL_ROOT / "sample-data" / "online_retail.parquet").slice(0, 2000)
    path = tmp_path / "twice.parquet"
    pq.write_table(pa.concat_tables([table, table.slice(0, 500)]), path)
    once = tmp_path / "once.parquet"
    pq.write_table(table, once)
    derived = [s for s in RETAIL_STREAMS if s != "orders"]
    assert list(merged(path, derived)) == list(merged(once, derived))


def test_an_unknown_stream_is_refused(settings: Settings) -> None:
    with pytest.raises(UserError, match="no sample events for the stream 'trades', only for"):
        retail_source(settings, ["orders", "trades"])
    with pytest.raises(UserError, match="no stream is named"):
        retail_source(settings, [])


def test_a_stream_named_twice_is_there_once(settings: Settings, small: RetailSource) -> None:
    source = retail_source(settings, ["payments", "payments"])
    assert source.streams == ("payments",)
    wanted = [e for e in small.events(small.rows) if e.stream == "payments"]
    assert list[Event](source.events(source.rows)) == wanted


def test_draws_are_even_and_always_the_same() -> None:
    assert [Draws("visit 536365").below(1000) for _ in range(3)] == [
        Draws("visit 536365").below(1000)
    ] * 3
    draws = Draws("a")
    counts = Counter(draws.below(6) for _ in range(60_000))
    assert set(counts) == set(range(6))
    assert all(9_500 < n < 10_500 for n in counts.values())
