"""Refunds, credit notes, disputes; and one-off invoices, voids and write-offs by hand.

`which` names an invoice among those that fit: "last" (default), "first", a position, or {"key":
subscription key} for the last one of a subscription. Where none fits, nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sandbox.billing import invoices, shapes, subscriptions
from sandbox.billing.calendar import DAY
from sandbox.billing.invoices import LineDraft, period_amount
from sandbox.billing.revenue import half_up, split
from sandbox.billing.shapes import Object
from sandbox.billing.state import Customer, Invoice

Params = Mapping[str, Any]
_DISPUTE_FEE = 1500


def choose(customer: Customer, params: Params, fits: Callable[[Invoice], bool]) -> Invoice | None:
    """The invoice that an action means, among those that fit; None if there is none."""
    which = params.get("which", "last")
    found = [invoice for invoice in customer.invoices if fits(invoice)]
    if isinstance(which, Mapping):
        named = customer.subscriptions.get(which["key"])
        found = [invoice for invoice in found if invoice.subscription is named]
        which = which.get("which", "last")
    if isinstance(which, int):
        return found[which] if -len(found) <= which < len(found) else None
    if not found:
        return None
    return found[0] if which == "first" else found[-1]


def _share(params: Params, whole: int) -> Fraction:
    if params.get("amount") is not None:
        return Fraction(int(params["amount"]), whole) if whole else Fraction(0)
    return Fraction(str(params.get("share", 1)))


# --- one-off invoices --------------------------------------------------------------------------


def invoice_item(customer: Customer, at: int, params: Params) -> None:
    """Bill something once.

    Params: amount or amounts (one line each) or price and quantity; currency (must be the
        customer's), description,
    tax (percent on top; None: the customer's; False: none), when (`now`: an invoice of its own,
    `next`: with the next invoice).

    Raises:
        ValueError: if the currency isn't the customer's.
    """
    if customer.is_deleted:
        return
    currency = str(params.get("currency", customer.currency)).lower()
    if currency != customer.currency:
        msg = f"{customer.account.account_id} is billed in {customer.currency}, not in {currency}"
        raise ValueError(msg)
    rates = _tax_rates(customer, params.get("tax"))
    quantity = int(params.get("quantity", 1))
    price = customer.catalogue.price(params["price"]) if params.get("price") else None
    amounts = params.get("amounts") or [
        period_amount(price, currency, quantity) if price else int(params["amount"])
    ]
    for number, amount in enumerate(amounts, start=1):
        text = params.get("description", "One-off item")
        draft = LineDraft(
            int(amount),
            f"{text} {number}" if len(amounts) > 1 else text,
            at,
            at,
            price,
            quantity,
            tax_rates=rates,
        )
        subscriptions.add_pending(customer, at, draft, None)
    if params.get("when", "now") == "now":
        loose = [p for p in customer.pending if p[1] is None]
        bound = [p for p in customer.pending if p[1] is not None]
        customer.pending = loose
        lines = subscriptions.pending_lines(customer, None)
        customer.pending = bound
        invoice = invoices.create(customer, at, "manual", lines)
        invoices.finalise(customer, at, invoice)


def _tax_rates(customer: Customer, tax: Any) -> list[str]:
    if tax is False:
        return []
    if tax is None or tax is True:
        return [customer.tax_rate] if customer.tax_rate else []
    return [customer.catalogue.tax_rate_id(Decimal(str(tax)), inclusive=False)]


# --- refunds -----------------------------------------------------------------------------------


def refund(customer: Customer, at: int, params: Params) -> None:
    """Give money of a paid invoice back. Params: which, share or amount, link_credit_note."""
    invoice = choose(customer, params, _is_refundable)
    if invoice is None or invoice.charge is None:
        return
    charge = invoice.charge
    remaining = charge["amount"] - charge["amount_refunded"]
    amount = min(half_up(charge["amount"] * _share(params, charge["amount"])), remaining)
    note = None
    if params.get("link_credit_note"):
        note = _draft_note(customer, at, invoice, _share({"amount": amount}, invoice.obj["total"]))
        amount = min(note["total"], remaining)
    re_id = customer.new_id("re")
    transaction = customer.settle(
        -amount, at, kind="refund", category="refund", source=re_id, fee=0
    )
    made = shapes.refund(re_id, charge, at, amount, balance_transaction=transaction["id"])
    customer.keep(made)
    customer.emit("refund.created", made, at)
    refunded = charge["amount_refunded"] + amount
    customer.change(
        "charge.refunded",
        charge,
        at,
        amount_refunded=refunded,
        refunded=refunded == charge["amount"],
    )
    if note is None:
        customer.post("refund", at, invoice, invoice.take(amount), sign=-1)
    else:
        note["refunds"] = [
            {
                "amount_refunded": amount,
                "payment_record_refund": None,
                "refund": re_id,
                "type": "refund",
            }
        ]
        _issue(customer, at, invoice, note, post_payment=note["total"])


def _is_refundable(invoice: Invoice) -> bool:
    charge = invoice.charge
    return (
        invoice.status == "paid"
        and charge is not None
        and not charge["disputed"]
        and charge["amount_refunded"] < charge["amount"]
    )


# --- credit notes ------------------------------------------------------------------------------


def credit_note(customer: Customer, at: int, params: Params) -> None:
    """Credit (a part of) an invoice.

    An open invoice then asks for less; of a paid one the credit goes to the customer's balance, or
    is paid out of band. Params: which, share or amount (with tax), custom (one line that names
    none of the invoice's), to (balance or out_of_band), voided_after_days (of an open invoice's).
    """
    invoice = choose(
        customer, params, lambda i: i.status in {"open", "paid"} and i.obj["total"] > 0
    )
    if invoice is None or customer.is_deleted:
        return
    obj = invoice.obj
    share = _share(params, obj["total"])
    if invoice.status == "open" and share * obj["total"] > obj["amount_remaining"]:
        share = Fraction(obj["amount_remaining"], obj["total"])
    note = _draft_note(customer, at, invoice, share, custom=bool(params.get("custom")))
    total = note["total"]
    if invoice.status == "paid":
        if params.get("to", "balance") == "balance":
            note["customer_balance_transaction"] = customer.new_id("cbtxn")
            balance = customer.obj["balance"] - total
            customer.change("customer.updated", customer.obj, at, balance=balance)
        else:
            note["out_of_band_amount"] = total
        _issue(customer, at, invoice, note, post_payment=total)
        return
    note["type"] = "pre_payment"
    _issue(customer, at, invoice, note, pre_payment=total)
    days = params.get("voided_after_days")
    if obj["amount_remaining"] == 0:
        invoices.mark_paid(customer, at, invoice)
    elif days is not None:
        customer.at(at + int(days) * DAY, _void_note, invoice, note)


def _draft_note(
    customer: Customer, at: int, invoice: Invoice, share: Fraction, *, custom: bool = False
) -> Object:
    number = f"{invoice.obj['number']}-CN-{customer.new_id('cnnum')[-4:].upper()}"
    note = shapes.credit_note(customer.new_id("cn"), invoice.obj, at, number)
    if custom:
        amount = half_up(invoice.obj["total"] * share)
        lines = [shapes.credit_note_line(customer.new_id("cnli"), amount, invoice_line_id=None)]
    else:
        lines = [_note_line(customer, line, share) for line in invoice.lines if line["amount"]]
    taxes = [tax for line in lines for tax in line["taxes"]]
    exclusive = sum(t["amount"] for t in taxes if t["tax_behavior"] == "exclusive")
    subtotal = sum(line["amount"] for line in lines)
    off = sum(line["discount_amount"] for line in lines)
    total = subtotal - off + exclusive
    all_taxes = sum(t["amount"] for t in taxes)
    note.update(
        amount=total,
        discount_amount=off,
        discount_amounts=[part for line in lines for part in line["discount_amounts"]],
        lines=shapes.list_of(lines, f"/v1/credit_notes/{note['id']}/lines"),
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal - (all_taxes - exclusive),
        total=total,
        total_excluding_tax=total - all_taxes,
        total_taxes=taxes,
    )
    customer.keep(note, **({"lines": lines} if len(lines) > 10 else {}))
    return note


def _note_line(customer: Customer, line: Object, share: Fraction) -> Object:
    made = shapes.credit_note_line(
        customer.new_id("cnli"), half_up(line["amount"] * share), invoice_line_id=line["id"]
    )
    made["description"] = line["description"]
    made["quantity"] = line["quantity"]
    made["discount_amounts"] = [
        {**part, "amount": half_up(part["amount"] * share)} for part in line["discount_amounts"]
    ]
    made["discount_amount"] = sum(part["amount"] for part in made["discount_amounts"])
    made["taxes"] = [{**t, "amount": half_up(t["amount"] * share)} for t in line["taxes"]]
    return made


def _note_revenue(customer: Customer, invoice: Invoice, note: Object) -> list[int]:
    """What a credit note takes from revenue, per line of its invoice."""
    lines = customer.more.get(("credit_note", note["id"]), {}).get("lines", note["lines"]["data"])
    places = {net.line_id: place for place, net in enumerate(invoice.nets)}
    parts = [0] * len(invoice.nets)
    for line in lines:
        inclusive = sum(t["amount"] for t in line["taxes"] if t["tax_behavior"] == "inclusive")
        net = line["amount"] - line["discount_amount"] - inclusive
        named = line["invoice_line_item"]
        if named:
            parts[places[named]] += net
        else:
            parts = [a + b for a, b in zip(parts, split(net, invoice.nets), strict=True)]
    return parts


def _issue(
    customer: Customer,
    at: int,
    invoice: Invoice,
    note: Object,
    *,
    pre_payment: int = 0,
    post_payment: int = 0,
) -> None:
    note["pre_payment_amount"] = pre_payment
    note["post_payment_amount"] = post_payment
    customer.emit("credit_note.created", note, at)
    obj = invoice.obj
    customer.change(
        "invoice.updated",
        obj,
        at,
        pre_payment_credit_notes_amount=obj["pre_payment_credit_notes_amount"] + pre_payment,
        post_payment_credit_notes_amount=obj["post_payment_credit_notes_amount"] + post_payment,
        amount_due=obj["amount_due"] - pre_payment,
        amount_remaining=obj["amount_remaining"] - pre_payment,
    )
    parts = _note_revenue(customer, invoice, note)
    _credit(invoice, parts)
    customer.post("credit_note", at, invoice, parts, sign=-1)


def _void_note(customer: Customer, at: int, invoice: Invoice, note: Object) -> None:
    if invoice.status != "open" or customer.is_deleted:
        return
    customer.change("credit_note.voided", note, at, status="void", voided_at=at)
    obj, total = invoice.obj, note["total"]
    customer.change(
        "invoice.updated",
        obj,
        at,
        pre_payment_credit_notes_amount=obj["pre_payment_credit_notes_amount"] - total,
        amount_due=obj["amount_due"] + total,
        amount_remaining=obj["amount_remaining"] + total,
    )
    parts = _note_revenue(customer, invoice, note)
    _credit(invoice, parts, sign=-1)
    customer.post("credit_note_void", at, invoice, parts)


def _credit(invoice: Invoice, parts: list[int], sign: int = 1) -> None:
    credited = invoice.credited or [0] * len(parts)
    invoice.credited = [a + sign * b for a, b in zip(credited, parts, strict=True)]


# --- disputes ----------------------------------------------------------------------------------


def dispute(customer: Customer, at: int, params: Params) -> None:
    """A cardholder disputes a paid invoice's charge.

    Params: which, outcome (won, lost, warning_closed), closes_after_days, share or amount.
    """
    invoice = choose(customer, params, _is_refundable)
    if invoice is None or invoice.charge is None:
        return
    charge = invoice.charge
    amount = half_up(charge["amount"] * _share(params, charge["amount"]))
    outcome = params.get("outcome", "lost")
    is_warning = outcome == "warning_closed"
    status = "warning_needs_response" if is_warning else "needs_response"
    made = shapes.dispute(customer.new_id("du"), charge, at, amount, status)
    customer.keep(made)
    parts: list[int] = []
    if not is_warning:
        taken = customer.settle(
            -amount,
            at,
            kind="adjustment",
            category="dispute",
            source=made["id"],
            fee=_DISPUTE_FEE,
        )
        made["balance_transactions"] = [dict(taken)]
    customer.emit("charge.dispute.created", made, at)
    if not is_warning:
        charge["disputed"] = True
        customer.emit("charge.updated", charge, at, {"disputed": False})
        customer.emit("charge.dispute.funds_withdrawn", made, at)
        parts = invoice.take(amount)
        customer.post("dispute", at, invoice, parts, sign=-1)
    days = int(params.get("closes_after_days", 30))
    customer.at(at + days * DAY, _close, invoice, made, outcome, parts)


def _close(
    customer: Customer, at: int, invoice: Invoice, made: Object, outcome: str, parts: list[int]
) -> None:
    if outcome == "won":
        back = customer.settle(
            made["amount"],
            at,
            kind="adjustment",
            category="dispute_reversal",
            source=made["id"],
            fee=-_DISPUTE_FEE,
        )
        made["balance_transactions"] = [*made["balance_transactions"], dict(back)]
        customer.post("dispute_reversal", at, invoice, parts)
    customer.change("charge.dispute.closed", made, at, status=outcome)
    if outcome == "won":
        customer.emit("charge.dispute.funds_reinstated", made, at)


# --- by hand -----------------------------------------------------------------------------------


def void(customer: Customer, at: int, params: Params) -> None:
    """Void an open invoice. Params: which."""
    invoice = choose(customer, params, lambda i: i.status == "open")
    if invoice is not None:
        invoices.void(customer, at, invoice)


def mark_uncollectible(customer: Customer, at: int, params: Params) -> None:
    """Write an open invoice off. Params: which, paid_later_days."""
    invoice = choose(customer, params, lambda i: i.status == "open")
    if invoice is None:
        return
    invoices.mark_uncollectible(customer, at, invoice)
    if params.get("paid_later_days") is not None:
        days = int(params["paid_later_days"])
        customer.at(at + days * DAY, invoices.pay_late, invoice)
