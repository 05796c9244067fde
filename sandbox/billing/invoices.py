"""Invoices: lines, discounts and taxes, finalising, payment and its failures, void, bad debt.

A renewal's invoice is a draft for an hour, as in Stripe; others are finalised at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sandbox.billing import shapes
from sandbox.billing.calendar import DAY, HOUR
from sandbox.billing.catalogue import Price
from sandbox.billing.mrr import amount_at
from sandbox.billing.revenue import NetLine, allocate, half_up
from sandbox.billing.shapes import Object
from sandbox.billing.state import (
    Customer,
    Discount,
    FailingPayments,
    Invoice,
    Item,
    Subscription,
    rate_in,
)

# Days after finalisation at which a payment that failed is tried again; after the last one Stripe
# gives up.
RETRY_DAYS = (3, 8, 15)


@dataclass
class LineDraft:
    """A line before discounts and taxes."""

    amount: int
    description: str
    start: int
    end: int
    price: Price | None = None
    quantity: int | None = 1
    item: Item | None = None
    invoice_item: Object | None = None
    proration: bool = False
    discountable: bool = True
    tax_rates: Sequence[str] = field(default_factory=tuple)


def period_amount(price: Price, currency: str, quantity: int) -> int:
    """What an invoice asks for a quantity, in whole minor units."""
    return half_up(Fraction(amount_at(rate_in(price, currency), quantity)))


def discounted(
    customer: Customer,
    drafts: Sequence[tuple[Item | None, Price | None, int]],
    subscription: Subscription | None,
    at: int,
    *,
    with_once: bool = True,
) -> list[dict[str, int]]:
    """What each discount takes from each line: the items' own first, then the shared ones.

    Args:
        customer: Whose invoice it is.
        drafts: (item, price, amount) of the lines that may be discounted.
        subscription: Of the invoice; None for one-off items.
        at: The invoice's instant.
        with_once: False leaves coupons for one invoice out (prorations).

    Returns:
        For each line, discount id to amount.
    """
    left = [amount for _, _, amount in drafts]
    taken: list[dict[str, int]] = [{} for _ in drafts]

    def apply(discount: Discount, who: list[int]) -> None:
        coupon = discount.coupon
        if not discount.runs(at) or (coupon.duration == "once" and not with_once):
            return
        touched = [
            i
            for i in who
            if left[i] > 0 and (not coupon.products or _product(drafts[i][1]) in coupon.products)
        ]
        if not touched:
            return
        if coupon.percent is not None:
            parts = [half_up(Fraction(left[i]) * Fraction(coupon.percent) / 100) for i in touched]
        else:
            whole = min(coupon.amount.get(customer.currency, 0), sum(left[i] for i in touched))
            parts = allocate(whole, [left[i] for i in touched], [f"{i:06d}" for i in touched])
        for i, part in zip(touched, parts, strict=True):
            if part:
                left[i] -= part
                taken[i][discount.obj["id"]] = part

    for i, (item, _, _) in enumerate(drafts):
        for discount in item.discounts if item else ():
            apply(discount, [i])
    everyone = list(range(len(drafts)))
    shared = (
        customer.applicable(subscription, at)
        if subscription
        else [discount for discount in customer.discounts if discount.runs(at)]
    )
    for discount in shared:
        apply(discount, everyone)
    return taken


def _product(price: Price | None) -> str:
    return price.product if price else ""


def create(
    customer: Customer,
    at: int,
    reason: str,
    drafts: Sequence[LineDraft],
    *,
    subscription: Subscription | None = None,
    period: tuple[int, int] | None = None,
) -> Invoice:
    """Create a draft invoice with its lines, discounts and taxes, and say so by event."""
    in_id = customer.new_id("in")
    obj = shapes.invoice(in_id, customer.obj, at, customer.currency, reason)
    discountable = [d for d in drafts if d.discountable]
    taken = iter(
        discounted(customer, [(d.item, d.price, d.amount) for d in discountable], subscription, at)
    )
    lines, nets = [], []
    for draft in drafts:
        discounts = next(taken) if draft.discountable else {}
        line, net = _line(customer, in_id, draft, discounts, subscription)
        lines.append(line)
        nets.append(net)
    invoice = Invoice(obj, lines, nets, subscription)
    _add_up(customer, invoice, period or (at, at))
    if subscription:
        obj["parent"] = {
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription.obj["metadata"],
                "subscription": subscription.obj["id"],
            },
            "type": "subscription_details",
        }
        obj["collection_method"] = subscription.obj["collection_method"]
        obj["default_tax_rates"] = subscription.obj["default_tax_rates"]
        obj["discounts"] = subscription.item_discount_ids
        subscription.obj["latest_invoice"] = in_id
    if reason == "subscription_cycle":
        _plan_finalising(at, invoice)
    customer.invoices.append(invoice)
    more: dict[str, Any] = {"payments": shapes.list_of([], f"/v1/invoices/{in_id}/payments")}
    if len(lines) > 10:
        more["lines"] = lines
    customer.keep(obj, **more)
    customer.emit("invoice.created", obj, at)
    return invoice


def _line(
    customer: Customer,
    in_id: str,
    draft: LineDraft,
    discounts: dict[str, int],
    subscription: Subscription | None,
) -> tuple[Object, NetLine]:
    """One line with its discounts and taxes, and its worth as revenue."""
    il_id = customer.new_id("il")
    if draft.invoice_item:
        draft.invoice_item["invoice"] = in_id
    line = shapes.invoice_line(il_id, in_id, customer.currency, draft.amount, draft.description)
    line["livemode"] = customer.account.livemode
    line["period"] = {"start": draft.start, "end": draft.end}
    line["quantity"] = draft.quantity
    line["quantity_decimal"] = None if draft.quantity is None else str(draft.quantity)
    line["discountable"] = draft.discountable
    line["discounts"] = list(discounts)
    line["discount_amounts"] = [{"amount": a, "discount": d} for d, a in discounts.items()]
    line["pretax_credit_amounts"] = [
        {"amount": a, "discount": d, "type": "discount"} for d, a in discounts.items()
    ]
    line["parent"] = _parent(draft, subscription)
    if draft.price:
        full = customer.catalogue.price_json[draft.price.key]
        line["pricing"] = {
            "price_details": {"price": full["id"], "product": full["product"]},
            "type": "price_details",
            "unit_amount_decimal": full["unit_amount_decimal"],
        }
    if subscription:
        line["subscription"] = subscription.obj["id"]
    base = draft.amount - sum(discounts.values())
    inclusive_taxes = 0
    for rate_id in draft.tax_rates:
        rate = customer.catalogue.tax_json[rate_id]
        percent = Fraction(Decimal(str(rate["percentage"])))
        if rate["inclusive"]:
            amount = half_up(base * percent / (100 + percent))
            inclusive_taxes += amount
            taxable = base - amount
        else:
            amount, taxable = half_up(base * percent / 100), base
        line["taxes"].append(
            shapes.tax(amount, inclusive=rate["inclusive"], rate_id=rate_id, taxable=taxable)
        )
    return line, NetLine(
        il_id, _revenue_type(draft), base - inclusive_taxes, draft.start, draft.end
    )


def _revenue_type(draft: LineDraft) -> str:
    if draft.price and draft.price.metered:
        return "usage"
    return "subscription" if draft.item or draft.proration else "one_time"


def _parent(draft: LineDraft, subscription: Subscription | None) -> Object:
    sub_id = subscription.obj["id"] if subscription else None
    ii_id = draft.invoice_item["id"] if draft.invoice_item else None
    if draft.item:
        details = {
            "invoice_item": ii_id,
            "proration": draft.proration,
            "proration_details": {"credited_items": None},
            "subscription": sub_id,
            "subscription_item": draft.item.obj["id"],
        }
        return {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        }
    details = {
        "invoice_item": ii_id,
        "proration": draft.proration,
        "proration_details": {"credited_items": None},
        "subscription": sub_id,
    }
    return {
        "invoice_item_details": details,
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }


def _add_up(customer: Customer, invoice: Invoice, period: tuple[int, int]) -> None:
    """Totals of an invoice from its lines."""
    obj = invoice.obj
    discounts: dict[str, int] = {}
    taxes: dict[str, Object] = {}
    subtotal = exclusive = inclusive = 0
    for line in invoice.lines:
        subtotal += line["amount"]
        for part in line["discount_amounts"]:
            discounts[part["discount"]] = discounts.get(part["discount"], 0) + part["amount"]
        for tax in line["taxes"]:
            rate_id = tax["tax_rate_details"]["tax_rate"]
            if rate_id in taxes:
                taxes[rate_id]["amount"] += tax["amount"]
                taxes[rate_id]["taxable_amount"] += tax["taxable_amount"]
            else:
                taxes[rate_id] = {**tax, "tax_rate_details": dict(tax["tax_rate_details"])}
            if tax["tax_behavior"] == "inclusive":
                inclusive += tax["amount"]
            else:
                exclusive += tax["amount"]
    off = sum(discounts.values())
    total = subtotal - off + exclusive
    obj.update(
        lines=shapes.list_of(invoice.lines, f"/v1/invoices/{obj['id']}/lines"),
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal - inclusive,
        total=total,
        total_excluding_tax=total - exclusive - inclusive,
        total_discount_amounts=[{"amount": a, "discount": d} for d, a in discounts.items()],
        total_pretax_credit_amounts=[
            {"amount": a, "discount": d, "type": "discount"} for d, a in discounts.items()
        ],
        total_taxes=list(taxes.values()),
        amount_due=max(total + customer.obj["balance"], 0) if total > 0 else 0,
        period_start=period[0],
        period_end=period[1],
    )
    obj["amount_remaining"] = obj["amount_due"]


def _plan_finalising(at: int, invoice: Invoice) -> None:
    """Decide what becomes of a renewal's draft: drafts of unpaid subscriptions stay drafts."""
    obj, subscription = invoice.obj, invoice.subscription
    pause = subscription.obj["pause_collection"] if subscription else None
    invoice.on_finalise = pause["behavior"] if pause else ""
    is_unpaid = subscription is not None and subscription.obj["status"] == "unpaid"
    if is_unpaid or invoice.on_finalise == "keep_as_draft":
        obj["auto_advance"] = False
    else:
        obj["automatically_finalizes_at"] = at + HOUR


