"""``page_views``: visits to a web shop that the real one may not have had. What is looked at and
bought is real; the visits, their times and all else about them are invented."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from lakehead.streams.events import Event
from lakehead.streams.retail.customers import subscribed
from lakehead.streams.retail.draws import Draws
from lakehead.streams.retail.invoices import Invoice

STREAM = "page_views"
_MOST_BOUGHT, _MOST_OTHER, _MOST_BROWSED = 8, 2, 5
_SIGNED_IN_PERCENT, _SEARCH_PERCENT, _BROWSER_PERCENT = 60, 50, 50
_DEVICES = ("desktop",) * 6 + ("mobile",) * 3 + ("tablet",)
_LANGUAGES = {"Germany": "de", "France": "fr", "Spain": "es", "Netherlands": "nl"}
_SEARCH, _SOCIAL, _MAIL = (f"https://{site}.example/" for site in ("search", "social", "mail"))


class _Page(NamedTuple):
    name: str
    url: str
    stock_code: str | None = None
    properties: dict[str, str] | None = None


class PageViews:
    """Holds the codes of what was bought so far: what a visitor may look at."""

    def __init__(self) -> None:
        self._codes: list[str] = []
        self._known: set[str] = set()

    def __call__(self, invoice: Invoice) -> Iterator[Event]:
        """The visit that ended in the invoice; for some, that of somebody who only looked too."""
        if not invoice.sells or not invoice.goods:
            return
        yield from self._bought(invoice, Draws(f"visit {invoice.number}"))
        draws = Draws(f"browser {invoice.number}")
        if self._codes and draws.percent(_BROWSER_PERCENT):
            yield from self._browsed(invoice, draws)
        for line in invoice.goods:
            code = line["stock_code"]
            if code not in self._known:
                self._known.add(code)
                self._codes.append(code)

    def _bought(self, invoice: Invoice, draws: Draws) -> Iterator[Event]:
        codes = list(dict.fromkeys(line["stock_code"] for line in invoice.goods))[:_MOST_BOUGHT]
        if self._codes:
            for _ in range(draws.below(_MOST_OTHER + 1)):
                codes.insert(draws.below(len(codes) + 1), draws.one_of(self._codes))
        pages = [_Page("home", "/", None, _home(invoice, draws))]
        name = invoice.goods[0]["description"]
        if name and draws.percent(_SEARCH_PERCENT):
            words = " ".join(name.lower().split()[:2])
            pages.append(_Page("search", "/search", None, {"query": words}))
        pages += [_Page("product", f"/product/{code}", code) for code in codes]
        basket = len(pages)
        pages.append(_Page("basket", "/basket"))
        pages.append(_Page("checkout", "/checkout"))
        signed_in = 0 if draws.percent(_SIGNED_IN_PERCENT) else basket
        end = invoice.first - 1 - draws.below(30)
        yield from _visit(invoice, "visit", draws, pages, end, signed_in)

    def _browsed(self, invoice: Invoice, draws: Draws) -> Iterator[Event]:
        codes = [draws.one_of(self._codes) for _ in range(1 + draws.below(_MOST_BROWSED))]
        pages = [_Page("home", "/", None, _home(invoice, draws))]
        pages += [_Page("product", f"/product/{code}", code) for code in codes]
        end = invoice.first - 1 - draws.below(1800)
        yield from _visit(invoice, "browser", draws, pages, end, None)


def _home(invoice: Invoice, draws: Draws) -> dict[str, str]:
    properties = {"language": _LANGUAGES.get(invoice.country, "en")}
    if draws.percent(20):
        properties["campaign"] = draws.one_of(("new-in", "gifts", "clearance"))
    return properties


def _visit(
    invoice: Invoice, kind: str, draws: Draws, pages: list[_Page], end: int, signed_in: int | None
) -> Iterator[Event]:
    """The views of one visit, the last at ``end`` or a little before.

    ``signed_in`` is the page from which on the customer is known, None for none. A visit has at
    most 14 pages, and takes less than 65 minutes.
    """
    count = len(pages)
    gap = 20 + draws.below(min(300, 3300 // count))
    half = gap // 2 + 1
    jitter = draws.below(1 << 32)
    name = Draws(f"{kind} id {invoice.number}")
    session = f"{name.below(1 << 24):06x}{name.below(1 << 24):06x}{invoice.tag}"
    device = draws.one_of(_DEVICES)
    customer = None if signed_in is None else invoice.customer
    referrers: tuple[str | None, ...] = (_SEARCH, _SOCIAL, None)
    if customer is not None and subscribed(customer):
        referrers = (_MAIL, _SEARCH, None)
    referrer = draws.one_of(referrers)
    for i, page in enumerate(pages):
        known = customer if signed_in is not None and i >= signed_in else None
        fields: dict[str, Any] = {
            "view_id": f"{session}-{i + 1}",
            "session_id": session,
            "customer_id": known,
            "page": page.name,
            "url": page.url,
            "stock_code": page.stock_code,
            "invoice": invoice.number if page.name == "checkout" else None,
            "referrer": referrer if i == 0 else None,
            "device": device,
            "properties": page.properties,
        }
        seconds = end - (count - 1 - i) * gap - (jitter >> i) % half
        yield Event(STREAM, None if known is None else str(known), seconds, fields)
