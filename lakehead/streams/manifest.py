"""What a run of the producer did, kept so that an audit can hold the lake against it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lakehead.errors import UserError
from lakehead.settings import Settings, write_whole


@dataclass
class PartitionRange:
    """Acknowledged events of one partition: how many, first and last offset (inclusive).

    The range may hold events of other producers too; ``count`` does not.
    """

    count: int
    first: int
    last: int


@dataclass
class Failed:
    """Events that Kafka refused, and the first reason that it gave."""

    count: int = 0
    first_error: str | None = None


@dataclass
class Poison:
    """Spoilt events that Kafka acknowledged; ``coordinates`` are (partition, offset, kind)."""

    count: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    coordinates: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass
class Late:
    """Events moved back in time that Kafka acknowledged; coordinates are (partition, offset)."""

    late_by_seconds: float
    count: int = 0
    coordinates: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Natural:
    """The sample's own dirt among the events that were not poisoned.

    cancelled         lines of cancelled invoices
    without_customer  lines without a customer
    duplicate_lines   lines equal to an earlier one in all fields, the file's time among them
    backward          lines behind the newest file time before them
    """

    cancelled: int = 0
    without_customer: int = 0
    duplicate_lines: int = 0
    backward: int = 0


@dataclass
class Manifest:
    """One run of the producer.

    ``events`` were handed to Kafka's client: those acknowledged (the sum over ``partitions``),
    those ``failed``, and ``unacknowledged`` ones, whose fate is not known. Times are ISO-8601, UTC.
    ``event_time`` is the oldest and newest event time that is not poison, null where all is.
    """

    stream: str
    seed: int
    started: str
    finished: str
    interrupted: bool
    options: dict[str, Any]
    events: int
    unacknowledged: int
    partitions: dict[int, PartitionRange]
    failed: Failed
    poison: Poison
    late: Late
    natural: Natural
    event_time: tuple[str, str] | None

    @property
    def acknowledged(self) -> int:
        """Events that Kafka holds for certain."""
        return sum(p.count for p in self.partitions.values())

    @property
    def file_name(self) -> str:
        """``<stream>-<UTC start>-<seed>.json``; sorts by time within a stream."""
        started = self.started.replace("-", "").replace(":", "")
        return f"{self.stream}-{started}-{self.seed}.json"

    def to_json(self) -> str:
        """JSON text, one line a key, so that many coordinates do not make many lines."""
        lines = (f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in asdict(self).items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """The inverse of ``to_json``.

        Raises:
            ValueError: not a manifest.
        """
        try:
            return _parse(json.loads(text))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a manifest: {error!r}") from error

    def write(self, settings: Settings) -> Path:
        """Write it, whole or not at all, and say where."""
        path = settings.manifests / self.file_name
        write_whole(path, self.to_json())
        return path


def read_manifests(settings: Settings, stream: str) -> list[Manifest]:
    """All manifests of ``stream``, oldest first.

    Raises:
        UserError: a file is not a manifest.
    """
    found = []
    for path in settings.manifests.glob(f"{stream}-*.json"):
        try:
            manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(f"{path} is {error}", "restore it, or move it away") from error
        if manifest.stream == stream:
            found.append(manifest)
    return sorted(found, key=lambda m: m.started)


def _parse(document: dict[str, Any]) -> Manifest:
    poison, late = document["poison"], document["late"]
    span = document["event_time"]
    return Manifest(
        **document
        | {
            "partitions": {int(p): PartitionRange(**r) for p, r in document["partitions"].items()},
            "failed": Failed(**document["failed"]),
            "poison": Poison(
                **poison | {"coordinates": [_coordinate(c) for c in poison["coordinates"]]}
            ),
            "late": Late(**late | {"coordinates": [_coordinate(c) for c in late["coordinates"]]}),
            "natural": Natural(**document["natural"]),
            "event_time": None if span is None else (span[0], span[1]),
        }
    )


def _coordinate(values: list[Any]) -> Any:
    return tuple(values)
