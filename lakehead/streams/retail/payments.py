"""``payments``: how invoices are paid, and how cancelled ones are paid back. Invented throughout,
but for the invoice, the customer and the amount."""

from collections.abc import Iterator
from typing import Any

from lakehead.streams.events import Event
from lakehead.streams.retail.draws import Draws
from lakehead.streams.retail.invoices import Invoice

STREAM = "payments"
_METHODS = ("card",) * 12 + ("paypal",) * 5 + ("bank_transfer",) * 2 + ("account",)
_REASONS = ("declined", "insufficient_funds", "timeout")
_FAILS_PERCENT, _RETRIED_PERCENT = 4, 70
_HOUR = 3600


def payments(invoice: Invoice) -> Iterator[Event]:
    """The steps of the invoice's payment, in the order of time."""
    if not invoice.sells and not invoice.takes_back:
        return
    method = Draws(f"method {invoice.customer or invoice.number}").one_of(_METHODS)
    for i, (status, seconds, reason) in enumerate(_steps(invoice), 1):
        fields: dict[str, Any] = {
            "payment_id": f"P{invoice.number}-{i}{invoice.tag}",
            "invoice": invoice.number,
            "customer_id": invoice.customer,
            "status": status,
            "method": method,
            "amount": abs(invoice.total),
            "currency": "GBP",
            "failure_reason": reason,
        }
        yield Event(STREAM, invoice.number, seconds, fields)


def captured_at(invoice: Invoice) -> int | None:
    """When the invoice was paid, epoch seconds; None where it never was."""
    if not invoice.sells:
        return None
    status, seconds, _ = _steps(invoice)[-1]
    return seconds if status == "captured" else None


def _steps(invoice: Invoice) -> list[tuple[str, int, str | None]]:
    draws = Draws(f"payment {invoice.number}")
    if invoice.takes_back:
        return [("refunded", invoice.last + _HOUR + draws.below(71 * _HOUR), None)]
    steps: list[tuple[str, int, str | None]] = []
    seconds = invoice.last + 5 + draws.below(175)
    if draws.percent(_FAILS_PERCENT):
        steps.append(("failed", seconds, draws.one_of(_REASONS)))
        if not draws.percent(_RETRIED_PERCENT):
            return steps
        seconds += 60 + draws.below(600)
    steps.append(("authorised", seconds, None))
    steps.append(("captured", seconds + 120 + draws.below(1800), None))
    return steps
