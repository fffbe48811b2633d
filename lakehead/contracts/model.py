"""What a contract says, as plain values. Loaded by ``load``, read by every target."""

from dataclasses import dataclass
from datetime import timedelta

from lakehead.contracts.types import FieldType

LANDING = "landing"
# Columns that every landed row carries beside the contract's own.
KAFKA_COLUMNS = ("kafka_partition", "kafka_offset", "kafka_timestamp")
# Columns that the job adds on the way from Kafka to the lake.
_JOB_COLUMNS = ("record", "decode_error", "rowtime", "window_start", "window_end")
RESERVED_COLUMNS = (*KAFKA_COLUMNS, "watermark", "late", *_JOB_COLUMNS)


@dataclass(frozen=True)
class Field:
    """One field of an event, with the rules that a valid event keeps.

    ``minimum`` and ``maximum`` are inclusive; lengths count characters; ``pattern`` is a regular
    expression that must match somewhere in the value (anchor it to match the whole).
    """

    name: str
    type: FieldType
    required: bool = False
    description: str = ""
    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None


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

    @property
    def topic(self) -> str:
        return self.stream

    @property
    def landing_table(self) -> str:
        return f"{LANDING}.{self.stream}"

    @property
    def dead_table(self) -> str:
        return f"{LANDING}.{self.stream}_dead"
