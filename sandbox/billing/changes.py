"""Changes of a subscription's items: quantity, price, coming and going, with prorations.

A proration credits the unused time and bills the rest of the period, net of the discounts that
run: with the next
invoice (`create_prorations`, the default), at once (`always_invoice`), or not at all (`none`).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from sandbox.billing import invoices
from sandbox.billing.catalogue import Price
from sandbox.billing.invoices import LineDraft, discounted, period_amount
from sandbox.billing.revenue import half_up
from sandbox.billing.state import Customer, Item, Subscription
from sandbox.billing.subscriptions import (
    UPDATED,
    add_pending,
    begin_period,
    find,
    find_item,
    new_item,
    period_line,
    schedule_renewal,
    set_price,
    show_items,
    snapshot,
)

Params = Mapping[str, Any]


def change_quantity(customer: Customer, at: int, params: Params) -> None:
    """Change an item's quantity. Params: key, price, quantity, proration."""
    _change(customer, at, params, params["price"], None, int(params["quantity"]))


def change_price(customer: Customer, at: int, params: Params) -> None:
    """Move an item to another price. Params: key, from, to, quantity, proration."""
    quantity = params.get("quantity")
    _change(
        customer,
        at,
        params,
        params["from"],
        params["to"],
        None if quantity is None else int(quantity),
    )


def _change(
    customer: Customer,
    at: int,
    params: Params,
    price_key: str,
    to: str | None,
    quantity: int | None,
) -> None:
    subscription = find(customer, params)
    item = find_item(subscription, price_key) if subscription else None
    if subscription is None or item is None:
        return
    before = snapshot(subscription.obj["items"])
    old_price, old_quantity = item.price, item.quantity
    old_net = _net_of(customer, subscription, item, at)
    new_price = customer.catalogue.price(to) if to else old_price
    new_rhythm = (new_price.interval, new_price.interval_count) != (
        old_price.interval,
        old_price.interval_count,
    )
    set_price(customer, item, new_price)
    if not new_price.metered and quantity is not None:
        item.obj["quantity"] = quantity
    is_trial = subscription.obj["status"] == "trialing"
    drafts = (
        []
        if is_trial
        else [
            _proration(
                subscription,
                item,
                at,
                -old_net,
                old_price,
                old_quantity,
                "Unused time on",
            )
        ]
    )
    if new_rhythm and not is_trial:
        # Another interval begins a new period at once, and is billed at once.
        item.anchor, item.periods = at, 0
        begin_period(item, at)
        subscription.obj["billing_cycle_anchor"] = at
        full = period_line(customer, subscription, item)
        _charge_change(
            customer, at, subscription, params, drafts, before, now=[full] if full else []
        )
        schedule_renewal(customer, subscription)
        return
    if not is_trial:
        new_net = _net_of(customer, subscription, item, at)
        drafts.append(
            _proration(
                subscription,
                item,
                at,
                new_net,
                new_price,
                item.quantity,
                "Remaining time on",
            )
        )
    _charge_change(customer, at, subscription, params, drafts, before)


def add_item(customer: Customer, at: int, params: Params) -> None:
    """Add an item to a running subscription. Params: key, price, quantity, proration."""
    subscription = find(customer, params)
    if subscription is None:
        return
    before = snapshot(subscription.obj["items"])
    item = new_item(customer, subscription, at, params)
    rhythm = (item.price.interval, item.price.interval_count)
    twin = next(
        (
            other
            for other in subscription.items[:-1]
            if (other.price.interval, other.price.interval_count) == rhythm
        ),
        None,
    )
    if subscription.obj["status"] == "trialing":
        item.anchor = subscription.obj["trial_end"]
        item.obj["current_period_end"] = subscription.obj["trial_end"]
        _charge_change(customer, at, subscription, params, [], before)
        return
    if twin is None:
        begin_period(item, at)
        full = period_line(customer, subscription, item)
        _charge_change(customer, at, subscription, params, [], before, now=[full] if full else [])
    else:
        item.anchor, item.periods = twin.anchor, twin.periods
        item.obj["current_period_start"], item.obj["current_period_end"] = twin.start, twin.end
        net = _net_of(customer, subscription, item, at)
        draft = _proration(
            subscription, item, at, net, item.price, item.quantity, "Remaining time on"
        )
        _charge_change(customer, at, subscription, params, [draft], before)
    schedule_renewal(customer, subscription)