def finalise_later(customer: Customer, at: int, invoice: Invoice) -> None:
    """Finalise a renewal's draft in an hour, unless it stays a draft."""
    if invoice.obj["auto_advance"]:
        customer.at(at + HOUR, finalise, invoice)


def finalise(customer: Customer, at: int, invoice: Invoice) -> None:
    """Number an invoice, use the customer's balance, count its revenue and ask for payment."""
    if invoice.status != "draft" or customer.is_deleted:
        return
    obj = invoice.obj
    number = customer.obj["next_invoice_sequence"]
    customer.obj["next_invoice_sequence"] = number + 1
    balance = customer.obj["balance"]
    total = obj["total"]
    used = max(-total, balance) if total > 0 and balance < 0 else 0
    ending = balance - used if total >= 0 else balance + total
    obj.update(
        number=f"{customer.obj['invoice_prefix']}-{number:04d}",
        status="open",
        effective_at=at,
        automatically_finalizes_at=None,
        starting_balance=balance,
        ending_balance=ending,
        amount_due=max(total + used, 0),
        amount_remaining=max(total + used, 0),
        status_transitions={**obj["status_transitions"], "finalized_at": at},
    )
    customer.emit("invoice.finalized", obj, at, {"status": "draft", "number": None})
    if ending != balance:
        customer.change("customer.updated", customer.obj, at, balance=ending)
    customer.post("line", at, invoice, [line.net for line in invoice.nets])
    if invoice.on_finalise == "void":
        void(customer, at, invoice)
    elif obj["amount_due"] == 0:
        mark_paid(customer, at, invoice)
    elif invoice.on_finalise == "mark_uncollectible":
        mark_uncollectible(customer, at, invoice)
    elif obj["collection_method"] == "charge_automatically":
        attempt(customer, at, invoice)
    else:
        obj["due_date"] = at + 30 * DAY


