"""The ``orders`` lines as rows, for the producer of that one stream."""

from collections.abc import Iterator
from itertools import islice

import orjson

from lakehead.streams.retail.sample import Sample
from lakehead.streams.row import Row

FIELDS = (
    "invoice",
    "stock_code",
    "description",
    "quantity",
    "price",
    "customer_id",
    "country",
    "status",
    "event_time",
)


def rows(sample: Sample, count: int) -> Iterator[Row]:
    """The first ``count`` lines in the file's order, replayed behind the newest where it ends."""
    for replay in range(-(-count // sample.rows)):
        left = count - replay * sample.rows
        yield from islice(_read_rows(sample, replay * sample.period), left)


def _read_rows(sample: Sample, shift: int) -> Iterator[Row]:
    from lakehead.streams.retail.file import read_lines

    for lines in read_lines(sample.path):
        times = [seconds + shift for seconds in lines[4]]
        yield from map(Row, *lines[:4], times, *lines[5:])


def is_cancelled(row: Row) -> bool:
    """Whether the line takes back what an invoice sold."""
    return row.invoice[0] == "C"


def encode(row: Row) -> bytes:
    """A line as JSON without its event time; see ``stamp``."""
    invoice, stock_code, description, quantity, _, price, customer, country = row
    return orjson.dumps(
        {
            "invoice": invoice,
            "stock_code": stock_code,
            "description": description,
            "quantity": quantity,
            "price": price,
            "customer_id": customer,
            "country": country,
            "status": "cancelled" if is_cancelled(row) else "placed",
        }
    )


def stamp(encoded: bytes, time: str) -> bytes:
    """A line of ``encode`` made an event of ``time`` (ISO-8601)."""
    return b'%b,"event_time":"%b"}' % (encoded[:-1], time.encode())
