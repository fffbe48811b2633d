"""The tail of a stream: what its job would make of the records that the lake does not have yet."""

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Protocol

from lakehead.contracts.model import Contract
from lakehead.deadletters.codec import Judge
from lakehead.errors import UserError
from lakehead.live.arrow import arrow_type, to_arrow
from lakehead.live.topic import Record, Topic

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

# What becomes one part of what is kept, and how many parts there may be.
_PART = 5_000
_PART_BYTES = 16 * 2**20
_MOST_PARTS = 16
_SLACK_SECONDS = 5.0
# Of its limits a tail takes so much before anybody asks for it.
_AHEAD_SHARE = 0.5


@dataclass(frozen=True)
class Limits:
    """What a tail may keep in memory: records, and bytes of their rows."""

    records: int = 1_000_000
    bytes: int = 256 * 2**20


@dataclass(frozen=True)
class Rows:
    """``landed`` has the contract's fields, ``dead`` has ``record`` and ``cause``; both the Kafka
    columns."""

    landed: "pa.Table"
    dead: "pa.Table"


@dataclass(frozen=True)
class Upto:
    """``rows`` of a topic up to its end, and maybe others. ``bounds`` by partition: the first
    offset that Kafka has, and the end of what is committed."""

    bounds: Mapping[int, tuple[int, int]]
    rows: Rows


class Source(Protocol):
    """Where the tails of streams come from."""

    def upto(self, contract: Contract, fence: Mapping[int, int], with_dead: bool) -> Upto:
        """The tail of a stream from ``fence`` on, by partition, up to the end that its topic has
        after this was called. ``with_dead``: the fence is that of the dead table too.

        Raises:
            UserError: it is longer than may be kept, or there is no such topic.
            NotRunning: Kafka does not answer, or the schema registry of a stream in Avro.
            SystemFailure: Kafka does not give the records.
        """


@dataclass(frozen=True)
class Size:
    """What a tail holds now."""

    records: int
    bytes: int


@dataclass(frozen=True)
class _Kept:
    """Some consecutive rows, and by partition the offset after their last."""

    rows: Rows
    ends: Mapping[int, int]
    bytes: int

    @property
    def records(self) -> int:
        return int(self.rows.landed.num_rows + self.rows.dead.num_rows)


