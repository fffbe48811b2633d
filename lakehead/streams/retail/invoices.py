"""From lines to whole invoices, which is what the derived streams are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from lakehead.streams.events import Event

# The lines of an invoice lie within 9 minutes of each other.
SPAN = 600
# 1 January 1970 as ``date.toordinal`` counts days.
_EPOCH_DAY = 719_163
_DAY = 86_400


def day_of(seconds: int) -> int:
    """The day of epoch ``seconds`` in UTC, as ``date.fromordinal`` takes it."""
    return _EPOCH_DAY + seconds // _DAY


@dataclass
class Invoice:
    """All lines of an invoice.

    first, last  times of its first and its last line, epoch seconds
    behind       by how many seconds it was behind the newest line when it came
    tag          what makes its ids differ from those of other replays; empty in the first
    lines        the fields of its ``orders`` events, in the file's order
    """

    number: str
    customer: int | None
    country: str
    first: int
    last: int
    behind: int
    tag: str
    lines: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def total(self) -> Decimal:
        """Pounds, exact to the thousandth: negative where the invoice takes back."""
        # No price has more than 3 decimals.
        thousandths = sum(line["quantity"] * round(line["price"] * 1000) for line in self.lines)
        return Decimal(thousandths).scaleb(-3)

    @property
    def sells(self) -> bool:
        """Whether there is something to pay: no cancellation, write-off or gift."""
        return self.number[0] not in "AC" and self.total > 0

    @property
    def takes_back(self) -> bool:
        """Whether somebody who is known gets money back."""
        return self.number[0] == "C" and self.customer is not None and self.total < 0

    @cached_property
    def goods(self) -> list[dict[str, Any]]:
        """Its lines that are things to be sent, not postage, fees and discounts."""
        return [n for n in self.lines if n["quantity"] > 0 and is_goods(n["stock_code"])]


def is_goods(stock_code: str) -> bool:
    """Whether the code is a product's; services have a word, as ``POST``."""
    return stock_code[0].isdigit() or stock_code.startswith("DCGS")


class InvoiceBook:
    """Collects lines into invoices, and gives each away once it is complete.

    The file has the invoices of a week in December 2010 twice: the second time they are known, and
    left out. ``newest`` is the newest time of any line so far, epoch seconds.
    """

    def __init__(self, tag: str) -> None:
        self.newest = 0
        self._tag = tag
        self._seconds = 0
        self._open: dict[str, Invoice] = {}
        self._complete: set[str] = set()

    def add(self, line: Event) -> Sequence[Invoice]:
        """Take the next line of ``orders``; the invoices that are complete by now."""
        complete: Sequence[Invoice] = ()
        _, number, seconds, fields = line
        assert number is not None
        if seconds != self._seconds:
            complete = self._moved_to(seconds)
        invoice = self._open.get(number)
        if invoice is None:
            if number in self._complete:
                return complete
            invoice = self._open[number] = Invoice(
                number,
                fields["customer_id"],
                fields["country"],
                seconds,
                seconds,
                self.newest - seconds,
                self._tag,
            )
        invoice.lines.append(fields)
        invoice.last = seconds
        return complete

    def close(self) -> Sequence[Invoice]:
        """The invoices that are still open, at the end of the file."""
        return self._taken(list(self._open.values()))

    def _moved_to(self, seconds: int) -> Sequence[Invoice]:
        stepped_back = seconds < self._seconds
        self._seconds = seconds
        self.newest = max(self.newest, seconds)
        if stepped_back:
            return self.close()
        complete: list[Invoice] = []
        for invoice in self._open.values():
            if invoice.first + invoice.behind + SPAN >= self.newest:
                break
            complete.append(invoice)
        return self._taken(complete)

    def _taken(self, invoices: list[Invoice]) -> Sequence[Invoice]:
        for invoice in invoices:
            del self._open[invoice.number]
            self._complete.add(invoice.number)
        return invoices
