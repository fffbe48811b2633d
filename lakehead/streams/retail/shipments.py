"""``shipments``: parcels of what was paid. The lines, the customer and the country are real; the
carrier, the times and the rest of the address are invented."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from lakehead.streams.events import Event
from lakehead.streams.retail.draws import Draws
from lakehead.streams.retail.invoices import Invoice, day_of
from lakehead.streams.retail.payments import captured_at

STREAM = "shipments"
_HOME = "United Kingdom"
_HOUR = 3600
# Pieces from which a parcel is a pallet.
_PALLET = 1000
_EXPRESS_PERCENT, _LATE_PERCENT = 15, 8
_CITIES = {
    _HOME: ("London", "Leeds", "Bristol", "Glasgow", "Cardiff", "Belfast", "Norwich", "York"),
    "Germany": ("Berlin", "Hamburg", "Köln", "Leipzig"),
    "EIRE": ("Dublin", "Cork", "Galway"),
    "France": ("Paris", "Lyon", "Nantes", "Lille"),
    "Netherlands": ("Amsterdam", "Utrecht", "Groningen"),
    "Spain": ("Madrid", "Sevilla", "Valencia"),
    "Belgium": ("Brussel", "Gent", "Liège"),
    "Switzerland": ("Zürich", "Bern", "Genève"),
    "Portugal": ("Lisboa", "Porto"),
    "Sweden": ("Stockholm", "Malmö"),
    "Italy": ("Roma", "Torino", "Bologna"),
    "Australia": ("Sydney", "Perth"),
}
# Letters that no real British postcode has in its last part.
_UNREAL = "CIKMOV"


def shipments(invoice: Invoice) -> Iterator[Event]:
    """The parcel's way, in the order of time: packed, shipped, delivered."""
    paid = captured_at(invoice)
    if paid is None or not invoice.goods:
        return
    draws = Draws(f"shipment {invoice.number}")
    at_home = invoice.country == _HOME
    express = draws.percent(_EXPRESS_PERCENT)
    days, low, high = (2, 8, 20) if express else (4, 18, 60) if at_home else (8, 40, 130)
    packed = paid + _HOUR + draws.below(7 * _HOUR)
    shipped = packed + _HOUR + draws.below(15 * _HOUR)
    late = days * 24 if draws.percent(_LATE_PERCENT) else 0
    delivered = shipped + (low + late) * _HOUR + draws.below((high - low) * _HOUR)
    pieces = sum(line["quantity"] for line in invoice.goods)
    by_courier = express or (not at_home and draws.percent(50))
    ordered = day_of(invoice.first)
    number = f"S{invoice.number}{invoice.tag}"
    fields: dict[str, Any] = {
        "update_id": number,
        "shipment_id": number,
        "invoice": invoice.number,
        "customer_id": invoice.customer,
        "status": None,
        "carrier": "pallet" if pieces >= _PALLET else "courier" if by_courier else "post",
        "express": express,
        "order_date": date.fromordinal(ordered),
        "promised_date": date.fromordinal(ordered + days),
        "delivered_date": None,
        "address": _address(invoice),
        "items": [
            {"stock_code": line["stock_code"], "quantity": line["quantity"]}
            for line in invoice.goods
        ],
    }
    for status, seconds in (("packed", packed), ("shipped", shipped), ("delivered", delivered)):
        day = date.fromordinal(day_of(seconds)) if status == "delivered" else None
        step = {"update_id": f"{number}-{status}", "status": status, "delivered_date": day}
        yield Event(STREAM, invoice.number, seconds, fields | step)


def _address(invoice: Invoice) -> dict[str, str | None]:
    """The same for all parcels of a customer in a country."""
    country = invoice.country
    draws = Draws(f"address {invoice.customer or invoice.number} {country}")
    cities = _CITIES.get(country)
    if cities is None:
        return {"city": None, "postcode": None, "country": country}
    city = draws.one_of(cities)
    code = f"{10000 + draws.below(89999)}"
    if country == _HOME:
        area, district, sector = city[0], 1 + draws.below(20), draws.below(10)
        code = f"{area}{district} {sector}{draws.one_of(_UNREAL)}{draws.one_of(_UNREAL)}"
    return {"city": city, "postcode": code, "country": country}
