"""Discounts: attaching coupons to items, subscriptions and customers, and their ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.billing import shapes
from sandbox.billing.calendar import add_months
from sandbox.billing.state import Customer, Discount, Invoice, Item, Subscription

_UPDATED = "customer.subscription.updated"
Params = Mapping[str, Any]


def _new(
    customer: Customer,
    at: int,
    key: str,
    subscription: Subscription | None,
    item: Item | None = None,
    *,
    promotion: bool = False,
) -> Discount:
    coupon = customer.catalogue.coupon(key)
    end = add_months(at, coupon.months or 0) if coupon.duration == "repeating" else None
    obj = shapes.discount(
        customer.new_id("di"),
        key,
        customer.id,
        at,
        end,
        subscription=subscription.obj["id"] if subscription else None,
        item=item.obj["id"] if item else None,
        promotion_code=customer.catalogue.promotion_ids.get(key) if promotion else None,
    )
    customer.keep(obj)
    if end is not None:
        customer.at(end, _end, subscription)
    return Discount(obj, coupon)


def _end(customer: Customer, at: int, subscription: Subscription | None) -> None:
    """A repeating discount's end: MRR rises, and Stripe says nothing of it."""
    if subscription is None:
        for other in customer.all_subscriptions:
            if not other.is_over:
                customer.mark(other, at)
        customer.discounts = [d for d in customer.discounts if d.runs(at)]
        if not customer.discounts and not customer.is_deleted:
            customer.obj["discount"] = None
    elif not subscription.is_over:
        customer.mark(subscription, at)


def attach(
    customer: Customer, at: int, subscription: Subscription, params: Params
) -> list[Discount]:
    """Give a new subscription its coupons.

    Params: coupon (one or a list), promotion_code, items[].coupon.
    """
    found = []
    wanted = params.get("coupon") or []
    for key in [wanted] if isinstance(wanted, str) else wanted:
        discount = _new(
            customer, at, key, subscription, promotion=bool(params.get("promotion_code"))
        )
        subscription.discounts.append(discount)
        found.append(discount)
    subscription.obj["discounts"] = subscription.item_discount_ids
    for item, wish in zip(subscription.items, params["items"], strict=True):
        if wish.get("coupon"):
            discount = _new(customer, at, wish["coupon"], subscription, item)
            item.discounts.append(discount)
            item.obj["discounts"] = [d.obj["id"] for d in item.discounts]
            found.append(discount)
    return found


def apply_coupon(customer: Customer, at: int, params: Params) -> None:
    """Give a coupon to a subscription, one of its items (`price`), or the customer (no key)."""
    from sandbox.billing.subscriptions import find, find_item, snapshot

    if params.get("key") is None:
        if customer.is_deleted:
            return
        discount = _new(customer, at, params["coupon"], None)
        customer.discounts = [discount]
        customer.emit("customer.discount.created", discount.obj, at)
        customer.change("customer.updated", customer.obj, at, discount=discount.obj)
        customer.mark_all(at)
        return
    subscription = find(customer, params)
    if subscription is None:
        return
    if params.get("price"):
        item = find_item(subscription, params["price"])
        if item is None:
            return
        before = snapshot(subscription.obj["items"])
        discount = _new(customer, at, params["coupon"], subscription, item)
        item.discounts.append(discount)
        item.obj["discounts"] = [d.obj["id"] for d in item.discounts]
        customer.emit("customer.discount.created", discount.obj, at)
        customer.emit(_UPDATED, subscription.obj, at, {"items": before})
    else:
        discount = _new(customer, at, params["coupon"], subscription)
        subscription.discounts.append(discount)
        customer.emit("customer.discount.created", discount.obj, at)
        customer.change(_UPDATED, subscription.obj, at, discounts=subscription.item_discount_ids)
    customer.mark(subscription, at)


def remove_coupon(customer: Customer, at: int, params: Params) -> None:
    """Take a coupon back, or all of them. Params: key (none: the customer's), coupon."""
    from sandbox.billing.subscriptions import find

    wanted = params.get("coupon")
    subscription = find(customer, params) if params.get("key") is not None else None
    if params.get("key") is not None and subscription is None:
        return
    held = subscription.discounts if subscription else customer.discounts
    gone = [d for d in held if wanted is None or d.coupon.key == wanted]
    if not gone or customer.is_deleted:
        return
    kept = [d for d in held if d not in gone]
    for discount in gone:
        customer.emit("customer.discount.deleted", discount.obj, at)
    if subscription:
        subscription.discounts = kept
        customer.change(_UPDATED, subscription.obj, at, discounts=subscription.item_discount_ids)
        customer.mark(subscription, at)
    else:
        customer.discounts = kept
        customer.change("customer.updated", customer.obj, at, discount=None)
        customer.mark_all(at)


def drop_ended(customer: Customer, at: int, subscription: Subscription) -> None:
    """Before an invoice, forget discounts that have ended; no event says so."""
    subscription.discounts = [d for d in subscription.discounts if d.runs(at)]
    subscription.obj["discounts"] = subscription.item_discount_ids
    for item in subscription.items:
        item.discounts = [d for d in item.discounts if d.runs(at)]
        item.obj["discounts"] = [d.obj["id"] for d in item.discounts]
    del customer


def used(
    customer: Customer, at: int, subscription: Subscription, invoice: Invoice
) -> dict[str, list[str]]:
    """Forget coupons for one invoice that this one has used; returns what `discounts` are left."""
    taken = {part["discount"] for part in invoice.obj["total_discount_amounts"]}
    gone = [
        discount
        for discount in subscription.discounts
        if discount.coupon.duration == "once" and discount.obj["id"] in taken
    ]
    for discount in gone:
        customer.emit("customer.discount.deleted", discount.obj, at)
    subscription.discounts = [d for d in subscription.discounts if d not in gone]
    once = [
        discount
        for discount in customer.discounts
        if discount.coupon.duration == "once" and discount.obj["id"] in taken
    ]
    for discount in once:
        customer.emit("customer.discount.deleted", discount.obj, at)
        customer.discounts.remove(discount)
        customer.change("customer.updated", customer.obj, at, discount=None)
    return {"discounts": subscription.item_discount_ids}
