"""What became of payments that failed: invoices that were paid after all, given up, or are still tried."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.billing.state import Customer, Invoice

Outcome = tuple[str, int, str, int | None]
_GIVEN_UP = {"canceled", "unpaid", "incomplete_expired"}


def dunning(customer: Customer) -> Iterator[Outcome]:
    """(Invoice, first failure, outcome, instant of the payment) of each invoice with a failed payment."""
    for invoice in customer.invoices:
        if invoice.first_failed is not None:
            outcome = _outcome(invoice)
            paid = invoice.obj["status_transitions"]["paid_at"] if outcome == "recovered" else None
            yield invoice.obj["id"], invoice.first_failed, outcome, paid


def _outcome(invoice: Invoice) -> str:
    if invoice.status == "paid":
        return "recovered"
    if invoice.status in {"void", "uncollectible"}:
        return "lost"
    # nobody tries again for a subscription that has been given up
    over = invoice.subscription and invoice.subscription.obj["status"] in _GIVEN_UP
    return "lost" if over and invoice.obj["next_payment_attempt"] is None else "open"
