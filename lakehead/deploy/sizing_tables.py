"""The tables of docs/sizing.md, computed. A test holds the page equal to them."""

import math
from collections.abc import Sequence
from datetime import timedelta

from lakehead.deploy.sizing import (
    GB,
    MIB,
    PLAN_COLD,
    PLAN_DISK,
    TARGET_BYTES,
    TB,
    Load,
    duration_text,
    size,
)

# The sample's invoice lines, as JSON.
EVENT_BYTES = 220
_RATES = (10_000, 100_000, 1_000_000)
_LAKES = (TB, 10 * TB, 100 * TB, 1000 * TB)
_YEAR = timedelta(days=365)
_DAY = 86_400


def tables() -> dict[str, str]:
    """Each table as Markdown, by the name that its place in the page has."""
    return {"rates": _rates(), "commits": _commits(), "lakes": _lakes()}


def _rates() -> str:
    rows = []
    for rate in _RATES:
        done = size(Load(rate, EVENT_BYTES, _YEAR))
        rows.append(
            [
                f"{rate:,}",
                f"{done.cores_one_window:,}",
                f"{done.cores_ten_models:,}",
                f"{done.streams:,}",
                f"{rate * EVENT_BYTES / 1e6:,.1f}",
                f"{done.kafka_bytes_per_second / 1e6:,.1f}",
                bytes_text(done.kafka_bytes),
                bytes_text(done.lake_bytes_per_day),
                bytes_text(done.lake_bytes),
            ]
        )
    return _markdown(
        [
            "events/s",
            "cores, one window",
            "cores, ten models",
            "streams, at least",
            "JSON MB/s",
            "in Kafka MB/s",
            "Kafka, 3 times 7 days",
            "lake a day",
            "lake a year",
        ],
        rows,
    )


def _commits() -> str:
    rows = []
    for rate in _RATES:
        for seconds in (1, 10, 60):
            streams = size(Load(rate, EVENT_BYTES, _YEAR)).streams
            load = Load(rate, EVENT_BYTES, _YEAR, streams=streams, checkpoint_seconds=seconds)
            done = size(load)
            rows.append(
                [
                    f"{rate:,}",
                    f"{streams}",
                    f"{seconds} s",
                    f"{done.commits_per_hour:,.0f}",
                    f"{done.new_files_per_hour:,.0f}",
                    f"{done.new_file_bytes / MIB:,.2f} MiB",
                ]
            )
    return _markdown(
        ["events/s", "streams", "checkpoint", "commits/h", "new files/h", "a new file"], rows
    )


def _lakes() -> str:
    a_day = {rate: size(Load(rate, EVENT_BYTES, _YEAR)).lake_bytes_per_day for rate in _RATES}
    rows = []
    for kept in _LAKES:
        files = math.ceil(kept / TARGET_BYTES)
        rows.append(
            [
                bytes_text(kept),
                f"{files:,}",
                f"{math.ceil(files / 4):,}",
                duration_text(files * PLAN_COLD),
                duration_text(files * PLAN_DISK),
                *(duration_text(kept / a_day[rate] * _DAY) for rate in _RATES),
            ]
        )
    return _markdown(
        [
            "lake",
            "files of 128 MiB",
            "of 512 MiB",
            "planned from nothing",
            "planned from disk",
            *(f"filled at {rate:,}/s" for rate in _RATES),
        ],
        rows,
    )


def bytes_text(count: float) -> str:
    """Bytes for a person, decimal units."""
    if count >= TB:
        return f"{count / TB:,.1f} TB" if count < 10 * TB else f"{count / TB:,.0f} TB"
    return f"{count / GB:,.1f} GB" if count < 10 * GB else f"{count / GB:,.0f} GB"


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---:"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
