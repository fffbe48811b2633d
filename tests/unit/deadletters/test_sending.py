"""A redrive killed at any step, followed by others, lands each dead record once."""

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lakehead.deadletters import sending
from lakehead.deadletters.ledger import Ledger
from lakehead.deadletters.log import Batch, Coordinates, MemoryLog, Outgoing, OutOfSequence, Refused
from lakehead.deadletters.sending import REMEMBERED_SECONDS, Sender
from tests.draws import draws

STREAM = "orders"
DEAD = [Outgoing(p, o, b"k%d" % o, b"{%d}" % o) for p in range(2) for o in range(5)]


class Killed(BaseException):
    """What ends a process; nothing after it is run."""


class DyingLedger(Ledger):
    """Ends the process before or after a step of the ledger, ``at`` counted from 0."""

    def __init__(self, path: Path, at: int | None) -> None:
        super().__init__(path)
        self.at = at
        self.steps = 0

    def _step(self) -> None:
        self.steps += 1
        if self.at == self.steps - 1:
            raise Killed

    def claim(self, *args: object) -> Batch:
        self._step()
        batch = super().claim(*args)  # type: ignore[arg-type]
        self._step()
        return batch

    def settle(self, batch: Batch, base_offset: int) -> None:
        self._step()
        super().settle(batch, base_offset)
        self._step()

    def release(self, batch: Batch) -> None:
        self._step()
        super().release(batch)
        self._step()


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_MOST_RECORDS", 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "redriven.db"


def attempt(
    path: Path,
    log: MemoryLog,
    at: int | None = None,
    records: list[Outgoing] | None = None,
    now: float = 1_000.0,
) -> Sender | None:
    """One redrive by a process of its own; None where it was killed."""
    ledger = DyingLedger(path, at)
    try:
        sender = Sender(ledger, log, STREAM, lambda: now)
        sender.finish()
        for record in DEAD if records is None else records:
            sender.add(record, record.offset % 2)
        sender.flush()
        return sender
    except Killed:
        return None
    finally:
        ledger.close()


def landed(log: MemoryLog) -> Counter[Coordinates]:
    return Counter(record.origin for records in log.records for record in records)


ONCE = Counter({record.origin: 1 for record in DEAD})


def test_each_lands_once_and_where_the_ledger_says(path: Path) -> None:
    log = MemoryLog(2)
    first = attempt(path, log)
    assert first and (first.sent, first.finished, first.returned) == (10, 0, 0)
    second = attempt(path, log)
    assert second and (second.sent, second.finished) == (0, 0)
    assert landed(log) == ONCE
    ledger = Ledger(path)
    for found in ledger.all(STREAM):
        assert found.to_offset is not None
        record = log.records[found.to_partition][found.to_offset]
        assert record.origin == (found.partition, found.offset)
        assert record.value == b"{%d}" % found.offset
    assert ledger.all("payments") == []
    ledger.close()


@pytest.mark.parametrize("step", range(20))
def test_killed_at_any_step_of_the_ledger(path: Path, step: int) -> None:
    log = MemoryLog(2)
    assert attempt(path, log, step) is None
    assert attempt(path, log)
    assert landed(log) == ONCE


def test_the_steps_above_are_all_there_are(path: Path) -> None:
    assert attempt(path, MemoryLog(2), at=20) is not None


Late = Callable[[], None]


def network(events: Iterator[str], late: list[Late], log: MemoryLog) -> Callable[[Batch], None]:
    """What becomes of each batch on its way: it arrives, it never does, it does and the process
    never hears of it, or it does so after the process is gone."""

    def arrives(batch: Batch) -> None:
        match next(events, "arrives"):
            case "lost":
                raise Killed
            case "unheard":
                log.deliver(batch)
                raise Killed
            case "late":
                late.append(lambda: log.deliver(batch))
                raise Killed

    return arrives


@hypothesis_settings(max_examples=draws(40))
@given(
    fates=st.lists(st.sampled_from(["arrives", "lost", "unheard", "late"]), max_size=12),
    kills=st.lists(st.integers(0, 25), max_size=4),
    deliver_after=st.integers(0, 4),
)
def test_killed_anywhere_with_batches_still_on_the_way(
    tmp_path_factory: pytest.TempPathFactory,
    fates: list[str],
    kills: list[int],
    deliver_after: int,
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "redriven.db"
    log, late = MemoryLog(2), list[Late]()
    log.arrives = network(iter(fates), late, log)
    done = None
    for attempts in itertools.count():
        done = attempt(path, log, kills[attempts] if attempts < len(kills) else None)
        if attempts >= deliver_after:
            while late:
                _deliver(late.pop(0))
        if done:
            break
    while late:
        _deliver(late.pop(0))
    again = attempt(path, log)
    assert again and again.sent == 0
    assert landed(log) == ONCE


def _deliver(late: Late) -> None:
    # Kafka may refuse a batch that is long settled; nobody is there to hear of it.
    with contextlib.suppress(OutOfSequence):
        late()


@pytest.mark.parametrize("arrived", [True, False])
def test_a_batch_that_kafka_no_longer_remembers_is_looked_for(path: Path, arrived: bool) -> None:
    log, late = MemoryLog(2), list[Late]()
    log.arrives = network(iter(["arrives", "unheard" if arrived else "lost"]), late, log)
    assert attempt(path, log) is None
    log.forget_producers()
    done = attempt(path, log, now=1_000.0 + REMEMBERED_SECONDS)
    assert done and (done.finished, done.returned) == ((2, 0) if arrived else (0, 2))
    assert landed(log) == ONCE


def test_a_batch_that_cannot_be_looked_for_is_not_sent_again(path: Path) -> None:
    log = MemoryLog(2)
    log.arrives = network(iter(["lost"]), [], log)
    assert attempt(path, log) is None
    log.first = [5, 5]
    done = attempt(path, log, now=1_000.0 + REMEMBERED_SECONDS)
    assert done and (done.uncertain, done.sent) == (2, 8)
    assert sum(landed(log).values()) == 8


def test_what_kafka_refuses_stays_dead_and_the_rest_of_its_batch_is_sent(path: Path) -> None:
    def refuse(batch: Batch) -> None:
        if any(record.offset == 3 for record in batch.records):
            raise Refused("too large")

    log = MemoryLog(2, refuse)
    done = attempt(path, log)
    assert done and (done.sent, dict(done.refused)) == (8, {"too large": 2})
    log.arrives = lambda batch: None
    again = attempt(path, log)
    assert again and again.sent == 2
    assert landed(log) == ONCE


def test_a_batch_refused_before_it_is_settled_is_free_again(path: Path) -> None:
    log = MemoryLog(2)
    log.arrives = network(iter(["lost"]), [], log)
    assert attempt(path, log) is None

    def refuse(batch: Batch) -> None:
        raise Refused("too large")

    log.arrives = refuse
    done = attempt(path, log, records=[])
    assert done and (done.finished, done.returned) == (0, 2)
    log.arrives = lambda batch: None
    assert attempt(path, log)
    assert landed(log) == ONCE


def test_a_record_that_is_given_twice_is_sent_once(path: Path) -> None:
    log = MemoryLog(2)
    assert attempt(path, log, records=[*DEAD, *DEAD])
    assert landed(log) == ONCE
