"""How large a stack must be: arithmetic from figures that were measured, each on two cores.

Every figure names where it was measured; docs/sizing.md says what they leave out. Results are in
proportion to them: a straight line drawn through one point, to be held against a measurement of
one's own before money is spent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

# Events a second of one core, by what a job does with them. bench/README.md: two million invoice
# lines in 17 s on two cores, Kafka beside; and ten models, 9,773 events a second for 60 s, in which
# the TaskManager took 88 s of CPU.
CORE_ONE_WINDOW = 2_000_000 / 17 / 2
CORE_TEN_MODELS = 9_773 * 60 / 88
# One subtask reads and judges a stream (docs/adr/0016).
READER = 100_000
# What one Python producer sent to one broker on the same two cores, events a second.
BROKER = 330_000
# Bytes for each byte of JSON: the worst of the sample's three streams (bench/event_bytes.py).
LZ4_RATIO = 29.2 / 215.2
PARQUET_RATIO = 17.8 / 245.2
# Seconds to plan a file of a table that nobody knows, and of one whose plan is on disk
# (bench/planning.py).
PLAN_COLD = 0.987 / 3000
PLAN_DISK = 0.049 / 3000
MIB = 2**20
GB, TB = 10**9, 10**12
# What a compaction makes (lakehead maintain), and what it takes for a small file.
TARGET_BYTES = 128 * MIB
SMALL_BYTES = 96 * MIB
_HOUR, _DAY = 3600, 86_400
# Within which a person waits for a query's plan, seconds.
_PATIENCE = 1.0


@dataclass(frozen=True)
class Load:
    """What comes in: events a second of all ``streams`` together, of ``event_bytes`` as JSON.

    ``retention`` is how long the lake keeps them, ``kafka_days`` how long Kafka does, on
    ``replicas`` brokers. ``parquet_bytes`` is what an event takes in the lake, None: as the sample.
    """

    events_per_second: int
    event_bytes: int
    retention: timedelta
    streams: int = 1
    checkpoint_seconds: float = 1.0
    kafka_days: int = 7
    replicas: int = 3
    parquet_bytes: float | None = None


@dataclass(frozen=True)
class Breaks:
    """What gives way at this load, why, and what to change."""

    what: str
    why: str
    change: str


@dataclass(frozen=True)
class Size:
    """Cores are of TaskManagers; ``streams`` the least whose readers keep up.

    ``commits_per_hour`` and what follows are of one table; ``files`` are of the whole lake, as
    compaction leaves them. Times to plan are of all files at once, seconds.
    """

    cores_one_window: int
    cores_ten_models: int
    streams: int
    kafka_bytes_per_second: float
    kafka_bytes: float
    lake_bytes_per_day: float
    lake_bytes: float
    rows: int
    commits_per_hour: float
    new_files_per_hour: float
    new_file_bytes: float
    files: int
    plan_cold_seconds: float
    plan_disk_seconds: float
    breaks: tuple[Breaks, ...]


def size(load: Load) -> Size:
    """What ``load`` takes."""
    rate = load.events_per_second
    parquet = load.parquet_bytes or load.event_bytes * PARQUET_RATIO
    kafka = rate * load.event_bytes * LZ4_RATIO
    lake = rate * parquet
    kept = lake * load.retention.total_seconds()
    cores = math.ceil(rate / CORE_ONE_WINDOW)
    # As many subtasks write a stream's table as its share of the cores, and each its own file.
    writers = max(2, math.ceil(cores / load.streams))
    commits = _HOUR / load.checkpoint_seconds
    files = math.ceil(kept / TARGET_BYTES)
    done = Size(
        cores_one_window=cores,
        cores_ten_models=math.ceil(rate / CORE_TEN_MODELS),
        streams=math.ceil(rate / READER),
        kafka_bytes_per_second=kafka,
        kafka_bytes=kafka * _DAY * load.kafka_days * load.replicas,
        lake_bytes_per_day=lake * _DAY,
        lake_bytes=kept,
        rows=round(rate * load.retention.total_seconds()),
        commits_per_hour=commits,
        new_files_per_hour=commits * writers,
        new_file_bytes=lake / load.streams * load.checkpoint_seconds / writers,
        files=files,
        plan_cold_seconds=files * PLAN_COLD,
        plan_disk_seconds=files * PLAN_DISK,
        breaks=(),
    )
    return replace(done, breaks=tuple(b for b in _all_breaks(load, done) if b))


def _all_breaks(load: Load, done: Size) -> Sequence[Breaks | None]:
    """In the order in which they come as a load grows."""
    one_machine = done.cores_one_window > 2
    return (
        Breaks(
            "commits",
            f"{done.new_files_per_hour:,.0f} files an hour and table of "
            f"{done.new_file_bytes / MIB:,.2f} MiB, which compaction writes anew",
            f"longer checkpoints (from {_fitting(load, done)} on nothing is small), and "
            "lakehead maintain --every '15 minutes'",
        )
        if done.new_file_bytes < SMALL_BYTES
        else None,
        Breaks(
            "one machine",
            f"{done.cores_one_window} cores of TaskManagers with one window a stream, "
            f"{done.cores_ten_models} with ten models; two were measured",
            "TaskManagers on other machines: lakehead deploy render",
        )
        if one_machine
        else None,
        Breaks(
            "SQLite catalog",
            "its locks do not hold over network disks, so every writer is on its machine",
            "a REST catalog",
        )
        if one_machine
        else None,
        Breaks(
            "one reader a stream",
            f"{load.events_per_second / load.streams:,.0f} events a second and stream; "
            f"one subtask reads {READER:,}",
            f"at least {done.streams} streams",
        )
        if done.streams > load.streams
        else None,
        Breaks(
            "one broker",
            f"{load.events_per_second:,} events a second; {BROKER:,} were measured into one",
            "brokers, and partitions on them",
        )
        if load.events_per_second > BROKER
        else None,
        Breaks(
            "planning",
            f"{done.files:,} files take {duration_text(done.plan_cold_seconds)} to plan from "
            f"nothing, {duration_text(done.plan_disk_seconds)} from disk",
            "files of 512 MiB, and queries that plan the days they ask for: an engine that prunes",
        )
        if done.plan_disk_seconds > _PATIENCE
        else None,
    )


def _fitting(load: Load, done: Size) -> str:
    """The checkpoint interval whose files would need no compaction."""
    return duration_text(load.checkpoint_seconds * SMALL_BYTES / done.new_file_bytes)


def duration_text(seconds: float) -> str:
    """Seconds for a person: to two digits."""
    for unit, length in (("days", _DAY), ("h", _HOUR), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:,.2g} s"