def attempt(customer: Customer, at: int, invoice: Invoice) -> None:
    """Try to collect what an open invoice still asks for."""
    if invoice.status != "open" or customer.is_deleted:
        return
    failing = customer.fails_at(at, invoice.attempts)
    if failing is None:
        if invoice.attempts:
            customer.recovered(at)
        collect(customer, at, invoice)
    else:
        _fail(customer, at, invoice, failing)


def collect(customer: Customer, at: int, invoice: Invoice) -> None:
    """Take a payment that succeeds."""
    obj = invoice.obj
    invoice.attempts += 1
    amount = obj["amount_remaining"]
    charge = _charge(customer, at, invoice, amount, failed=False)
    transaction = customer.settle(amount, at, kind="charge", category="charge", source=charge["id"])
    charge["balance_transaction"] = transaction["id"]
    invoice.charge = customer.keep(charge)
    payment = _payment(customer, at, invoice, amount)
    payment.update(
        amount_paid=amount,
        amount_requested=amount,
        status="paid",
        status_transitions={"canceled_at": None, "paid_at": at},
    )
    customer.emit("charge.succeeded", charge, at)
    customer.emit("invoice_payment.paid", payment, at)
    mark_paid(customer, at, invoice, amount)


def _payment(customer: Customer, at: int, invoice: Invoice, amount: int) -> Object:
    """The invoice's payment: made at the first attempt, with the intent that all attempts share."""
    if invoice.payment is None:
        obj = invoice.obj
        invoice.payment = customer.keep(
            shapes.invoice_payment(
                customer.new_id("inpay"),
                obj["id"],
                at,
                obj["currency"],
                amount,
                intent=customer.new_id("pi"),
            )
        )
        payments = shapes.list_of([invoice.payment], f"/v1/invoices/{obj['id']}/payments")
        customer.keep(obj, payments=payments)
    return invoice.payment


