"""One line of the sample: as ``retail.legacy`` reads and encodes it."""

from typing import NamedTuple


class Row(NamedTuple):
    """One line of the file. ``seconds`` is the file's time, epoch seconds; ``price`` pounds."""

    invoice: str
    stock_code: str
    description: str | None
    quantity: int
    seconds: int
    price: float
    customer: int | None
    country: str