class Tail:
    """The records of one topic, by one contract. Threads may share it."""

    def __init__(
        self, contract: Contract, judge: Judge, topic: Topic, limits: Limits | None = None
    ) -> None:
        self.contract = contract
        self.topic = topic
        self._judge = judge
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._kept: list[_Kept] = []
        # By partition: kept is what lies between these offsets.
        self._begin: dict[int, int] = {}
        self._next: dict[int, int] = {}
        # What was asked for last; from where on is kept next, and since when that is so.
        self._asked: dict[int, int] = {}
        self._later: dict[int, int] = {}
        self._since = -math.inf

    def upto(self, fence: Mapping[int, int]) -> Upto:
        """As `Source.upto`."""
        with self._lock:
            known = dict(self._next)
        bounds = self.topic.bounds()
        with self._lock:
            if any(bounds.get(p, (0, 0))[1] < o for p, o in known.items()):
                # It ends before what was read of it: it is another topic of the same name.
                self._forget()
        begin = {p: max(fence.get(p, 0), low) for p, (low, _) in bounds.items()}
        return Upto(bounds, self.read(begin, {p: high for p, (_, high) in bounds.items()}))

    def read(self, begin: Mapping[int, int], end: Mapping[int, int]) -> Rows:
        """The rows of all records from ``begin`` up to ``end`` by partition, and maybe others.

        Raises:
            UserError: they are more than may be kept in memory.
            SystemFailure: Kafka does not give them.
        """
        with self._lock:
            wanted = sum(max(0, end[p] - begin[p]) for p in begin)
            if wanted > self._limits.records:
                raise self._too_many(f"{wanted:,} records, more than {self._limits.records:,}")
            self._need(begin)
            if any(self._next[p] < end[p] for p in end):
                self._read(end)
            if len(self._kept) > _MOST_PARTS:
                self._merge()
            return self._whole(begin)

    def ahead(self) -> int:
        """Take in some of the records that have come since, and wait for none; how many they are.
        None before the first `read`, nor where it has become long already.

        Raises:
            UserError: they were more than may be kept, and all are forgotten.
            SystemFailure: Kafka does not give them.
        """
        with self._lock:
            most, share = self._limits, _AHEAD_SHARE
            size = self._size()
            if not self._next or size.records > share * most.records:
                return 0
            if size.bytes > share * most.bytes:
                return 0
            records = self.topic.ahead(dict(self._next))
            self._take(records)
            return len(records)

    def settle(self, begin: Mapping[int, int]) -> None:
        """Forget, in a while, what lies before ``begin``: the lake has it."""
        with self._lock:
            self._need({p: max(o, begin.get(p, 0)) for p, o in self._begin.items()})

    def behind(self, end: Mapping[int, int]) -> int:
        """How many offsets before ``end`` it has not taken in yet."""
        with self._lock:
            return sum(max(0, o - self._next.get(p, o)) for p, o in end.items())

    def size(self) -> Size:
        with self._lock:
            return self._size()

    def close(self) -> None:
        with self._lock:
            self.topic.close()

    def _need(self, begin: Mapping[int, int]) -> None:
        self._asked = dict(begin)
        self._move(self._floor())

    def _forget(self) -> None:
        self._kept, self._begin, self._next = [], {}, {}

    def _size(self) -> Size:
        return Size(sum(k.records for k in self._kept), self._bytes())

    def _floor(self) -> dict[int, int]:
        """From where on is kept: some seconds behind what is asked for. Of those who ask at the
        same time some have older snapshots, and each reads on where the others were."""
        now, asked = time.monotonic(), self._asked
        passed = now - self._since
        if passed <= _SLACK_SECONDS and self._begin.keys() == asked.keys():
            return {p: min(o, self._begin[p]) for p, o in asked.items()}
        floor = asked
        if passed <= 2 * _SLACK_SECONDS and self._later.keys() == asked.keys():
            floor = {p: min(o, self._later[p]) for p, o in asked.items()}
        self._later, self._since = asked, now
        return floor

    def _move(self, begin: dict[int, int]) -> None:
        """Let what is kept begin there."""
        behind = any(o < self._begin.get(p, o) for p, o in begin.items())
        if behind or begin.keys() != self._begin.keys():
            self._kept, self._next = [], dict(begin)
        self._begin = begin
        self._next = {p: max(self._next[p], o) for p, o in begin.items()}
        self._kept = [k for k in self._kept if any(e > begin[p] for p, e in k.ends.items())]

    def _read(self, end: Mapping[int, int]) -> None:
        part: list[Record] = []
        size = 0
        for records in self.topic.read(dict(self._next), end):
            part += records
            size += sum(len(r.value or b"") for r in records)
            if len(part) >= _PART or size >= _PART_BYTES:
                self._take(part)
                part, size = [], 0
        self._take(part)
        # What lies between holds no record.
        self._next = {p: max(o, end[p]) for p, o in self._next.items()}

    def _take(self, records: list[Record]) -> None:
        if not records:
            return
        kept = _kept(self._judged(records), {r.partition: r.offset + 1 for r in records})
        self._kept.append(kept)
        self._next.update(kept.ends)
        self._join()
        if self._bytes() > self._limits.bytes:
            self._move(self._asked)
            self._merge()
        if self._bytes() > self._limits.bytes:
            self._forget()
            raise self._too_many(f"more than {self._limits.bytes:,} bytes")

    def _bytes(self) -> int:
        return sum(k.bytes for k in self._kept)

    def _join(self) -> None:
        """Make one part of the last ones while they are small and alike, so that parts are few and
        each row is copied a few times only."""
        while len(self._kept) > 1:
            first, second = self._kept[-2:]
            if first.records + second.records > _PART or first.records > 2 * second.records:
                return
            landed, dead = (
                _joined(pair, pair[0].schema).combine_chunks()
                for pair in (
                    [first.rows.landed, second.rows.landed],
                    [first.rows.dead, second.rows.dead],
                )
            )
            self._kept[-2:] = [_kept(Rows(landed, dead), {**first.ends, **second.ends})]

    def _merge(self) -> None:
        """One part of all, less what lies before the beginning."""
        whole = self._whole(self._begin)
        rows = Rows(_from(whole.landed, self._begin), _from(whole.dead, self._begin))
        self._kept = [_kept(rows, self._next)]

    def _whole(self, begin: Mapping[int, int]) -> Rows:
        """The rows of all parts that have some from ``begin`` on."""
        kept = [k for k in self._kept if any(e > begin[p] for p, e in k.ends.items())]
        return Rows(
            _joined([k.rows.landed for k in kept], self._landed_schema),
            _joined([k.rows.dead for k in kept], _dead_schema()),
        )

    def _too_many(self, what: str) -> UserError:
        name = self.contract.stream
        return UserError(
            f"between the lake and the end of the topic of {name} lie {what} that a live answer"
            " may hold: its job is behind, or does not run",
            f"lakehead jobs; without --live the lake alone answers, as far as {name} is landed",
        )

    def _judged(self, records: list[Record]) -> Rows:
        import pyarrow as pa

        landed: list[tuple[Record, dict[str, Any]]] = []
        dead: list[tuple[Record, str]] = []
        for record in records:
            values, problems = self._judge.read(record.value, record.timestamp / 1000)
            if problems:
                dead.append((record, "; ".join(problems)))
            else:
                landed.append((record, values))
        columns = {
            f.name: to_arrow([values.get(f.name) for _, values in landed], f.type)
            for f in self.contract.fields
        }
        causes = {
            "record": pa.array([r.value for r, _ in dead], pa.binary()),
            "cause": pa.array([cause for _, cause in dead], pa.string()),
        }
        return Rows(
            pa.table(columns | _coordinates([r for r, _ in landed])),
            pa.table(causes | _coordinates([r for r, _ in dead])),
        )

    @property
    def _landed_schema(self) -> "pa.Schema":
        import pyarrow as pa

        fields = [pa.field(f.name, arrow_type(f.type)) for f in self.contract.fields]
        return pa.schema([*fields, *_kafka_columns()])


