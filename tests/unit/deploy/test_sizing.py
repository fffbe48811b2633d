"""The sizing guide's arithmetic: the page is what is computed, from figures that were measured."""

import math
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehead.deploy import sizing
from lakehead.deploy.sizing import MIB, TARGET_BYTES, Load, duration_text, size
from lakehead.deploy.sizing_tables import bytes_text, tables
from lakehead.maintenance import plan
from lakehead.settings import INSTALL_ROOT

PAGE = INSTALL_ROOT / "docs" / "sizing.md"
BENCH = INSTALL_ROOT / "bench" / "README.md"
YEAR = timedelta(days=365)


@pytest.mark.parametrize("name", sorted(tables()))
def test_the_page_has_the_tables_that_are_computed(name: str) -> None:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", PAGE.read_text(), re.DOTALL)
    assert found, f"docs/sizing.md has no place for {name}"
    assert found[1] == tables()[name]


@pytest.mark.parametrize(
    ("figure", "constant", "value"),
    [
        ("on a TaskManager that is warm: 14 to 17 s", sizing.CORE_ONE_WINDOW, 2_000_000 / 17 / 2),
        (
            "| 10,000/s for 60 s, of which 9,773 were reached | 1 s | 88 s",
            sizing.CORE_TEN_MODELS,
            6663,
        ),
        (
            "| nothing known: 100 manifests are read | 527 ms | 987 ms |",
            sizing.PLAN_COLD,
            0.987 / 3000,
        ),
        ("| a process's first, kept on disk | 33 ms | 49 ms |", sizing.PLAN_DISK, 0.049 / 3000),
        ("| `orders` | 215.2 | 29.2 |", sizing.LZ4_RATIO, 29.2 / 215.2),
        ("| `page_views` | 245.2 | 33.0 | 17.8 |", sizing.PARQUET_RATIO, 17.8 / 245.2),
    ],
)
def test_each_figure_is_one_that_the_benchmarks_tell(
    figure: str, constant: float, value: float
) -> None:
    assert figure in BENCH.read_text()
    assert constant == pytest.approx(value, rel=1e-3)


def test_files_are_those_that_maintenance_makes() -> None:
    assert (sizing.TARGET_BYTES, sizing.SMALL_BYTES) == (plan.TARGET_BYTES, plan.SMALL_BYTES)


def test_one_load_by_hand() -> None:
    done = size(Load(100_000, 200, timedelta(days=10), parquet_bytes=20, checkpoint_seconds=10))
    assert done.rows == 86_400_000_000
    assert done.lake_bytes_per_day == 100_000 * 20 * 86_400
    assert done.lake_bytes == 10 * done.lake_bytes_per_day
    assert done.files == math.ceil(1_728_000_000_000 / (128 * MIB)) == 12_875
    # A commit each 10 s, by two writers: 20 MB in two files.
    assert (done.commits_per_hour, done.new_files_per_hour) == (360, 720)
    assert done.new_file_bytes == 10_000_000
    assert done.cores_one_window == 2
    assert done.cores_ten_models == math.ceil(100_000 / (9_773 * 60 / 88)) == 16


@pytest.mark.parametrize(
    ("load", "breaks"),
    [
        (Load(1_000, 220, timedelta(days=30)), ["commits"]),
        (Load(100_000, 220, YEAR), ["commits", "planning"]),
        (
            Load(1_000_000, 220, YEAR, streams=10),
            ["commits", "one machine", "SQLite catalog", "one broker", "planning"],
        ),
        (
            Load(200_000, 220, timedelta(days=1), checkpoint_seconds=600),
            ["one machine", "SQLite catalog", "one reader a stream"],
        ),
        (Load(10_000, 220, timedelta(days=1), checkpoint_seconds=3600), []),
    ],
)
def test_what_breaks_is_told_the_first_first(load: Load, breaks: list[str]) -> None:
    assert [b.what for b in size(load).breaks] == breaks


@given(
    st.integers(1, 10**7),
    st.integers(1, 10_000),
    st.integers(1, 3650),
    st.integers(1, 50),
    st.floats(0.01, 3600),
)
def test_twice_the_load_is_no_less_of_anything(
    rate: int, event_bytes: int, days: int, streams: int, checkpoint: float
) -> None:
    kept = timedelta(days=days)
    one = size(Load(rate, event_bytes, kept, streams, checkpoint))
    two = size(Load(2 * rate, event_bytes, kept, streams, checkpoint))
    assert two.cores_one_window >= one.cores_one_window >= 1
    assert two.cores_ten_models >= one.cores_ten_models >= one.cores_one_window
    assert two.lake_bytes == pytest.approx(2 * one.lake_bytes)
    assert two.files >= one.files
    assert one.files * TARGET_BYTES >= one.lake_bytes
    # What is written in an hour is what came in an hour, however it is cut into files.
    written = one.new_files_per_hour * one.new_file_bytes * streams
    assert written == pytest.approx(one.lake_bytes_per_day / 24)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.123, "0.12 s"),
        (9.0, "9 s"),
        (75, "75 s"),
        (120, "2 min"),
        (7200, "2 h"),
        (172_800, "2 days"),
    ],
)
def test_lengths_of_time_are_told_to_two_digits(seconds: float, said: str) -> None:
    assert duration_text(seconds) == said


def test_bytes_are_told_in_decimal_units() -> None:
    texts = [bytes_text(n) for n in (5e8, 5e9, 5e10, 5e12, 5e13, 1e15)]
    assert texts == ["0.5 GB", "5.0 GB", "50 GB", "5.0 TB", "50 TB", "1,000 TB"]


def test_the_pages_of_a_cluster_are_in_the_documentation() -> None:
    reference = (INSTALL_ROOT / "docs" / "reference.md").read_text()
    for page in ("cluster.md", "sizing.md"):
        assert Path(INSTALL_ROOT / "docs" / page).is_file()
        assert f"({page}" in reference
