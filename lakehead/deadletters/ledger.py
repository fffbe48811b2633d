"""Which dead record was sent again: ``<home>/ledger/redriven.db``.

A record is *claimed* in the transaction that writes down the batch it will be sent in, before
anything is sent, and *settled* once Kafka is known to have the batch. A claim is for ever, unless
Kafka refused the batch.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lakehead.deadletters.log import Batch, Coordinates, Outgoing, Producer
from lakehead.errors import SystemFailure
from lakehead.settings import Settings

_BUSY_SECONDS = 30.0
_VERSION = 1
_SCHEMA = """
CREATE TABLE batch (
  number INTEGER PRIMARY KEY,
  stream TEXT NOT NULL,
  to_partition INTEGER NOT NULL,
  producer_id INTEGER NOT NULL,
  producer_epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  scan_from INTEGER NOT NULL,
  claimed_at REAL NOT NULL,
  base_offset INTEGER  -- null until Kafka is known to have it
);
CREATE INDEX unsettled ON batch (stream) WHERE base_offset IS NULL;
CREATE TABLE redriven (
  stream TEXT NOT NULL,
  kafka_partition INTEGER NOT NULL,
  kafka_offset INTEGER NOT NULL,
  batch INTEGER NOT NULL REFERENCES batch,
  position INTEGER NOT NULL,
  key BLOB,  -- what is sent; both null once it is settled
  value BLOB,
  PRIMARY KEY (stream, kafka_partition, kafka_offset)
) WITHOUT ROWID;
CREATE INDEX of_batch ON redriven (batch);
"""


@dataclass(frozen=True)
class Redriven:
    """A dead record that was claimed. ``at`` is epoch seconds; ``to_offset`` is None as long as
    Kafka is not known to have it."""

    partition: int
    offset: int
    to_partition: int
    to_offset: int | None
    at: float


class Ledger:
    """The ledger of a home; made where it is missing.

    Raises:
        SystemFailure: the file is damaged, of a later version, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._failing():
            self._con = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            self._con.execute("PRAGMA journal_mode = WAL")
            # What is claimed must outlast a power cut before it is sent.
            self._con.execute("PRAGMA synchronous = FULL")
            self._prepare()

    def claim(
        self,
        stream: str,
        partition: int,
        producer: Producer,
        sequence: int,
        scan_from: int,
        at: float,
        records: Sequence[Outgoing],
    ) -> Batch:
        """Write down a batch that is about to be sent. None of its records may be claimed yet."""
        with self._transaction():
            number = self._con.execute(
                "INSERT INTO batch (stream, to_partition, producer_id, producer_epoch, sequence,"
                " scan_from, claimed_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (stream, partition, producer.id, producer.epoch, sequence, scan_from, at),
            ).lastrowid
            assert number is not None
            self._con.executemany(
                "INSERT INTO redriven VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (stream, r.partition, r.offset, number, i, r.key, r.value)
                    for i, r in enumerate(records)
                ],
            )
        return Batch(number, stream, partition, producer, sequence, scan_from, at, tuple(records))

    def settle(self, batch: Batch, base_offset: int) -> None:
        """Kafka has the batch, from ``base_offset`` on."""
        with self._transaction():
            self._con.execute(
                "UPDATE batch SET base_offset = ? WHERE number = ?", (base_offset, batch.number)
            )
            self._con.execute(
                "UPDATE redriven SET key = NULL, value = NULL WHERE batch = ?", (batch.number,)
            )

    def release(self, batch: Batch) -> None:
        """Kafka does not have the batch and never will: its records are free again."""
        with self._transaction():
            self._con.execute("DELETE FROM redriven WHERE batch = ?", (batch.number,))
            self._con.execute("DELETE FROM batch WHERE number = ?", (batch.number,))

    def unsettled(self, stream: str) -> list[Batch]:
        """The batches that a redrive of ``stream`` left unsettled, oldest first."""
        with self._failing():
            rows = self._con.execute(
                "SELECT number, to_partition, producer_id, producer_epoch, sequence, scan_from,"
                " claimed_at FROM batch WHERE stream = ? AND base_offset IS NULL ORDER BY number",
                (stream,),
            ).fetchall()
            return [
                Batch(number, stream, to, Producer(pid, epoch), sequence, scan, at, records)
                for number, to, pid, epoch, sequence, scan, at in rows
                for records in [self._records(number)]
            ]

    def claimed(self, stream: str, among: Iterable[Coordinates]) -> set[Coordinates]:
        """Those of ``among`` that are claimed."""
        sql = "SELECT 1 FROM redriven WHERE (stream, kafka_partition, kafka_offset) = (?, ?, ?)"
        with self._failing():
            return {c for c in among if self._con.execute(sql, (stream, *c)).fetchone()}

    def all(self, stream: str) -> list[Redriven]:
        """Every dead record of ``stream`` that was claimed."""
        with self._failing():
            rows = self._con.execute(
                "SELECT kafka_partition, kafka_offset, to_partition, base_offset + position,"
                " claimed_at FROM redriven r JOIN batch b ON b.number = r.batch"
                " WHERE r.stream = ?",
                (stream,),
            )
            return [Redriven(*row) for row in rows]

    def close(self) -> None:
        self._con.close()

    def _records(self, number: int) -> tuple[Outgoing, ...]:
        rows = self._con.execute(
            "SELECT kafka_partition, kafka_offset, key, value FROM redriven WHERE batch = ?"
            " ORDER BY position",
            (number,),
        )
        return tuple(Outgoing(*row) for row in rows)

    def _prepare(self) -> None:
        self._con.execute("BEGIN IMMEDIATE")
        [version] = self._con.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise SystemFailure(f"{self._path} was made by a later version of lakehead")
        if version == 0:
            for statement in _SCHEMA.split(";\n"):
                self._con.execute(statement)
            self._con.execute(f"PRAGMA user_version = {_VERSION}")
        self._con.execute("COMMIT")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._failing():
            self._con.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._con.execute("ROLLBACK")
                raise
            self._con.execute("COMMIT")

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SystemFailure(
                f"the ledger {self._path} fails: {error}; what was sent is safe",
                "mend the disk or the file, and run it again",
            ) from error


def redriven_of(settings: Settings, stream: str) -> list[Redriven]:
    """Every dead record of ``stream`` that was claimed; none where nothing ever was."""
    if not _path(settings).exists():
        return []
    with opened(settings) as ledger:
        return ledger.all(stream)


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Ledger]:
    """The ledger of a home. Raises as `Ledger`."""
    ledger = Ledger(_path(settings))
    try:
        yield ledger
    finally:
        ledger.close()


@contextlib.contextmanager
def alone(settings: Settings, stream: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the stream's lock, so that redrives of one stream come one after the other.

    The kernel gives it back when the process ends, however it ends. ``waiting`` is told, once, who
    holds it.
    """
    path = settings.home / "ledger" / f"{stream}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting(_holder(file))
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read() or "unknown"


def _path(settings: Settings) -> Path:
    return settings.home / "ledger" / "redriven.db"
