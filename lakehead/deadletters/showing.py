"""``dead show``: dead records with their bytes, what can be read of them, and why they died."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakehead.contracts.applied import contract_in_force
from lakehead.deadletters.causes import rules_of
from lakehead.deadletters.codec import Judge, judge_of
from lakehead.deadletters.ledger import redriven_of
from lakehead.deadletters.table import Choice, DeadRow, dead_table
from lakehead.errors import UserError
from lakehead.settings import Settings


@dataclass(frozen=True)
class SentAgain:
    """Where a dead record is now; ``offset`` is None as long as Kafka is not known to have it."""

    partition: int
    offset: int | None
    at: str


@dataclass(frozen=True)
class DeadRecord:
    """One dead record. ``size`` in bytes; ``text`` is None where the bytes are not UTF-8; ``hex``
    and ``text`` are None of a tombstone.

    ``event`` is as far as the record can be read, ``partial`` whether it goes on after that,
    ``unreadable`` why it cannot be read whole.
    """

    partition: int
    offset: int
    timestamp: str
    rules: list[str]
    cause: str
    size: int | None
    text: str | None
    hex: str | None
    event: dict[str, Any] | None
    partial: bool
    unreadable: list[str]
    redriven: SentAgain | None


@dataclass(frozen=True)
class Shown:
    """The newest of ``chosen`` dead records, ``redriven`` of which were sent again."""

    stream: str
    chosen: int
    redriven: int
    records: list[DeadRecord]


def show_dead(settings: Settings, stream: str, choice: Choice, limit: int) -> Shown:
    """The newest dead records that are meant, ``limit`` at most. Nothing need run, but that records
    of Avro are read only where the schema registry answers.

    Raises:
        UserError: no such stream or cause, a condition that is none, or no record at the
            coordinates.
        SystemFailure: the lake or the ledger cannot be read.
    """
    if limit < 1:
        raise UserError(f"the limit is {limit}, expected 1 or more", f"lakehead dead show {stream}")
    judge = judge_of(settings, contract_in_force(settings, stream))
    wanted = judge if choice.where is not None else None
    with dead_table(settings, stream, redriven_of(settings, stream), wanted) as table:
        table.choose(choice)
        chosen, sent = table.counts()
        if not chosen and choice.offset is not None:
            at = "" if choice.partition is None else f" of partition {choice.partition}"
            raise UserError(
                f"no dead record of {stream} lies at offset {choice.offset}{at}",
                f"lakehead dead show {stream}",
            )
        newest = "ORDER BY kafka_timestamp DESC, kafka_partition DESC, kafka_offset DESC"
        rows = list(table.rows(f"{newest} LIMIT {limit}"))
        return Shown(stream, chosen, sent, [_record(row, judge, table.later) for row in rows])


def _record(row: DeadRow, judge: Judge, later: str) -> DeadRecord:
    decoded = judge.decode(row.record)
    sent = None
    if row.redriven_at is not None and row.to_partition is not None:
        at = datetime.fromtimestamp(row.redriven_at, UTC).isoformat(timespec="milliseconds")
        sent = SentAgain(row.to_partition, row.to_offset, at)
    return DeadRecord(
        partition=row.partition,
        offset=row.offset,
        timestamp=row.timestamp.isoformat(),
        rules=rules_of(row.cause, later),
        cause=row.cause,
        size=None if row.record is None else len(row.record),
        text=_text(row.record),
        hex=None if row.record is None else row.record.hex(),
        event=decoded.event,
        partial=decoded.partial,
        unreadable=decoded.problems,
        redriven=sent,
    )


def _text(record: bytes | None) -> str | None:
    try:
        return None if record is None else record.decode()
    except UnicodeDecodeError:
        return None