def _charge(customer: Customer, at: int, invoice: Invoice, amount: int, *, failed: bool) -> Object:
    last4 = f"{sum(customer.id.encode()) % 10_000:04d}"
    return shapes.charge(
        customer.new_id("ch"),
        customer.obj,
        at,
        invoice.obj["currency"],
        amount,
        intent=_payment(customer, at, invoice, amount)["payment"]["payment_intent"],
        last4=last4,
        failed=failed,
    )


def mark_paid(customer: Customer, at: int, invoice: Invoice, amount: int = 0) -> None:
    """Note that an invoice is paid; bad debt comes back, and the subscription may recover."""
    obj = invoice.obj
    was = obj["status"]
    if was == "uncollectible":
        customer.post("bad_debt_recovered", at, invoice, invoice.written_off)
    changes = {
        "status": "paid",
        "attempted": True,
        "attempt_count": invoice.attempts,
        "amount_paid": amount,
        "amount_remaining": 0,
        "auto_advance": False,
        "next_payment_attempt": None,
    }
    previous = {name: obj[name] for name in changes if obj[name] != changes[name]}
    previous["status_transitions"] = {"paid_at": None}
    obj.update(changes)
    obj["status_transitions"] = {**obj["status_transitions"], "paid_at": at}
    customer.emit("invoice.paid", obj, at, previous)
    if customer.obj["delinquent"] and not _has_open(customer, None):
        customer.change("customer.updated", customer.obj, at, delinquent=False)
    if invoice.subscription:
        _recover(customer, at, invoice.subscription)


def _recover(customer: Customer, at: int, subscription: Subscription) -> None:
    """With no invoice left open, a subscription is active again."""
    waiting = {"incomplete", "past_due", "unpaid"}
    if subscription.obj["status"] in waiting and not _has_open(customer, subscription):
        customer.change("customer.subscription.updated", subscription.obj, at, status="active")
        customer.mark(subscription, at)


def _has_open(customer: Customer, subscription: Subscription | None) -> bool:
    return any(
        invoice.status == "open" and (subscription is None or invoice.subscription is subscription)
        for invoice in customer.invoices
    )


