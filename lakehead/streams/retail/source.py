"""Some of the sample's streams as one source: merged in time, replayed behind its end."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

from lakehead.errors import UserError
from lakehead.settings import Settings
from lakehead.streams.events import Event
from lakehead.streams.retail.customers import Customers
from lakehead.streams.retail.extent import Extent, known_extents
from lakehead.streams.retail.invoices import SPAN, Invoice, InvoiceBook
from lakehead.streams.retail.orders import STREAM as ORDERS
from lakehead.streams.retail.orders import orders
from lakehead.streams.retail.page_views import PageViews
from lakehead.streams.retail.payments import payments
from lakehead.streams.retail.products import AHEAD, Products
from lakehead.streams.retail.sample import GAP, Sample, sample_of
from lakehead.streams.retail.shipments import shipments

Maker = Callable[[Invoice], Iterable[Event]]

# In this order where they have the same time: what is referred to comes first.
RETAIL_STREAMS = ("products", "customers", "page_views", ORDERS, "payments", "shipments")
_MAKERS: dict[str, Callable[[], Maker]] = {
    "products": Products,
    "customers": Customers,
    "page_views": PageViews,
    "payments": lambda: payments,
    "shipments": lambda: shipments,
}
_RANKS = 8
# No event is further ahead of the line that it follows from, seconds.
_HORIZON = AHEAD + SPAN
_LINES_A_TURN = 4096


def retail_source(settings: Settings, streams: Sequence[str]) -> "RetailSource":
    """The sample events of ``streams``, one or more of RETAIL_STREAMS.

    Raises:
        UserError: there is no sample of such a stream, or no sample file.
    """
    if unknown := [s for s in streams if s not in RETAIL_STREAMS]:
        raise UserError(
            f"there are no sample events for the stream {unknown[0]!r}, only for "
            f"{', '.join(sorted(RETAIL_STREAMS))}",
            "publish its events from a Kafka client of your own",
        )
    if not streams:
        raise UserError(f"no stream is named; expected some of {', '.join(sorted(RETAIL_STREAMS))}")
    return RetailSource(sample_of(settings), tuple(dict.fromkeys(streams)))


class RetailSource:
    """A ``Source``. A replay is the whole sample again, its times ``period`` seconds later.

    In a replay, payment_id, update_id, shipment_id, session_id and view_id carry R1, R2 and so on,
    for they are unique; invoices, products and customers keep their numbers. Lists and dicts in an
    event's fields may be those of other events too: leave them as they are.
    """

    def __init__(self, sample: Sample, streams: tuple[str, ...]) -> None:
        self._sample = sample
        self._streams = streams

    @property
    def streams(self) -> tuple[str, ...]:
        return self._streams

    @property
    def rows(self) -> int:
        return self._extent.rows

    @property
    def first(self) -> int:
        return self._extent.first

    @property
    def newest(self) -> int:
        return self._extent.newest

    @property
    def period(self) -> int:
        return self.newest - self.first + GAP

    def events(self, count: int) -> Iterator[Event]:
        """The first ``count`` events, replayed where the source ends; always the same.

        Of one moment, those of ``orders`` follow the products and customers that they have. Lines
        that are behind in time keep their place in the file.
        """
        rows = self.rows
        for replay in range(-(-count // rows)):
            yield from islice(self._replay(replay), count - replay * rows)

    def newest_of(self, count: int) -> int:
        """The newest source time among the first ``count`` events, replays included.

        For ``orders`` alone it is a look at the file; otherwise it makes up to ``rows`` events.
        """
        if self._streams == (ORDERS,):
            return self._sample.newest_of(count)
        replay, rest = divmod(count - 1, self.rows)
        inside = self.newest
        if rest + 1 < self.rows:
            whole = merged(self._sample.path, self._streams)
            inside = max(event.seconds for event in islice(whole, rest + 1))
        return max(inside + replay * self.period, self.newest + (replay - 1) * self.period)

    def _replay(self, replay: int) -> Iterator[Event]:
        tag = f"R{replay}" if replay else ""
        return merged(self._sample.path, self._streams, replay * self.period, tag)

    @cached_property
    def _extent(self) -> Extent:
        sample = self._sample
        extents = {ORDERS: Extent(sample.rows, sample.first, sample.newest)}
        derived = [s for s in self._streams if s != ORDERS]
        if derived:
            extents |= known_extents(sample.path) or extents_of(merged(sample.path, derived))
        return Extent.of([extents[s] for s in self._streams if s in extents])


def extents_of(events: Iterable[Event]) -> dict[str, Extent]:
    """The extent of each stream that ``events`` has."""
    found: dict[str, list[int]] = {}
    for stream, _, seconds, _ in events:
        extent = found.setdefault(stream, [0, seconds, seconds])
        extent[0] += 1
        extent[1] = min(extent[1], seconds)
        extent[2] = max(extent[2], seconds)
    return {stream: Extent(*numbers) for stream, numbers in found.items()}


def merged(path: Path, streams: Sequence[str], shift: int = 0, tag: str = "") -> Iterator[Event]:
    """One replay of ``streams``, ``shift`` seconds later than the file, ids ended with ``tag``.

    Every event has a place: its time, or where it is behind, the newest time of any line before it.
    Lines are read ahead of the events that are given away by as much as an event can be ahead of
    its invoice, and no more is held than that, and parcels that are under way.
    """
    if tuple(streams) == (ORDERS,):
        yield from orders(path, shift)
        return
    ranks = {s: i for i, s in enumerate(RETAIL_STREAMS) if s in streams}
    rank = ranks.pop(ORDERS, None)
    makers = [(i, _MAKERS[s]()) for s, i in ranks.items()]
    book = InvoiceBook(tag)
    # Events by place and stream; those of one place and stream in the order they were made in.
    waiting: defaultdict[int, list[Event]] = defaultdict(list)

    def make(invoices: Sequence[Invoice]) -> None:
        for invoice in invoices:
            behind = invoice.behind
            for i, maker in makers:
                for event in maker(invoice):
                    waiting[(event[2] + behind) * _RANKS + i].append(event)

    for index, line in enumerate(orders(path, shift), 1):
        if complete := book.add(line):
            make(complete)
        if rank is not None:
            waiting[book.newest * _RANKS + rank].append(line)
        if index % _LINES_A_TURN == 0:
            ready = (book.newest - _HORIZON) * _RANKS
            for place in sorted(place for place in waiting if place < ready):
                yield from waiting.pop(place)
    make(book.close())
    for place in sorted(waiting):
        yield from waiting.pop(place)
