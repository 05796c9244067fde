"""The clock of a subscription: begin, renew, change with prorations, pause, end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from sandbox.billing import coupons, invoices, shapes
from sandbox.billing.calendar import DAY, HOUR, add_intervals, seconds
from sandbox.billing.catalogue import Price
from sandbox.billing.invoices import LineDraft, period_amount
from sandbox.billing.movements import SubscriptionMrr
from sandbox.billing.state import Customer, Item, Subscription

UPDATED = "customer.subscription.updated"
Params = Mapping[str, Any]


def snapshot(value: Any) -> orjson.Fragment:
    """A copy of something that is about to change, for `previous_attributes`."""
    return orjson.Fragment(orjson.dumps(value))


def find(customer: Customer, params: Params) -> Subscription | None:
    """The subscription that an action names; None when it is over already.

    Raises:
        ValueError: if the customer never had one of that name.
    """
    key = params.get("key", "main")
    if key not in customer.subscriptions:
        msg = f"{customer.account.account_id} has no subscription {key!r}"
        raise ValueError(msg)
    subscription = customer.subscriptions[key]
    return None if subscription.is_over else subscription


def find_item(subscription: Subscription, key: str) -> Item | None:
    """The item of a price, or None."""
    return next((item for item in subscription.items if item.price.key == key), None)


# --- beginning ---------------------------------------------------------------------------------


def subscribe(customer: Customer, at: int, params: Params) -> None:
    """Begin a subscription, with a trial or an invoice at once.

    Params: key, items [{price, quantity, coupon?}], trial_days, coupon, promotion_code,
    missing_payment_method (cancel or pause: what happens at the trial's end), collection_method,
    schedule (the id of the one that it is made by).
    """
    if customer.is_deleted:
        return
    subscription = _open(customer, at, params)
    obj = subscription.obj
    new_discounts = coupons.attach(customer, at, subscription, params)
    show_items(subscription)
    if customer.obj["currency"] is None:
        customer.change("customer.updated", customer.obj, at, currency=customer.currency)
    lines = [period_line(customer, subscription, item) for item in subscription.items]
    drafts = [line for line in lines if line]
    if customer.fails_at(at) is not None and any(draft.amount > 0 for draft in drafts):
        obj["status"] = "incomplete"
        customer.at(at + 23 * HOUR, _expire, subscription)
    invoice = invoices.create(
        customer, at, "subscription_create", drafts, subscription=subscription, period=(at, at)
    )
    customer.emit("customer.subscription.created", obj, at)
    for discount in new_discounts:
        customer.emit("customer.discount.created", discount.obj, at)
    customer.mark(subscription, at)
    customer.change(UPDATED, obj, at, **coupons.used(customer, at, subscription, invoice))
    invoices.finalise(customer, at, invoice)
    schedule_renewal(customer, subscription)


def _open(customer: Customer, at: int, params: Params) -> Subscription:
    """A new subscription with its items, in trial or in its first period."""
    key = params.get("key", "main")
    obj = shapes.subscription(
        customer.new_id("sub"),
        customer.id,
        at,
        customer.currency,
        livemode=customer.account.livemode,
        key=key,
    )
    subscription = Subscription(obj, [], SubscriptionMrr(customer.currency_code))
    customer.remember(key, subscription)
    obj["schedule"] = params.get("schedule")
    obj["collection_method"] = params.get("collection_method", "charge_automatically")
    if obj["collection_method"] == "send_invoice":
        obj["days_until_due"] = 30
    if params.get("backdate"):
        obj["start_date"] = seconds(params["backdate"])
    _set_tax(customer, subscription)
    trial_end = at + int(params["trial_days"]) * DAY if params.get("trial_days") else None
    for wanted in params["items"]:
        item = new_item(customer, subscription, at, wanted)
        if trial_end is None:
            begin_period(item, at)
        else:
            item.anchor = trial_end
            item.obj["current_period_end"] = trial_end
    if trial_end is not None:
        obj.update(
            status="trialing", trial_start=at, trial_end=trial_end, billing_cycle_anchor=trial_end
        )
        missing = params.get("missing_payment_method", "create_invoice")
        obj["trial_settings"]["end_behavior"]["missing_payment_method"] = missing
    customer.keep(obj)
    return subscription


def new_item(customer: Customer, subscription: Subscription, at: int, wanted: Params) -> Item:
    """Add an item, without a period yet."""
    price = customer.catalogue.price(wanted["price"])
    quantity = None if price.metered else int(wanted.get("quantity", 1))
    obj = shapes.subscription_item(customer.new_id("si"), subscription.obj["id"], at, quantity)
    item = Item(obj, price, anchor=at)
    set_price(customer, item, price)
    subscription.items.append(item)
    return item


def set_price(customer: Customer, item: Item, price: Price) -> None:
    """Let an item have a price."""
    item.price = price
    item.obj["price"] = customer.catalogue.price_fragment[price.key]
    item.obj["plan"] = customer.catalogue.plan_fragment[price.key]


def _set_tax(customer: Customer, subscription: Subscription) -> None:
    rates = [customer.tax_rate] if customer.tax_rate else []
    subscription.tax_rates = rates
    subscription.obj["default_tax_rates"] = [customer.catalogue.tax_fragment[r] for r in rates]


def begin_period(item: Item, at: int) -> None:
    """Begin an item's next period."""
    item.periods += 1
    step = item.price.interval_count
    item.obj["current_period_start"] = at
    item.obj["current_period_end"] = add_intervals(
        item.anchor, item.price.interval, item.periods * step
    )


def show_items(subscription: Subscription) -> None:
    """Bring the object's list of items up to date."""
    sub_id = subscription.obj["id"]
    subscription.obj["items"] = shapes.list_of(
        [item.obj for item in subscription.items],
        f"/v1/subscription_items?subscription={sub_id}",
        shown=20,
    )


def schedule_renewal(customer: Customer, subscription: Subscription) -> None:
    """Let the next period that ends be seen to."""
    if subscription.items and not subscription.is_over:
        due = min(item.end for item in subscription.items)
        customer.at(due, renew, subscription)


def period_line(customer: Customer, subscription: Subscription, item: Item) -> LineDraft | None:
    """The line that bills an item's running period in advance; None for metered items."""
    if item.price.metered:
        return None
    amount = period_amount(item.price, customer.currency, item.quantity)
    name = item.price.key.replace("_", " ")
    description = f"{item.quantity} x {name}"
    if subscription.obj["status"] == "trialing":
        amount, description = 0, f"Trial period for {name}"
    return LineDraft(
        amount,
        description,
        item.start,
        item.end,
        item.price,
        item.quantity,
        item=item,
        tax_rates=subscription.tax_rates,
    )


def _usage_line(
    customer: Customer, subscription: Subscription, item: Item, end: int
) -> LineDraft | None:
    """The line that bills what was used in the period that ends; None for licensed items."""
    if not item.price.metered:
        return None
    used, item.usage = item.usage, 0
    return LineDraft(
        period_amount(item.price, customer.currency, used),
        f"{used} x {item.price.key.replace('_', ' ')}",
        item.start,
        end,
        item.price,
        used,
        item=item,
        tax_rates=subscription.tax_rates,
    )


def _expire(customer: Customer, at: int, subscription: Subscription) -> None:
    """A first payment that didn't succeed in 23 hours."""
    if subscription.obj["status"] != "incomplete":
        return
    customer.change(UPDATED, subscription.obj, at, status="incomplete_expired", ended_at=at)
    for invoice in customer.invoices:
        if invoice.subscription is subscription:
            invoices.void(customer, at, invoice)


def add_pending(
    customer: Customer, at: int, draft: LineDraft, subscription: Subscription | None
) -> None:
    """Keep a line as an invoice item for the next invoice."""
    item = shapes.invoice_item(
        customer.new_id("ii"), customer.id, at, customer.currency, draft.amount
    )
    item.update(
        description=draft.description,
        period={"start": draft.start, "end": draft.end},
        proration=draft.proration,
        discountable=draft.discountable,
        quantity=draft.quantity,
        quantity_decimal=str(draft.quantity),
        livemode=customer.account.livemode,
        tax_rates=[customer.catalogue.tax_json[rate] for rate in draft.tax_rates],
    )
    if subscription:
        item["parent"] = {
            "subscription_details": {
                "subscription": subscription.obj["id"],
                "subscription_item": draft.item.obj["id"] if draft.item else None,
            },
            "type": "subscription_details",
        }
    if draft.price:
        full = customer.catalogue.price_json[draft.price.key]
        item["pricing"] = {
            "price_details": {"price": full["id"], "product": full["product"]},
            "type": "price_details",
            "unit_amount_decimal": full["unit_amount_decimal"],
        }
    customer.keep(item)
    customer.emit("invoiceitem.created", item, at)
    customer.pending.append((item, subscription, draft.price))


# --- renewal -----------------------------------------------------------------------------------


def renew(customer: Customer, at: int, subscription: Subscription) -> None:
    """End of a period: bill, begin the next one, or end what was to end; and the end of a trial."""
    due = [item for item in subscription.items if item.end <= at]
    obj = subscription.obj
    if not due or subscription.is_over or customer.is_deleted or obj["status"] == "paused":
        return
    if obj["cancel_at_period_end"] and at >= obj["cancel_at"]:
        _final_invoice(customer, at, subscription, due)
        end(customer, at, subscription, reason=None)
        return
    if obj["status"] == "incomplete":
        return
    previous: dict[str, Any] = {"items": snapshot(obj["items"])}
    if obj["status"] == "trialing":
        missing = obj["trial_settings"]["end_behavior"]["missing_payment_method"]
        if missing == "cancel":
            end(customer, at, subscription, reason=None)
            return
        previous["status"] = "trialing"
        if missing == "pause":
            obj["status"] = "paused"
            customer.emit("customer.subscription.paused", obj, at, {"status": "trialing"})
            return
        obj["status"] = "active"
    period = (due[0].start, due[0].end)
    drafts: list[LineDraft | None] = []
    for item in due:
        drafts.append(_usage_line(customer, subscription, item, item.end))
        begin_period(item, at)
        drafts.append(period_line(customer, subscription, item))
    lines = [*pending_lines(customer, subscription), *(draft for draft in drafts if draft)]
    previous["latest_invoice"] = obj["latest_invoice"]
    previous["discounts"] = obj["discounts"]
    coupons.drop_ended(customer, at, subscription)
    invoice = invoices.create(
        customer, at, "subscription_cycle", lines, subscription=subscription, period=period
    )
    obj.update(coupons.used(customer, at, subscription, invoice))
    previous = {k: v for k, v in previous.items() if k == "items" or v != obj[k]}
    customer.emit(UPDATED, obj, at, previous)
    if "status" in previous or "discounts" in previous:
        customer.mark(subscription, at)
    invoices.finalise_later(customer, at, invoice)
    schedule_renewal(customer, subscription)


def pending_lines(customer: Customer, subscription: Subscription | None) -> list[LineDraft]:
    """Take the invoice items that wait for this subscription's next invoice."""
    mine = [p for p in customer.pending if p[1] is subscription or p[1] is None]
    customer.pending = [p for p in customer.pending if p not in mine]
    return [
        LineDraft(
            item["amount"],
            item["description"],
            item["period"]["start"],
            item["period"]["end"],
            price,
            item["quantity"],
            invoice_item=item,
            proration=item["proration"],
            discountable=item["discountable"],
            tax_rates=[rate["id"] for rate in item["tax_rates"]],
        )
        for item, _, price in mine
    ]


def _final_invoice(
    customer: Customer, at: int, subscription: Subscription, due: Iterable[Item]
) -> None:
    """What a subscription that ends still owes: usage, and prorations that wait."""
    usage = [_usage_line(customer, subscription, i, at) for i in due if i.usage]
    lines = [*pending_lines(customer, subscription), *(draft for draft in usage if draft)]
    if lines:
        items = subscription.items
        invoice = invoices.create(
            customer,
            at,
            "subscription_cycle",
            lines,
            subscription=subscription,
            period=(items[0].start, at),
        )
        invoices.finalise_later(customer, at, invoice)


# --- ending ------------------------------------------------------------------------------------


def end(customer: Customer, at: int, subscription: Subscription, *, reason: str | None) -> None:
    """End a subscription at once.

    Args:
        customer: Whose it is.
        at: When.
        subscription: Which.
        reason: `payment_failed`, `cancellation_requested`, or None for an end that was asked for
            before.
    """
    from sandbox.billing import schedules

    obj = subscription.obj
    obj["status"] = "canceled"
    obj["ended_at"] = at
    if obj["canceled_at"] is None:
        obj["canceled_at"] = at
    if reason:
        obj["cancellation_details"] = {**obj["cancellation_details"], "reason": reason}
    customer.pending = [p for p in customer.pending if p[1] is not subscription]
    customer.emit("customer.subscription.deleted", obj, at)
    schedules.drop(customer, at, subscription)
    subscription.mrr.ended_at = at
    customer.mark(subscription, at, "involuntary" if reason == "payment_failed" else "voluntary")


def cancel_now(customer: Customer, at: int, params: Params) -> None:
    """Cancel at once; what was used is still billed, prorations that wait are dropped.

    Params: key, reason (involuntary or payment_failed: the company cancels for want of payment),
        feedback.
    """
    subscription = find(customer, params)
    if subscription is None:
        return
    customer.pending = [p for p in customer.pending if p[1] is not subscription]
    details = subscription.obj["cancellation_details"]
    subscription.obj["cancellation_details"] = {**details, "feedback": params.get("feedback")}
    if subscription.obj["status"] in {"active", "past_due"}:
        used = [item for item in subscription.items if item.usage]
        _final_invoice(customer, at, subscription, used)
    failed = params.get("reason") in {"payment_failed", "involuntary"}
    reason = "payment_failed" if failed else "cancellation_requested"
    end(customer, at, subscription, reason=reason)


def cancel_at_period_end(customer: Customer, at: int, params: Params) -> None:
    """Ask for an end with the running period."""
    subscription = find(customer, params)
    if subscription is None or subscription.obj["cancel_at_period_end"]:
        return
    details = subscription.obj["cancellation_details"]
    customer.change(
        UPDATED,
        subscription.obj,
        at,
        cancel_at_period_end=True,
        cancel_at=max(item.end for item in subscription.items),
        canceled_at=at,
        cancellation_details={
            **details,
            "feedback": params.get("feedback"),
            "reason": "cancellation_requested",
        },
    )


def uncancel(customer: Customer, at: int, params: Params) -> None:
    """Withdraw a cancellation before it takes effect."""
    subscription = find(customer, params)
    if subscription is None or not subscription.obj["cancel_at_period_end"]:
        return
    customer.change(
        UPDATED,
        subscription.obj,
        at,
        cancel_at_period_end=False,
        cancel_at=None,
        canceled_at=None,
        cancellation_details={"comment": None, "feedback": None, "reason": None},
    )


# --- pauses and tax ----------------------------------------------------------------------------


def pause(customer: Customer, at: int, params: Params) -> None:
    """Pause collection.

    Params: key, behavior (void, keep_as_draft, mark_uncollectible), resumes_at.
    """
    subscription = find(customer, params)
    if subscription is None or subscription.obj["pause_collection"]:
        return
    resumes_at = seconds(params["resumes_at"]) if params.get("resumes_at") else None
    pausing = {"behavior": params.get("behavior", "void"), "resumes_at": resumes_at}
    customer.change(UPDATED, subscription.obj, at, pause_collection=pausing)
    customer.mark(subscription, at, "pause")
    if resumes_at is not None:
        customer.at(resumes_at, _resume, subscription)


def resume(customer: Customer, at: int, params: Params) -> None:
    """End a pause. Params: key."""
    subscription = find(customer, params)
    if subscription is not None:
        _resume(customer, at, subscription)


def _resume(customer: Customer, at: int, subscription: Subscription) -> None:
    if subscription.is_over or subscription.obj["pause_collection"] is None:
        return
    customer.change(UPDATED, subscription.obj, at, pause_collection=None)
    customer.mark(subscription, at)


def set_tax(customer: Customer, at: int, params: Params) -> None:
    """Set the tax rate of all that comes. Params: rate (percent; None ends it), inclusive."""
    rate = params.get("rate")
    customer.tax_rate = (
        None
        if rate is None
        else customer.catalogue.tax_rate_id(
            Decimal(str(rate)), inclusive=bool(params.get("inclusive"))
        )
    )
    for subscription in customer.all_subscriptions:
        if subscription.is_over:
            continue
        previous = {"default_tax_rates": snapshot(subscription.obj["default_tax_rates"])}
        _set_tax(customer, subscription)
        customer.emit(UPDATED, subscription.obj, at, previous)
        customer.mark(subscription, at)


def delete_customer(customer: Customer, at: int, _params: Params) -> None:
    """Delete the Stripe customer: what runs ends now, nothing is collected any more."""
    if customer.is_deleted:
        return
    for subscription in customer.all_subscriptions:
        if not subscription.is_over:
            end(customer, at, subscription, reason="cancellation_requested")
    customer.emit("customer.deleted", customer.obj, at)
    customer.is_deleted = True
    customer.pending = []