def _fail(customer: Customer, at: int, invoice: Invoice, failing: FailingPayments) -> None:
    """A payment that fails: the subscription is past due, and Stripe tries again, or gives up."""
    obj = invoice.obj
    charge = _charge(customer, at, invoice, obj["amount_remaining"], failed=True)
    customer.keep(charge)
    customer.emit("charge.failed", charge, at)
    if invoice.first_failed is None:
        invoice.first_failed = at
    subscription = invoice.subscription
    is_first = obj["billing_reason"] == "subscription_create"
    days = RETRY_DAYS[invoice.attempts] if invoice.attempts < len(RETRY_DAYS) else None
    if is_first:
        days = None
    finalised = obj["status_transitions"]["finalized_at"]
    again = None if days is None else finalised + days * DAY
    if again is not None and (again <= at or (failing.until or again + 1) <= again):
        again = None
    invoice.attempts += 1
    previous = {
        "attempt_count": obj["attempt_count"],
        "attempted": obj["attempted"],
        "next_payment_attempt": obj["next_payment_attempt"],
    }
    obj.update(attempt_count=invoice.attempts, attempted=True, next_payment_attempt=again)
    customer.emit("invoice.payment_failed", obj, at, previous)
    if again is not None:
        customer.at(again, attempt, invoice)
    customer.change("customer.updated", customer.obj, at, delinquent=True)
    if subscription is None or subscription.is_over:
        return
    if subscription.obj["status"] == "active":
        customer.change("customer.subscription.updated", subscription.obj, at, status="past_due")
        customer.mark(subscription, at)
    if again is None and not is_first and failing.until is None:
        _give_up(customer, at, invoice, subscription, failing)


def _give_up(
    customer: Customer,
    at: int,
    invoice: Invoice,
    subscription: Subscription,
    failing: FailingPayments,
) -> None:
    """After the last try: what the company's settings say."""
    from sandbox.billing.subscriptions import end

    if failing.then == "unpaid":
        if subscription.obj["status"] == "past_due":
            customer.change("customer.subscription.updated", subscription.obj, at, status="unpaid")
            customer.mark(subscription, at, "involuntary")
        return
    if failing.then in {"cancel", "uncollectible"}:
        end(customer, at, subscription, reason="payment_failed")
    if failing.then == "uncollectible":
        mark_uncollectible(customer, at, invoice)


def decide(customer: Customer, at: int, failing: FailingPayments) -> None:
    """The end of a time of failing payments: what is open is paid, or given up."""
    for invoice in list(customer.invoices):
        if invoice.status != "open" or not invoice.attempts:
            continue
        if failing.then == "recover":
            attempt(customer, at, invoice)
        elif invoice.subscription and not invoice.subscription.is_over:
            invoice.obj["next_payment_attempt"] = None
            _give_up(customer, at, invoice, invoice.subscription, failing)


def void(customer: Customer, at: int, invoice: Invoice) -> None:
    """Void an open invoice: its revenue is taken back, and so is the balance that it used."""
    obj = invoice.obj
    if obj["status"] != "open":
        return
    previous = {"status": obj["status"], "status_transitions": {"voided_at": None}}
    obj["status"] = "void"
    obj["auto_advance"] = False
    obj["next_payment_attempt"] = None
    obj["status_transitions"] = {**obj["status_transitions"], "voided_at": at}
    customer.emit("invoice.voided", obj, at, previous)
    # what credit notes took is gone already
    credited = invoice.credited or [0] * len(invoice.nets)
    left = [line.net - part for line, part in zip(invoice.nets, credited, strict=True)]
    customer.post("void", at, invoice, left, sign=-1)
    used = obj["ending_balance"] - obj["starting_balance"]
    if used:
        balance = customer.obj["balance"] - used
        customer.change("customer.updated", customer.obj, at, balance=balance)
    if invoice.subscription:
        _recover(customer, at, invoice.subscription)


def mark_uncollectible(customer: Customer, at: int, invoice: Invoice) -> None:
    """Write an open invoice off: bad debt, of what remains of it."""
    obj = invoice.obj
    if obj["status"] != "open":
        return
    previous = {"status": "open", "status_transitions": {"marked_uncollectible_at": None}}
    obj["status"] = "uncollectible"
    obj["auto_advance"] = False
    obj["next_payment_attempt"] = None
    obj["status_transitions"] = {**obj["status_transitions"], "marked_uncollectible_at": at}
    customer.emit("invoice.marked_uncollectible", obj, at, previous)
    invoice.written_off = invoice.take(obj["amount_remaining"])
    customer.post("bad_debt", at, invoice, invoice.written_off, sign=-1)
    if invoice.subscription:
        _recover(customer, at, invoice.subscription)


def pay_late(customer: Customer, at: int, invoice: Invoice) -> None:
    """Pay an uncollectible invoice after all."""
    if invoice.status == "uncollectible":
        collect(customer, at, invoice)
