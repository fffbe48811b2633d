"""``customers``: what is known of each customer, as it changes. The number, the country and the
segment follow from the invoices; the newsletter is invented."""

from collections.abc import Iterator
from datetime import date

from lakehead.streams.events import Event
from lakehead.streams.retail.draws import Draws
from lakehead.streams.retail.invoices import Invoice, day_of
from lakehead.streams.retail.products import AHEAD

STREAM = "customers"
_WHOLESALE_PIECES = 500
_REGULAR_ORDERS, _LOYAL_ORDERS = 2, 10


def subscribed(customer: int) -> bool:
    """Whether the customer gets the newsletter."""
    return Draws(f"newsletter {customer}").percent(40)


class _Customer:
    def __init__(self, since: date) -> None:
        self.since = since
        self.orders = 0
        self.largest = 0
        self.said: tuple[str, str] | None = None

    @property
    def segment(self) -> str:
        if self.largest >= _WHOLESALE_PIECES:
            return "wholesale"
        if self.orders >= _LOYAL_ORDERS:
            return "loyal"
        return "regular" if self.orders >= _REGULAR_ORDERS else "new"


class Customers:
    """Holds every customer of the file so far."""

    def __init__(self) -> None:
        self._known: dict[int, _Customer] = {}

    def __call__(self, invoice: Invoice) -> Iterator[Event]:
        """The invoice's customer, where it is new or where the invoice changes what is known.

        The first time, it is known a while before the invoice: before the visit to the shop.
        """
        number = invoice.customer
        if number is None:
            return
        customer = self._known.get(number)
        seconds = invoice.first
        if customer is None:
            seconds -= AHEAD
            customer = self._known[number] = _Customer(date.fromordinal(day_of(seconds)))
        if invoice.sells:
            customer.orders += 1
            pieces = sum(line["quantity"] for line in invoice.goods)
            customer.largest = max(customer.largest, pieces)
        told = (invoice.country, customer.segment)
        if told == customer.said:
            return
        customer.said = told
        yield Event(
            STREAM,
            str(number),
            seconds,
            {
                "customer_id": number,
                "country": invoice.country,
                "segment": customer.segment,
                "newsletter": subscribed(number),
                "since": customer.since,
            },
        )