def remove_item(customer: Customer, at: int, params: Params) -> None:
    """Take an item out of a subscription that has others. Params: key, price, proration."""
    subscription = find(customer, params)
    item = find_item(subscription, params["price"]) if subscription else None
    if subscription is None or item is None or len(subscription.items) == 1:
        return
    before = snapshot(subscription.obj["items"])
    net = _net_of(customer, subscription, item, at)
    draft = _proration(subscription, item, at, -net, item.price, item.quantity, "Unused time on")
    subscription.items.remove(item)
    _charge_change(customer, at, subscription, params, [draft], before)


def _net_of(customer: Customer, subscription: Subscription, item: Item, at: int) -> int:
    """What an item's full period costs after the discounts that run, as prorations count it."""
    licensed = [i for i in subscription.items if not i.price.metered]
    amounts = [period_amount(i.price, customer.currency, i.quantity) for i in licensed]
    taken = discounted(
        customer,
        [(i, i.price, amount) for i, amount in zip(licensed, amounts, strict=True)],
        subscription,
        at,
        with_once=False,
    )
    for other, amount, parts in zip(licensed, amounts, taken, strict=True):
        if other is item:
            return amount - sum(parts.values())
    return 0


def _proration(
    subscription: Subscription,
    item: Item,
    at: int,
    net: int,
    price: Price,
    quantity: int,
    what: str,
) -> LineDraft:
    """A line for the rest of the running period; discounts are in it already."""
    share = Fraction(item.end - at, item.end - item.start)
    return LineDraft(
        half_up(net * share),
        f"{what} {quantity} x {price.key.replace('_', ' ')}",
        at,
        item.end,
        price,
        quantity,
        item=item,
        proration=True,
        discountable=False,
        tax_rates=subscription.tax_rates,
    )


def _charge_change(
    customer: Customer,
    at: int,
    subscription: Subscription,
    params: Params,
    drafts: list[LineDraft],
    items_before: Any,
    *,
    now: list[LineDraft] | None = None,
) -> None:
    """Emit a change of items, and bill it: with the next invoice, at once, or not at all."""
    show_items(subscription)
    mode = params.get("proration") or "create_prorations"
    mode = {True: "create_prorations", False: "none"}.get(mode, mode)
    if mode == "none":
        drafts = []
    drafts = [draft for draft in drafts if draft.amount]
    previous: dict[str, Any] = {"items": items_before}
    at_once = now is not None or (mode == "always_invoice" and bool(drafts))
    latest = subscription.obj["latest_invoice"]
    invoice = None
    if at_once:
        lines = [*drafts, *(now or [])]
        if lines:
            invoice = invoices.create(
                customer,
                at,
                "subscription_update",
                lines,
                subscription=subscription,
                period=(at, at),
            )
            previous["latest_invoice"] = latest
    else:
        for draft in drafts:
            add_pending(customer, at, draft, subscription)
    customer.emit(UPDATED, subscription.obj, at, previous)
    customer.mark(subscription, at)
    if invoice:
        invoices.finalise(customer, at, invoice)


def report_usage(customer: Customer, _at: int, params: Params) -> None:
    """Count usage for the invoice at the period's end. Params: key, price, quantity."""
    subscription = find(customer, params)
    item = find_item(subscription, params["price"]) if subscription else None
    if item is not None:
        item.usage += int(params["quantity"])
