"""A stream between its topic and its tables: records, checkpoints, and commits one after the
other."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lakehead.contracts.iceberg import dead_schema
from lakehead.live.live import Live
from lakehead.live.tail import Limits
from lakehead.live.topic import Record
from lakehead.settings import Settings
from tests.small_lake import Lake, at, make_lake

STREAM = "orders"
APPENDED_MS = int(at(3600).timestamp() * 1000)


@dataclass
class MemoryTopic:
    """Kafka's double: by partition its records, None for an offset without one. ``batch`` are given
    at once, and ``further`` are given though nobody asked for them yet. The newest ``held`` of each
    are not at hand before somebody waits for them."""

    log: dict[int, list[Record | None]] = field(default_factory=lambda: {0: [], 1: []})
    first: dict[int, int] = field(default_factory=dict)
    batch: int = 3
    further: int = 0
    held: int = 0
    taken: int = 0
    open: int = 0

    def bounds(self) -> dict[int, tuple[int, int]]:
        return {p: (self.first.get(p, 0), len(records)) for p, records in self.log.items()}

    def read(self, begin: Mapping[int, int], end: Mapping[int, int]) -> Iterator[list[Record]]:
        for partition, upto in end.items():
            given = [
                record
                for record in self.log[partition][begin[partition] : upto + self.further]
                if record is not None
            ]
            for i in range(0, len(given), self.batch):
                self.taken += len(given[i : i + self.batch])
                yield given[i : i + self.batch]

    def ahead(self, begin: Mapping[int, int]) -> list[Record]:
        """One batch, as far as ``held`` does not keep it back."""
        for partition in begin:
            records = self.log[partition]
            upto = len(records) - self.held
            given = [r for r in records[begin[partition] : max(upto, 0)] if r is not None]
            if given:
                self.taken += len(given[: self.batch])
                return given[: self.batch]
        return []

    def close(self) -> None:
        self.open -= 1

    def add(self, partition: int, value: bytes | None) -> int:
        offset = len(self.log[partition])
        self.log[partition].append(Record(partition, offset, APPENDED_MS, value))
        return offset

    def add_mark(self, partition: int) -> None:
        self.log[partition].append(None)


@dataclass
class Shop:
    """``valid``, ``dead`` and ``mark`` add to the topic; ``commit`` lands what a checkpoint
    covers."""

    lake: Lake
    topic: MemoryTopic
    checkpoints: list[dict[int, int]] = field(default_factory=list)
    landed: int = -1
    buried: int = -1

    @property
    def settings(self) -> Settings:
        return self.lake.settings

    def valid(self, partition: int = 0, seconds: float = 0, id: str = "a") -> int:
        event = {"id": id, "event_time": at(seconds).isoformat()}
        return self.topic.add(partition, json.dumps(event).encode())

    def dead(self, partition: int = 0) -> int:
        return self.topic.add(partition, b'{"id": 7}')

    def mark(self, partition: int = 0) -> None:
        self.topic.add_mark(partition)

    def checkpoint(self) -> None:
        self.checkpoints.append({p: len(r) for p, r in self.topic.log.items()})

    def commit(self, dead: bool, mark: float | None = None) -> None:
        """The next checkpoint that the landing table, or the dead table, does not have yet."""
        done = self.buried if dead else self.landed
        if done + 1 >= len(self.checkpoints):
            return
        covered = self.checkpoints[done + 1]
        before = self.checkpoints[done] if done >= 0 else {}
        rows = [
            record
            for p, end in covered.items()
            for record in self.topic.log[p][before.get(p, 0) : end]
            if record is not None and _is_dead(record) is dead
        ]
        if dead:
            self.buried += 1
        else:
            self.landed += 1
        if not rows:
            return
        made = [_dead_row(r) if dead else _landed_row(r, mark) for r in rows]
        table = f"landing.{STREAM}_dead" if dead else f"landing.{STREAM}"
        self.lake.append(table, made, done + 2)

    def live(self, limits: Limits | None = None) -> Live:
        def topic(settings: Settings, name: str) -> MemoryTopic:
            self.topic.open += 1
            return self.topic

        return Live(self.settings, limits, topic)

    def ask(self, sql: str, live: Live | None = None) -> list[tuple[Any, ...]]:
        asked = live or self.live()
        try:
            with asked.run(sql) as result:
                return result.fetchall()
        finally:
            if live is None:
                asked.close()


def _is_dead(record: Record) -> bool:
    assert record.value
    return "event_time" not in json.loads(record.value)


def _coordinates(record: Record) -> dict[str, Any]:
    return {
        "kafka_partition": record.partition,
        "kafka_offset": record.offset,
        "kafka_timestamp": at(3600),
    }


def _dead_row(record: Record) -> dict[str, Any]:
    return {"record": record.value, "cause": "as Flink says it", **_coordinates(record)}


def _landed_row(record: Record, mark: float | None) -> dict[str, Any]:
    assert record.value
    event = json.loads(record.value)
    time = datetime.fromisoformat(event["event_time"])
    watermark = None if mark is None else at(mark)
    late = watermark is not None and time <= watermark
    return {
        **event,
        "event_time": time,
        **_coordinates(record),
        "watermark": watermark,
        "late": late,
    }


def make_shop(folder: Path, *streams: str) -> Shop:
    lake = make_lake(folder, *streams)
    lake.table(f"landing.{STREAM}_dead", dead_schema())
    return Shop(lake, MemoryTopic())
