"""Where a run's events come from: the retail data where a stream has it, else its contract."""

from collections.abc import Iterator, Sequence

from lakehead.contracts.model import Contract
from lakehead.contracts.samples import START, Sampler
from lakehead.settings import Settings
from lakehead.streams.encode import key_text
from lakehead.streams.events import Event, Source
from lakehead.streams.retail import RETAIL_STREAMS, retail_source

_DAY = 86_400


def source_of(settings: Settings, contracts: Sequence[Contract], seed: int) -> Source:
    """The events of all ``contracts`` as one source, in time order.

    Raises:
        UserError: the retail data are missing, or a contract is not one of the data's, or no
            sample keeps a contract's rules.
    """
    retail = [c.stream for c in contracts if c.stream in RETAIL_STREAMS]
    sampled = [c for c in contracts if c.stream not in RETAIL_STREAMS]
    base = retail_source(settings, retail) if retail else None
    return SampleSource(sampled, seed, base) if sampled or base is None else base


class SampleSource:
    """Events drawn from contracts, among those of another source or alone.

    Alone, an event comes every second of source time, the streams in turn. Among another source's
    events each stream has as many as one of the other's streams has on average.
    """

    def __init__(self, contracts: Sequence[Contract], seed: int, base: Source | None) -> None:
        self._contracts = list(contracts)
        self._seed = seed
        self._base = base
        self._based = len(base.streams) if base else 0
        self._cycle = self._based + len(self._contracts)

    @property
    def streams(self) -> tuple[str, ...]:
        base = self._base.streams if self._base else ()
        return (*base, *(c.stream for c in self._contracts))

    @property
    def rows(self) -> int:
        return self._base.rows * self._cycle // self._based if self._base else _DAY

    @property
    def first(self) -> int:
        return self._base.first if self._base else START

    @property
    def newest(self) -> int:
        return self._base.newest if self._base else START + _DAY - 1

    @property
    def period(self) -> int:
        return self._base.period if self._base else _DAY

    def newest_of(self, count: int) -> int:
        if self._base is None:
            return START + count - 1
        cycles, rest = divmod(count, self._cycle)
        return self._base.newest_of(max(cycles * self._based + min(rest, self._based), 1))

    def events(self, count: int) -> Iterator[Event]:
        samplers = [(c, Sampler(c, self._seed)) for c in self._contracts]
        base = self._base.events(count) if self._base else iter(())
        newest = self.first
        for index in range(count):
            turn = index % self._cycle
            if turn < self._based:
                event = next(base)
                newest = max(newest, event.seconds)
                yield event
                continue
            if self._base is None:
                newest = START + index
            contract, sampler = samplers[turn - self._based]
            fields = sampler.event(newest)
            del fields[contract.event_time]
            yield Event(contract.stream, key_text(fields.get(contract.key)), newest, fields)
