"""Publish a person's own rows under a contract: each is checked, and sent only if it is valid.

The order of a run:

1. check the options and the columns, create the topic where it is missing;
2. read, convert, check and send row by row; write down those that break the contract;
3. wait until each has been acknowledged or refused, after Ctrl-C or a failure too;
4. write the manifest;
5. only then raise what happened.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

from lakehead.contracts.model import Contract
from lakehead.contracts.validate import InvalidEvent, Validator
from lakehead.errors import LakeheadError, UserError
from lakehead.settings import Settings
from lakehead.streams.encode import encoder_of, key_text, moment_of
from lakehead.streams.interrupt import Stop
from lakehead.streams.manifest import (
    Duplicates,
    Keys,
    Late,
    Manifest,
    OutOfOrder,
    Poison,
    Rejected,
)
from lakehead.streams.own_data.columns import Columns, check_complete, check_known
from lakehead.streams.own_data.file import Row, format_of, opened
from lakehead.streams.produce.account import Deliveries, Outgoing, Tally, told
from lakehead.streams.produce.options import check_pace
from lakehead.streams.produce.run import check_delivered, stamp
from lakehead.streams.produce.sending import Clock, OnProgress, Sending, WallClock
from lakehead.streams.sinks import KafkaSink, MemorySink, Sink
from lakehead.streams.topics import ensure_topic

# Sets of columns that are remembered, where each row has its own.
_MOST_BOUND = 1000
# Rows after which progress is told and a signal is noticed, whether they were sent or not.
_TURN_ROWS = 1024


@dataclass(frozen=True)
class OwnDataOptions:
    """What to publish.

    path            the file, ``-`` for JSON lines on standard input
    format          parquet, csv or jsonl; by default as the file's name says
    rate            rows a second; by default as fast as possible
    rows            how many at most; by default all
    ignore_unknown  leave out columns that are no field
    time_zone       where times are that have no zone, such as Europe/Vienna; by default they are
                    refused where the contract wants one
    dry_run         read and check only

    Raises:
        UserError: a value that cannot be.
    """

    path: str
    format: str | None = None
    rate: float | None = None
    rows: int | None = None
    ignore_unknown: bool = False
    time_zone: str | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        check_pace("rate", self.rate, "rows a second")
        if self.rows is not None and self.rows < 1:
            raise UserError(f"events is {self.rows}, expected 1 or more")
        format_of(self.path, self.format)
        _ = self.zone

    @property
    def zone(self) -> tzinfo | None:
        if self.time_zone is None:
            return None
        try:
            return ZoneInfo(self.time_zone)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"time zone {self.time_zone!r} is unknown; expected such as UTC or Europe/Vienna"
            ) from error


class RowsRejected(LakeheadError):
    """Some rows break the contract; the others were sent."""

    exit_code = 1


@dataclass(frozen=True)
class Published:
    """``rows`` were read, ``valid`` of them keep the contract; the manifest says what was sent.

    ``path`` is where the manifest is, None of a dry run.
    """

    rows: int
    valid: int
    manifest: Manifest
    path: Path | None

    def check(self) -> None:
        """Raises RowsRejected where rows break the contract."""
        rejected = self.manifest.rejected
        if rejected.count:
            raise RowsRejected(
                f"{rejected.count:,} of {self.rows:,} rows break the contract of "
                f"{self.manifest.stream} and were not sent; the first: {rejected.first_reason}",
                f"{rejected.file} has each with its reasons",
            )


def publish(
    settings: Settings,
    contract: Contract,
    options: OwnDataOptions,
    progress: OnProgress | None = None,
    *,
    sink: Sink | None = None,
    clock: Clock | None = None,
    stdin: IO[bytes] | None = None,
) -> Published:
    """Publish the rows of a file to the contract's stream, their event times kept.

    Rows that break the contract go to ``<home>/rejected/``; see `Published.check`. ``sink``,
    ``clock`` and ``stdin`` are for tests. On KeyboardInterrupt and on any failure, what was queued
    is flushed and the manifest written before the exception goes on.

    Raises:
        UserError: the file cannot be read, or its columns do not fit the contract.
        NotRunning: the broker does not answer.
        SystemFailure: some rows were not delivered; the manifest says how many.
    """
    clock = clock or WallClock()
    kind = format_of(options.path, options.format)
    with Stop() as stop:
        run = _Run(settings, contract, options, clock, stop, progress)
        with (
            run.rejects(),
            opened(options.path, kind, stdin or sys.stdin.buffer, run.idle) as file,
        ):
            if file.columns is not None:
                run.bind(file.columns)
            if options.dry_run:
                sink = MemorySink()
            elif sink is None:
                ensure_topic(settings, contract)
                sink = KafkaSink(settings)
            run.open(sink)
            path = None
            try:
                run.send(file.rows)
            finally:
                try:
                    run.sending.drain()
                finally:
                    manifest = run.manifest()
                    if not options.dry_run:
                        path = manifest.write(settings)
    stop.resume()
    if path is not None:
        check_delivered(settings, [manifest], [path])
    return Published(run.rows, run.valid, manifest, path)


class _Run:
    """One run: the loop and its account."""

    def __init__(
        self,
        settings: Settings,
        contract: Contract,
        options: OwnDataOptions,
        clock: Clock,
        stop: Stop,
        progress: OnProgress | None,
    ) -> None:
        self.rows = 0
        self.valid = 0
        self._settings = settings
        self._contract = contract
        self._options = options
        self._clock = clock
        self._stop = stop
        self._progress = progress
        self._deliveries = Deliveries(contract.topic)
        self._tally = Tally()
        self._validator = Validator(contract)
        self._rejected = Rejected()
        self._bound: dict[tuple[str, ...], Columns] = {}
        self._reject_file: IO[str] | None = None

    def open(self, sink: Sink) -> None:
        """Make ready to send to ``sink``."""
        dry = self._options.dry_run
        self.sending = Sending(
            sink, self._clock, self._stop, [self._deliveries], self._options.rows, self._progress
        )
        # Of a dry run nothing is registered.
        avro = self._contract.encoding == "avro" and not dry
        self._avro = encoder_of(self._settings, self._contract) if avro else None

    def bind(self, names: list[str]) -> None:
        """Raises UserError where the columns do not fit the contract."""
        check_complete(self._contract, self._columns(tuple(names)), self._options.path)

    def idle(self) -> bool:
        self.sending.turn()
        return not self._stop.requested

    @contextmanager
    def rejects(self) -> Iterator[None]:
        """Closes the file of rejected rows at the end."""
        try:
            yield
        finally:
            if self._reject_file is not None:
                self._reject_file.close()

    def send(self, rows: Iterator[Row]) -> None:
        options, sending, contract = self._options, self.sending, self._contract
        clock, key_field = contract.event_time, contract.key
        started, note = sending.started, self._deliveries.note
        for row in rows:
            if self._stop.requested or self.rows == options.rows:
                break
            self.rows += 1
            if self.rows % _TURN_ROWS == 0:
                sending.turn()
            event = self._event(row)
            value = None if event is None else self._encoded(row, event)
            if event is None or value is None:
                continue
            if options.rate is not None:
                sending.wait(started + self.valid / options.rate)
                if self._stop.requested:
                    break
            self.valid += 1
            if options.dry_run:
                sending.sent += 1
                continue
            self._tally.add(event, False, moment_of(event[clock]))
            text = key_text(event.get(key_field))
            key = None if text is None else text.encode()
            if not sending.hand_over(self._deliveries, Outgoing(key, value, note)):
                break
        sending.whole = not self._stop.requested

    def _event(self, row: Row) -> dict[str, Any] | None:
        """The row's event, or None once it is written down as rejected."""
        if row.broken is not None:
            self._reject(row, [row.broken])
            return None
        try:
            columns = self._columns(tuple(row.values))
        except UserError as error:
            if self.rows == 1:
                raise
            self._reject(row, [error.message])
            return None
        return columns.event(list(row.values.values()))

    def _columns(self, names: tuple[str, ...]) -> Columns:
        """Raises UserError where they are no fields, or twice the same."""
        columns = self._bound.get(names)
        if columns is None:
            columns = Columns(self._contract, names, self._options.zone)
            if not self._options.ignore_unknown:
                check_known(self._contract, columns, self._options.path)
            if len(self._bound) == _MOST_BOUND:
                self._bound.clear()
            self._bound[names] = columns
        return columns

    def _encoded(self, row: Row, event: dict[str, Any]) -> bytes | None:
        """The valid event's bytes, or None once the row is written down as rejected."""
        now = self.sending.now
        try:
            if self._avro is None:
                return self._validator.checked(event, now)
            return self._avro.encode_event(self._validator.checked_values(event, now))
        except InvalidEvent as error:
            self._reject(row, error.problems)
            return None

    def _reject(self, row: Row, reasons: list[str]) -> None:
        rejected = self._rejected
        if self._reject_file is None:
            path = self._reject_path()
            path.parent.mkdir(parents=True, exist_ok=True)
            self._reject_file = path.open("w", encoding="utf-8")
            rejected.file = str(path)
            rejected.first_reason = row.broken or f"row {row.number}: {reasons[0]}"
        rejected.count += 1
        self.sending.rejected = rejected.count
        data: Any = row.values if row.broken is None else row.text
        line = {"row": row.number, "reasons": reasons, "data": data}
        self._reject_file.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")

    def _reject_path(self) -> Path:
        moment = datetime.fromtimestamp(self.sending.started, UTC).strftime("%Y%m%dT%H%M%S.%f")
        name = f"{self._contract.stream}-{moment}.jsonl"
        return self._settings.home / "rejected" / name

    def manifest(self) -> Manifest:
        options = self._options
        return Manifest(
            stream=self._contract.stream,
            source=options.path,
            seed=0,
            started=stamp(self.sending.started),
            finished=stamp(self._clock.now()),
            interrupted=self.sending.interrupted,
            options={"format": options.format, "rate": options.rate, "rows": options.rows},
            poison=Poison(),
            late=Late(0.0),
            out_of_order=OutOfOrder(0.0),
            duplicates=Duplicates(),
            keys=Keys(),
            rejected=self._rejected,
            **told(self._deliveries, self._tally),
        )
