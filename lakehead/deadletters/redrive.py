"""``dead redrive``: mend dead records, hold them against their contract, send them again once."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import Contract
from lakehead.deadletters.codec import CannotEncode, Judge, Judged, judge_of
from lakehead.deadletters.kafka_log import KafkaLog
from lakehead.deadletters.ledger import alone, opened, redriven_of
from lakehead.deadletters.log import Log, Outgoing
from lakehead.deadletters.patch import CannotPatch, Patch
from lakehead.deadletters.record_batch import partition_of
from lakehead.deadletters.sending import Sender
from lakehead.deadletters.table import Choice, DeadRow, dead_table
from lakehead.errors import UserError
from lakehead.settings import Settings

_EXAMPLES = 5
_PROGRESS_ROWS = 200
_REPEATED = ".repeated"
NO_KEY = "key: is missing, expected one, for the topic is compacted"


@dataclass(frozen=True)
class RedriveOptions:
    """What to send again, and how it is mended.

    ``force`` sends what still breaks its contract too; ``limit`` is how many records at most.

    Raises:
        UserError: the limit is below 1.
    """

    choice: Choice = field(default_factory=Choice)
    patch: Patch = field(default_factory=Patch)
    force: bool = False
    dry_run: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UserError(
                f"the limit is {self.limit}, expected 1 or more", "lakehead dead redrive --help"
            )


@dataclass(frozen=True)
class Example:
    """A record before and after: its event, or its text where it cannot be read; ``after`` is None
    where it could not be patched. ``problems`` is empty where it is valid now."""

    partition: int
    offset: int
    cause: str
    before: Any
    after: Any
    problems: list[str]


@dataclass(frozen=True)
class Report:
    """Counts of records.

    chosen     meant; ``already`` of them were sent by an earlier redrive
    valid      keep their contract now; ``failing`` do not
    sent       are in Kafka, each once; of a dry run, would be; ``forced`` of them are not valid
    refused    Kafka does not take, by reason
    finished   of a redrive that was cut off before, and finished by this one
    returned   of such a one, not in Kafka, and so free to be sent
    uncertain  of such a one, so long ago that Kafka no longer tells; never sent again

    ``failures`` counts the rules that are still broken. ``examples`` are a few valid and a few
    failing records.
    """

    stream: str
    dry_run: bool
    chosen: int
    already: int
    valid: int
    failing: int
    sent: int
    forced: int
    refused: dict[str, int]
    finished: int
    returned: int
    uncertain: int
    failures: dict[str, int]
    examples: list[Example]

    @property
    def whole(self) -> bool:
        """Whether all that was meant is sent now, or would be."""
        return self.failing == self.forced and not self.refused


# How many records were looked at, and of how many.
OnProgress = Callable[[int, int], None]


def redrive(
    settings: Settings,
    stream: str,
    options: RedriveOptions,
    progress: OnProgress = lambda done, total: None,
    waiting: Callable[[str], None] = lambda holder: None,
    *,
    log: Log | None = None,
) -> Report:
    """Send dead records to their stream again; each record at most once, whoever asks how often.

    Waits while another process redrives the stream, of which ``waiting`` is told the process id.
    What ends this process does no harm: the next redrive finishes what it began. A dry run needs
    no Kafka and changes nothing. ``log`` is for tests, by default it is the stream's topic.

    Raises:
        UserError: no such stream or cause, a condition that is none, no topic.
        NotRunning: Kafka does not answer, or the schema registry where Avro is patched.
        SystemFailure: Kafka, the lake or the ledger failed.
    """
    contract = contract_in_force(settings, stream)
    judge = judge_of(settings, contract)
    if options.dry_run:
        return _Run(settings, contract, judge, options, progress).over(None)
    with (
        _log(settings, contract, log) as topic,
        alone(settings, stream, waiting),
        opened(settings) as ledger,
    ):
        sender = Sender(ledger, topic, stream, time.time)
        sender.finish()
        return _Run(settings, contract, judge, options, progress).over(sender)


@contextmanager
def _log(settings: Settings, contract: Contract, given: Log | None) -> Iterator[Log]:
    if given is not None:
        yield given
        return
    with closing(KafkaLog(settings, contract.topic)) as log:
        if not log.ends():
            raise UserError(
                f"the topic {contract.topic} does not exist", f"lakehead submit {contract.stream}"
            )
        yield log


class _Run:
    def __init__(
        self,
        settings: Settings,
        contract: Contract,
        judge: Judge,
        options: RedriveOptions,
        progress: OnProgress,
    ) -> None:
        self._settings = settings
        self._contract = contract
        self._judge = judge
        self._options = options
        self._progress = progress
        self._failures: Counter[str] = Counter()
        self._examples: dict[bool, list[Example]] = {True: [], False: []}
        self._valid = self._failing = self._forced = 0

    def over(self, sender: Sender | None) -> Report:
        """Mend and send the chosen rows that were not sent yet; without ``sender`` only mend."""
        options = self._options
        judge = self._judge if options.choice.where is not None else None
        stream = self._contract.stream
        redriven = redriven_of(self._settings, stream)
        with dead_table(self._settings, stream, redriven, judge) as table:
            table.choose(options.choice)
            chosen, already = table.counts()
            total = min(chosen - already, options.limit or chosen)
            order = f"WHERE NOT is_redriven ORDER BY kafka_partition, kafka_offset LIMIT {total}"
            for done, row in enumerate(table.rows(order)):
                self._row(row, sender)
                if done % _PROGRESS_ROWS == 0:
                    self._progress(done, total)
        if sender is not None:
            sender.flush()
        self._progress(total, total)
        return Report(
            stream=stream,
            dry_run=sender is None,
            chosen=chosen,
            already=already,
            valid=self._valid,
            failing=self._failing,
            sent=self._valid + self._forced if sender is None else sender.sent,
            forced=self._forced,
            refused={} if sender is None else dict(sender.refused),
            finished=0 if sender is None else sender.finished,
            returned=0 if sender is None else sender.returned,
            uncertain=0 if sender is None else sender.uncertain,
            failures=dict(self._failures.most_common()),
            examples=[*self._examples[True], *self._examples[False]],
        )

    def _row(self, row: DeadRow, sender: Sender | None) -> None:
        judged, sendable = mend(self._judge, self._options.patch, row.record, time.time())
        problems = judged.problems
        if judged.key is None and self._contract.cleanup == "compact":
            problems, sendable = [*problems, NO_KEY], False
        self._valid += not problems
        self._failing += bool(problems)
        self._failures.update({problem.partition(": ")[0] for problem in problems})
        if len(self._examples[not problems]) < _EXAMPLES:
            after = _shown(judged.value, judged.decoded.event) if sendable else None
            self._examples[not problems].append(
                Example(
                    row.partition,
                    row.offset,
                    row.cause,
                    _shown(row.record, self._judge.decode(row.record).event),
                    after,
                    problems,
                )
            )
        if problems and not (self._options.force and sendable):
            return
        self._forced += bool(problems)
        if sender is None:
            return
        if judged.key is not None:
            partition = partition_of(judged.key, sender.partitions)
        else:
            # Its own, so that it stays behind what was before it.
            partition = row.partition % sender.partitions
        sender.add(Outgoing(row.partition, row.offset, judged.key, judged.value), partition)


def mend(judge: Judge, patch: Patch, record: bytes | None, now: float) -> tuple[Judged, bool]:
    """The record that is to be sent, and whether it can be: not where the patch does not fit.

    ``now`` is epoch seconds. Without a patch the record is as it was, byte by byte.
    """
    if not patch:
        return judge.judge(record, now), True
    decoded = judge.decode(record)
    if decoded.event is None or decoded.partial:
        return Judged(record, decoded, decoded.problems, None), False
    try:
        value = judge.codec.encode(patch.apply(decoded.event))
    except (CannotPatch, CannotEncode) as error:
        return Judged(record, decoded, [f"patch: {error}"], None), False
    judged = judge.judge(value, now)
    # Of a key that was there twice the last was taken; only a patch that sets it decides.
    undecided = [
        problem
        for problem in decoded.problems
        if problem.partition(": ")[0].removesuffix(_REPEATED) not in patch.names
    ]
    return Judged(value, judged.decoded, [*undecided, *judged.problems], judged.key), True


def _shown(record: bytes | None, event: dict[str, Any] | None) -> Any:
    if event is not None:
        return json.loads(json.dumps(event, default=str))
    return None if record is None else record.decode("utf-8", "backslashreplace")
