"""``products``: the catalogue as it changes. All of it follows from the invoices."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from lakehead.streams.events import Event
from lakehead.streams.retail.invoices import Invoice, day_of, is_goods

STREAM = "products"
# By how many seconds a product, or a customer, is known before the first invoice that has it. It is
# longer than any visit, so that a page view has its product too.
AHEAD = 2 * 3600
# A price goes with the quantity and the customer. It is taken for a new list price where so many
# lines in a row have it, and it is off the old one by a part in twenty or more.
_LINES_FOR_PRICE, _NOTICED = 5, 20
_LINES_FOR_NAME = 2
_THEMES = frozenset(
    {"BAG", "BIRD", "BOX", "CAKE", "CANDLE", "CARD", "CHRISTMAS", "CLOCK", "COFFEE", "FELTCRAFT"}
    | {"FLOWER", "GIFT", "GLASS", "HEART", "JUMBO", "KITCHEN", "LIGHT", "LUNCH", "METAL", "MUG"}
    | {"PAPER", "PARTY", "RETROSPOT", "RIBBON", "ROSE", "SIGN", "STAR", "TEA", "TIN", "TOY"}
    | {"TREE", "VINTAGE", "WOODEN", "WRAP"}
)


class _Product:
    """``price`` counts thousandths of a pound. ``other_*`` is what the last lines had instead."""

    def __init__(self, listed: date) -> None:
        self.listed = listed
        self.name: str | None = None
        self.price = 0
        self.other_name, self.name_lines = "", 0
        self.other_price, self.price_lines = 0, 0

    def sold(self, name: str, price: int) -> bool:
        """Take a line; whether it changes what is known."""
        if self.name is None:
            self.name, self.price = name, price
            return True
        changed = False
        if name == self.name:
            self.name_lines = 0
        else:
            changed = self._renamed(name)
        if price == self.price:
            self.price_lines = 0
            return changed
        return self._repriced(price) or changed

    def _renamed(self, name: str) -> bool:
        self.name_lines = self.name_lines + 1 if name == self.other_name else 1
        self.other_name = name
        if self.name_lines < _LINES_FOR_NAME:
            return False
        self.name, self.name_lines = name, 0
        return True

    def _repriced(self, price: int) -> bool:
        if abs(price - self.price) * _NOTICED < self.price:
            self.price_lines = 0
            return False
        self.price_lines = self.price_lines + 1 if price == self.other_price else 1
        self.other_price = price
        if self.price_lines < _LINES_FOR_PRICE:
            return False
        self.price, self.price_lines = price, 0
        return True


class Products:
    """Holds every product of the file so far."""

    def __init__(self) -> None:
        self._known: dict[str, _Product] = {}

    def __call__(self, invoice: Invoice) -> Iterator[Event]:
        """The invoice's products that are new, and those of which it changes what is known."""
        known = self._known
        for line in invoice.lines:
            code = line["stock_code"]
            product = known.get(code)
            seconds = invoice.first
            new = product is None
            if product is None:
                seconds -= AHEAD
                product = known[code] = _Product(date.fromordinal(day_of(seconds)))
            # Lines without a price have remarks for a name, such as "damaged".
            name, price = line["description"], round(line["price"] * 1000)
            real = price > 0 and line["quantity"] > 0 and name is not None
            if (real and product.sold(name, price)) or new:
                yield Event(STREAM, code, seconds, _fields(code, product))


def _fields(code: str, product: _Product) -> dict[str, Any]:
    name = product.name
    words = (name or "").upper().replace(",", " ").replace(".", " ").split()
    return {
        "stock_code": code,
        "description": name,
        "kind": "goods" if is_goods(code) else "service",
        "list_price": None if name is None else Decimal(product.price).scaleb(-3),
        "themes": [word.lower() for word in dict.fromkeys(words) if word in _THEMES],
        "listed_on": product.listed,
    }
