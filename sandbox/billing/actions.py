"""From a `BillingAction`'s kind to what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.billing import changes, coupons, invoices, reversals, schedules, subscriptions
from sandbox.billing.calendar import seconds
from sandbox.billing.state import Customer, FailingPayments
from sandbox.company import BillingAction

Params = Mapping[str, Any]
_THEN = {"recover", "unpaid", "cancel", "uncollectible"}


def payment_fails(customer: Customer, at: int, params: Params) -> None:
    """Let payments fail.

    Params: from (default: now), until, then; see `FailingPayments`.
    """
    start = seconds(params["from"]) if params.get("from") else at
    until = seconds(params["until"]) if params.get("until") else None
    then = params.get("then", "recover")
    if then not in _THEN:
        msg = f"payments that fail can end in {sorted(_THEN)}, not in {then!r}"
        raise ValueError(msg)
    failing = FailingPayments(start, until, then)
    customer.failing.append(failing)
    if until is not None:
        customer.at(until, invoices.decide, failing)


def create_customer(_customer: Customer, _at: int, _params: Params) -> None:
    """Do nothing but be a customer's first action, which is when Stripe gets to know it."""


_KINDS: dict[str, Callable[[Customer, int, Params], None]] = {
    "create_customer": create_customer,
    "subscribe": subscriptions.subscribe,
    "subscription_schedule": schedules.begin,
    "change_quantity": changes.change_quantity,
    "change_price": changes.change_price,
    "add_item": changes.add_item,
    "remove_item": changes.remove_item,
    "report_usage": changes.report_usage,
    "pause": subscriptions.pause,
    "resume": subscriptions.resume,
    "cancel_now": subscriptions.cancel_now,
    "cancel_at_period_end": subscriptions.cancel_at_period_end,
    "uncancel": subscriptions.uncancel,
    "delete_customer": subscriptions.delete_customer,
    "set_tax": subscriptions.set_tax,
    "apply_coupon": coupons.apply_coupon,
    "remove_coupon": coupons.remove_coupon,
    "payment_fails": payment_fails,
    "invoice_item": reversals.invoice_item,
    "refund": reversals.refund,
    "credit_note": reversals.credit_note,
    "dispute": reversals.dispute,
    "void": reversals.void,
    "mark_uncollectible": reversals.mark_uncollectible,
}


def schedule(customer: Customer, action: BillingAction) -> None:
    """Put an action into its customer's queue.

    Raises:
        ValueError: if there is no such kind; the message lists them.
    """
    if action.kind not in _KINDS:
        msg = f"no billing action {action.kind!r}; there are {', '.join(sorted(_KINDS))}"
        raise ValueError(msg)
    customer.at(seconds(action.at), _KINDS[action.kind], action.params, first=False)
