"""The protocol by which a dead record lands once, whatever ends the process that sends it.

The order, for each batch, under the stream's lock:

1. claim: one transaction of the ledger writes down the batch, what is in it, the identity of the
   producer and the sequence number that it will be sent under;
2. send: Kafka appends the batch whole, or answers where it is if it has it;
3. settle: the ledger notes where it is.

Whoever comes next finishes a batch that is claimed and not settled by sending it again, as the same
producer with the same number. Kafka remembers producers for a day after their last batch; what is
older is looked for in the topic, by the header that says where a record died. By then nothing of
it can still be on the way.
"""

from collections import Counter
from collections.abc import Callable

from lakehead.deadletters.ledger import Ledger
from lakehead.deadletters.log import Batch, Gone, Log, Outgoing, OutOfSequence, Producer, Refused

# Half of Kafka's producer.id.expiration.ms.
REMEMBERED_SECONDS = 12 * 3600.0
_MOST_RECORDS = 500
_MOST_BYTES = 400_000


class Sender:
    """Sends dead records of one stream, whose lock is held.

    ``sent`` were settled. Of batches that an earlier redrive left, ``finished`` are settled now,
    ``returned`` are not in Kafka and free again, and of the ``uncertain`` Kafka no longer has the
    place where they would be: they stay claimed. ``refused`` counts, by reason, records that Kafka
    does not take.
    """

    def __init__(self, ledger: Ledger, log: Log, stream: str, clock: Callable[[], float]) -> None:
        self.sent = self.finished = self.returned = self.uncertain = 0
        self.refused: Counter[str] = Counter()
        self._ledger = ledger
        self._log = log
        self._stream = stream
        self._clock = clock
        self._ends = log.ends()
        self._producer: Producer | None = None
        self._sequences: Counter[int] = Counter()
        self._waiting: dict[int, list[Outgoing]] = {p: [] for p in self._ends}
        self._bytes: Counter[int] = Counter()

    @property
    def partitions(self) -> int:
        return len(self._ends)

    def finish(self) -> None:
        """Settle what an earlier redrive claimed and did not settle. Comes before all else."""
        for batch in self._ledger.unsettled(self._stream):
            remembered = self._clock() - batch.claimed_at < REMEMBERED_SECONDS
            try:
                settled = self._settled(batch, remembered)
            except Refused:
                # It may have been taken under other settings of the topic.
                settled = self._settled(batch, remembered=False)
            except Gone:
                self.uncertain += len(batch.records)
                continue
            if settled:
                self.finished += len(batch.records)
            else:
                self.returned += len(batch.records)

    def add(self, record: Outgoing, partition: int) -> None:
        """Send a record to ``partition``, sooner or later."""
        waiting = self._waiting[partition]
        if waiting and self._bytes[partition] + record.size > _MOST_BYTES:
            self._flush(partition)
        self._waiting[partition].append(record)
        self._bytes[partition] += record.size
        if len(self._waiting[partition]) >= _MOST_RECORDS:
            self._flush(partition)

    def flush(self) -> None:
        """Send all that waits."""
        for partition in self._waiting:
            self._flush(partition)

    def _flush(self, partition: int) -> None:
        waiting = {record.origin: record for record in self._waiting[partition]}
        self._waiting[partition], self._bytes[partition] = [], 0
        claimed = self._ledger.claimed(self._stream, waiting)
        records = [r for origin, r in waiting.items() if origin not in claimed]
        if records:
            self._send(records, partition)

    def _send(self, records: list[Outgoing], partition: int) -> None:
        settled = False
        while not settled:
            if self._producer is None:
                self._producer = self._log.new_producer()
                self._sequences.clear()
            batch = self._ledger.claim(
                self._stream,
                partition,
                self._producer,
                self._sequences[partition],
                self._ends[partition],
                self._clock(),
                records,
            )
            try:
                settled = self._settled(batch, remembered=True)
            except Refused as refusal:
                self._ledger.release(batch)
                return self._apart(records, partition, str(refusal))
            if not settled:
                # Kafka forgot the producer: this process slept for a day.
                self._producer = None
        self._sequences[partition] += len(records)
        self.sent += len(records)

    def _apart(self, records: list[Outgoing], partition: int, refusal: str) -> None:
        """Send the records of a refused batch one by one: only some of them are at fault."""
        if len(records) == 1:
            self.refused[refusal] += 1
            return
        for record in records:
            self._send([record], partition)

    def _settled(self, batch: Batch, remembered: bool) -> bool:
        """Whether Kafka has the batch now; if not, it is released."""
        try:
            base = self._log.append(batch) if remembered else self._log.find(batch)
        except OutOfSequence:
            base = self._log.find(batch)
        if base is None:
            self._ledger.release(batch)
            return False
        self._ledger.settle(batch, base)
        return True
