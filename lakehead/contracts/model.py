"""What a contract says, as plain values. Loaded by ``load``, read by every target."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from lakehead.contracts.types import FieldType

LANDING = "landing"
DEAD_SUFFIX = "_dead"
# Columns that every landed row carries beside the contract's own.
KAFKA_COLUMNS = ("kafka_partition", "kafka_offset", "kafka_timestamp")
# Columns that the job adds on the way from Kafka to the lake.
_JOB_COLUMNS = ("record", "decode_error", "rowtime", "window_start", "window_end")
RESERVED_COLUMNS = (*KAFKA_COLUMNS, "watermark", "late", *_JOB_COLUMNS)
ENCODINGS = ("json", "avro")
CLEANUPS = ("delete", "compact")

Bound = Decimal | date | datetime


@dataclass(frozen=True)
class Reference:
    """Every value of the field is the key ``field`` of some event of ``stream``."""

    stream: str
    field: str

    def __str__(self) -> str:
        return f"{self.stream}.{self.field}"


@dataclass(frozen=True)
class Field:
    """One field of an event, with the rules that a valid event keeps.

    ``minimum`` and ``maximum`` are inclusive; lengths count characters, or an array's items;
    ``pattern`` is a regular expression that must match somewhere in the value (anchor it to match
    the whole). ``fields`` are an object's own. ``aliases`` are names that the field had before.
    ``unique_within`` and ``references`` are rules between events: they are verified in the lake,
    not in the stream.
    """

    name: str
    type: FieldType
    required: bool = False
    description: str = ""
    enum: tuple[str, ...] = ()
    minimum: Bound | None = None
    maximum: Bound | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    fields: tuple["Field", ...] = ()
    aliases: tuple[str, ...] = ()
    examples: tuple[object, ...] = ()
    unique_within: timedelta | None = None
    references: Reference | None = None

    @property
    def constrained(self) -> bool:
        """Whether a value that is there can break a rule of the field."""
        limits = (self.minimum, self.maximum, self.min_length, self.max_length, self.pattern)
        return bool(self.enum) or any(limit is not None for limit in limits)


@dataclass(frozen=True)
class RowRule:
    """A condition over one event, in the SQL of ``contracts.expression``; NULL counts as kept."""

    name: str
    condition: str
    description: str = ""


@dataclass(frozen=True)
class Contract:
    """One stream: its fields, its clock, its topic."""

    stream: str
    version: str
    description: str
    fields: tuple[Field, ...]
    event_time: str
    watermark_delay: timedelta
    idle_timeout: timedelta
    clock_skew: timedelta
    key: str
    partitions: int
    retention: timedelta
    encoding: str = "json"
    cleanup: str = "delete"
    rules: tuple[RowRule, ...] = field(default=())
    owner: str = ""
    limitations: str = ""
    snapshot_retention: timedelta = timedelta(hours=1)

    @property
    def topic(self) -> str:
        return self.stream

    @property
    def landing_table(self) -> str:
        return f"{LANDING}.{self.stream}"

    @property
    def dead_table(self) -> str:
        return f"{LANDING}.{self.stream}{DEAD_SUFFIX}"

    @property
    def aliases(self) -> dict[str, str]:
        """Each name that a field had before -> its name."""
        return {alias: f.name for f in self.fields for alias in f.aliases}

    def field(self, name: str) -> Field:
        """The top-level field ``name``; KeyError where there is none."""
        for f in self.fields:
            if f.name == name:
                return f
        raise KeyError(name)


def walk_fields(fields: tuple[Field, ...]) -> Iterator[tuple[tuple[str, ...], Field]]:
    """Every field with its path, those within objects too; an object before its own fields."""
    for f in fields:
        yield (f.name,), f
        for path, inner in walk_fields(f.fields):
            yield (f.name, *path), inner
