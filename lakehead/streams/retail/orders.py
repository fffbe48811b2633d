"""``orders``: the file's lines, as they stand and in the file's own order."""

from collections.abc import Iterator
from pathlib import Path

from lakehead.streams.events import Event

STREAM = "orders"


def orders(path: Path, shift: int = 0) -> Iterator[Event]:
    """All lines, ``shift`` seconds later than in the file."""
    from lakehead.streams.retail.file import read_lines

    for lines in read_lines(path):
        for invoice, code, description, quantity, seconds, price, customer, country in zip(
            *lines, strict=True
        ):
            yield Event(
                STREAM,
                invoice,
                seconds + shift,
                {
                    "invoice": invoice,
                    "stock_code": code,
                    "description": description,
                    "quantity": quantity,
                    "price": price,
                    "customer_id": customer,
                    "country": country,
                    "status": "cancelled" if invoice[0] == "C" else "placed",
                },
            )
