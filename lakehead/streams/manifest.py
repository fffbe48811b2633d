"""What a run of the producer did, kept so that an audit can hold the lake against it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lakehead.errors import UserError
from lakehead.files import write_whole
from lakehead.settings import Settings

# Counted up when what a manifest says changes.
FORMAT = 2


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
    """Spoilt events that Kafka acknowledged; ``coordinates`` are (partition, offset, kind).

    ``expected`` is, by kind, part of the cause that the dead table must give. ``left_out`` are the
    kinds that the contract cannot have, with the reason.
    """

    count: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    coordinates: list[tuple[int, int, str]] = field(default_factory=list)


@dataclass
class Late:
    """Events moved back in time that Kafka acknowledged: they must be landed, and flagged late.

    Coordinates are (partition, offset).
    """

    late_by_seconds: float
    count: int = 0
    coordinates: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class OutOfOrder:
    """Events sent after later ones that Kafka acknowledged: they must be landed.

    ``beyond_delay`` of them were behind the stream's newest event time by more than its watermark
    delay, and may be flagged late. ``by_seconds`` is how far behind they could get.
    """

    by_seconds: float
    count: int = 0
    beyond_delay: int = 0
    coordinates: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Duplicates:
    """Second copies that Kafka acknowledged: they must be landed, as their first copies are."""

    count: int = 0
    coordinates: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Keys:
    """What was done to records' keys, and so to their partitions; the fields are as they were.

    ``hot`` records have the key ``hot_key``, ``null`` ones none. ``idle_partitions`` got nothing.
    ``left_out`` says what could not be done to this stream, and why.
    """

    hot: int = 0
    hot_key: str | None = None
    null: int = 0
    idle_partitions: list[int] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass
class Natural:
    """The source's own dirt among the events that were not poisoned.

    backward   events behind the newest source time before them
    nulls      by field, how many events have none
    """

    backward: int = 0
    nulls: dict[str, int] = field(default_factory=dict)


@dataclass
class Rejected:
    """Rows of a person's own file that break the contract, and so were not sent.

    ``file`` has each with its reasons; None where there are none.
    """

    count: int = 0
    first_reason: str | None = None
    file: str | None = None


@dataclass
class Manifest:
    """One stream's part in one run of the producer.

    ``events`` were handed to Kafka's client: those acknowledged (the sum over ``partitions``),
    those ``failed``, and ``unacknowledged`` ones, whose fate is not known. Times are ISO-8601, UTC.
    ``source`` is ``sample``, or the file that the events come from. ``event_time`` is the oldest
    and newest event time that is not poison, null where all is.
    """

    stream: str
    source: str
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
    out_of_order: OutOfOrder
    duplicates: Duplicates
    keys: Keys
    natural: Natural
    rejected: Rejected
    event_time: tuple[str, str] | None
    format: int = FORMAT

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
            ValueError: not a manifest, or one of another format.
        """
        return cls.from_document(json.loads(text))

    @classmethod
    def from_document(cls, document: Any) -> "Manifest":
        """The manifest that a parsed JSON document is. Raises as ``from_json``."""
        try:
            found = document.get("format", 1)
            if found != FORMAT:
                raise ValueError(f"a manifest of format {found}, expected {FORMAT}")
            return _parse(document)
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
    span = document["event_time"]
    parts = {
        name: kind(**document[name] | _coordinates(document[name])) for name, kind in _PARTS.items()
    }
    partitions = {int(p): PartitionRange(**r) for p, r in document["partitions"].items()}
    span = None if span is None else (span[0], span[1])
    return Manifest(**document | parts | {"partitions": partitions, "event_time": span})


_PARTS: dict[str, Any] = {
    "failed": Failed,
    "poison": Poison,
    "late": Late,
    "out_of_order": OutOfOrder,
    "duplicates": Duplicates,
    "keys": Keys,
    "natural": Natural,
    "rejected": Rejected,
}


def _coordinates(part: dict[str, Any]) -> dict[str, Any]:
    if "coordinates" not in part:
        return {}
    return {"coordinates": [tuple(values) for values in part["coordinates"]]}