def _kept(rows: Rows, ends: Mapping[int, int]) -> _Kept:
    return _Kept(rows, dict(ends), int(rows.landed.nbytes + rows.dead.nbytes))


def _from(table: "pa.Table", begin: Mapping[int, int]) -> "pa.Table":
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    partition, offset = pc.field("kafka_partition"), pc.field("kafka_offset")
    wanted = [(partition == p) & (offset >= o) for p, o in begin.items()]
    return table.filter(reduce(or_, wanted)).combine_chunks()


def _joined(tables: list["pa.Table"], schema: "pa.Schema") -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables(tables) if tables else schema.empty_table()


def _kafka_columns() -> list["pa.Field"]:
    import pyarrow as pa

    return [
        pa.field("kafka_partition", pa.int32()),
        pa.field("kafka_offset", pa.int64()),
        pa.field("kafka_timestamp", pa.timestamp("us", "UTC")),
    ]


def _dead_schema() -> "pa.Schema":
    import pyarrow as pa

    own = [pa.field("record", pa.binary()), pa.field("cause", pa.string())]
    return pa.schema([*own, *_kafka_columns()])


def _coordinates(records: list[Record]) -> dict[str, "pa.Array"]:
    import pyarrow as pa

    partition, offset, timestamp = _kafka_columns()
    milliseconds = pa.array([r.timestamp for r in records], pa.timestamp("ms", "UTC"))
    return {
        partition.name: pa.array([r.partition for r in records], partition.type),
        offset.name: pa.array([r.offset for r in records], offset.type),
        timestamp.name: milliseconds.cast(timestamp.type),
    }
