"""Writes Stripe objects as four API versions do; what the objects say comes from `play.py`.

Versions: 0 = 2019-12-03 (plans, one discount with its coupon inside), 1 = 2024-06-20 (prices, `discounts` as ids, period on the
subscription), 2 = 2025-04-30.basil (period on the items, `parent`, `pricing`, `payments`), 3 = 2026-10-28.endive
(`source.coupon`, unexpanded).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Object = dict[str, Any]
VERSIONS = ("2019-12-03", "2024-06-20", "2025-04-30.basil", "2026-10-28.endive")


def _whole(amount: str | None) -> int | None:
    """`unit_amount` stands only where the decimal is whole."""
    if amount is None or Decimal(amount) != int(Decimal(amount)):
        return None
    return int(Decimal(amount))


def _tiers(tiers: list[list[Any]]) -> list[Object]:
    return [
        {
            "up_to": up_to, "unit_amount": _whole(unit), "unit_amount_decimal": unit, "flat_amount": _whole(flat),
            "flat_amount_decimal": flat,
        }
        for up_to, unit, flat in tiers
    ]  # fmt: skip


def price(spec: Object, *, expanded: bool = False) -> Object:
    """A price; tiers and currency options only where expanded."""
    tiered = "tiers" in spec
    amount = None if tiered else spec["amount"]
    thing = {
        "id": spec["id"], "object": "price", "active": True, "billing_scheme": "tiered" if tiered else "per_unit",
        "created": spec["created"], "currency": spec["currency"], "livemode": True, "product": spec["product"],
        "recurring": {
            "interval": spec["interval"], "interval_count": spec["count"], "usage_type": spec["usage"], "meter": None,
        },
        "tax_behavior": spec["tax"], "tiers_mode": spec.get("mode"), "transform_quantity": _divided(spec),
        "type": "recurring", "unit_amount": _whole(amount), "unit_amount_decimal": amount,
    }  # fmt: skip
    if expanded:
        thing["tiers"] = _tiers(spec["tiers"]) if tiered else None
        options = {spec["currency"]: spec, **spec.get("options", {})}
        thing["currency_options"] = {
            currency: {
                "tax_behavior": spec["tax"], "unit_amount": None if "tiers" in one else _whole(one["amount"]),
                "unit_amount_decimal": None if "tiers" in one else one["amount"],
            } | ({"tiers": _tiers(one["tiers"])} if "tiers" in one else {})
            for currency, one in options.items()
        }  # fmt: skip
    return thing


def _divided(spec: Object) -> Object | None:
    return (
        {"divide_by": spec["divide"][0], "round": spec["divide"][1]} if "divide" in spec else None
    )


def plan(spec: Object) -> Object:
    """The same as a plan, its old name."""
    tiered = "tiers" in spec
    amount = None if tiered else spec["amount"]
    return {
        "id": spec["id"], "object": "plan", "active": True, "amount": _whole(amount), "amount_decimal": amount,
        "billing_scheme": "tiered" if tiered else "per_unit", "created": spec["created"], "currency": spec["currency"],
        "interval": spec["interval"], "interval_count": spec["count"], "livemode": True, "product": spec["product"],
        "tiers_mode": spec.get("mode"), "transform_usage": _divided(spec), "usage_type": spec["usage"],
    }  # fmt: skip


def coupon(spec: Object, *, expanded: bool = False) -> Object:
    """A coupon; what products it is limited to only where expanded."""
    thing = {
        "id": spec["id"], "object": "coupon", "created": spec["created"], "livemode": True, "valid": True,
        "percent_off": float(spec["percent"]) if "percent" in spec else None, "amount_off": spec.get("off"),
        "currency": spec.get("currency"), "duration": spec["duration"], "duration_in_months": spec.get("months"), "metadata": {},
    }  # fmt: skip
    if expanded and spec.get("products"):
        thing["applies_to"] = {"products": spec["products"]}
    if expanded and spec.get("options"):
        thing["currency_options"] = {
            currency: {"amount_off": off}
            for currency, off in [(spec["currency"], spec["off"]), *spec["options"].items()]
        }
    return thing


def tax_rate(spec: Object) -> Object:
    """A tax rate set by hand."""
    return {
        "id": spec["id"], "object": "tax_rate", "active": True, "created": spec["created"], "livemode": True,
        "display_name": "VAT", "inclusive": spec["inclusive"], "percentage": float(spec["percent"]),
    }  # fmt: skip


def discount(one: Object, version: int, *, expanded: bool = False) -> Object:
    """A discount: its coupon inside, or since version 3 under `source`, by id where not expanded."""
    thing = {
        "id": one["id"], "object": "discount", "checkout_session": None, "customer": one["customer"], "end": one["end"],
        "invoice": None, "invoice_item": None, "promotion_code": None, "start": one["start"], "subscription": one["subscription"],
    }  # fmt: skip
    if version >= 1:
        thing["subscription_item"] = one["item"]
    if version <= 2:
        thing["coupon"] = coupon(one["coupon"])
    else:
        thing["source"] = {
            "type": "coupon",
            "coupon": coupon(one["coupon"]) if expanded else one["coupon"]["id"],
        }
    return thing


def _item(item: Object, sub: Object, version: int, expanded: bool) -> Object:
    thing: Object = {
        "id": item["id"], "object": "subscription_item", "created": item["created"], "metadata": {}, "subscription": sub["id"],
        "tax_rates": [tax_rate(rate) for rate in item["tax"]], "plan": plan(item["price"]),
    }  # fmt: skip
    if item["price"]["usage"] == "licensed":
        thing["quantity"] = item["quantity"]
    if version >= 1:
        thing["price"] = price(item["price"])
        thing["discounts"] = [
            discount(one, version) if expanded else one["id"] for one in item["discounts"]
        ]
    if version >= 2:
        thing |= {"current_period_start": sub["period"][0], "current_period_end": sub["period"][1]}
    if version >= 3:
        del thing["plan"]
    return thing


def subscription(sub: Object, version: int, *, expanded: bool = False) -> Object:
    """A subscription."""
    items = [_item(item, sub, version, expanded) for item in sub["items"]]
    thing: Object = {
        "id": sub["id"], "object": "subscription", "created": sub["created"], "start_date": sub["start"], "livemode": True,
        "customer": sub["customer"], "currency": sub["currency"], "status": sub["status"], "automatic_tax": {"enabled": sub["automatic"]},
        "cancel_at": sub["cancel_at"], "cancel_at_period_end": sub["cancel_at_period_end"], "canceled_at": sub["canceled_at"],
        "ended_at": sub["ended_at"], "default_tax_rates": [tax_rate(rate) for rate in sub["tax"]], "metadata": sub["metadata"],
        "pause_collection": sub["pause"], "trial_start": sub["trial_start"], "trial_end": sub["trial_end"],
        "items": {"object": "list", "data": items, "has_more": False, "url": f"/v1/subscription_items?subscription={sub['id']}"},
    }  # fmt: skip
    if version <= 1:
        thing |= {"current_period_start": sub["period"][0], "current_period_end": sub["period"][1]}
        listed = sub["discounts"]
        thing["discount"] = discount(listed[0], version) if len(listed) == 1 else None
    if version >= 1:
        thing["discounts"] = [
            discount(one, version, expanded=expanded) if expanded else one["id"]
            for one in sub["discounts"]
        ]
        thing["cancellation_details"] = {
            "comment": None,
            "feedback": None,
            "reason": sub["reason"],
        }
    if version == 0 and len(items) == 1:
        thing |= {"plan": items[0]["plan"], "quantity": items[0].get("quantity")}
    if version >= 3:
        thing["status_details"] = {
            "paused": {
                "type": "subscription", "transitioned_at": sub["paused_at"], "subscription": {"type": "pause_requested"},
            }
        } if sub["status"] == "paused" else None  # fmt: skip
    return thing


def customer(one: Object, version: int) -> Object:
    """A customer with its discount."""
    return {
        "id": one["id"], "object": "customer", "created": one["created"], "livemode": True, "email": f"{one['id']}@example.com",
        "discount": discount(one["discount"], version, expanded=True) if one["discount"] else None,
        "metadata": {"account_id": one["account"]}, "currency": None, "name": one["id"],
    }  # fmt: skip


def _line(line: Object, invoice: Object, version: int) -> Object:
    kind, item, whole = line["kind"], line.get("item"), line.get("price")
    thing: Object = {
        "id": line["id"], "object": "line_item", "amount": line["amount"], "currency": invoice["currency"], "livemode": True,
        "quantity": line.get("quantity", 1), "period": {"start": line["start"], "end": line["end"]},
        "discount_amounts": [{"amount": off, "discount": f"di_{line['id']}_{n}"} for n, off in enumerate(line["off"])],
    }  # fmt: skip
    if version <= 1:
        thing |= {
            "type": "subscription" if item and kind != "proration" else "invoiceitem", "proration": kind == "proration",
            "subscription": invoice["subscription"] if item else None,
            "tax_amounts": [{"amount": tax, "inclusive": inclusive, "tax_rate": line["rate"]} for tax, inclusive in line["taxes"]],
        }  # fmt: skip
        if item:
            thing["subscription_item"] = item
        if whole:
            thing["plan"] = plan(whole)
        if version == 1:
            thing["price"] = price(whole) if whole else None
            thing["amount_excluding_tax"] = net_of(line) + sum(line["off"])
        return thing
    thing["taxes"] = [
        {
            "amount": tax, "tax_behavior": "inclusive" if inclusive else "exclusive", "type": "tax_rate_details",
            "tax_rate_details": {"tax_rate": line["rate"]}, "taxable_amount": None,
        }
        for tax, inclusive in line["taxes"]
    ]  # fmt: skip
    thing["pricing"] = (
        {"type": "price_details", "price_details": {"price": whole["id"], "product": whole["product"]}, "unit_amount_decimal": None}
        if whole
        else None
    )  # fmt: skip
    about = {
        "subscription": invoice["subscription"],
        "subscription_item": item,
        "proration": kind == "proration",
    }
    if item and kind != "proration":
        details = {"invoice_item": None} | about
        thing["parent"] = {
            "type": "subscription_item_details",
            "subscription_item_details": details,
        }
    else:
        details = {"invoice_item": f"ii_{line['id']}"} | (
            about if item else {"subscription": None, "proration": False}
        )
        thing["parent"] = {"type": "invoice_item_details", "invoice_item_details": details}
    return thing


def net_of(line: Object) -> int:
    """What a line is without discounts and inclusive taxes."""
    return (
        line["amount"]
        - sum(line["off"])
        - sum(tax for tax, inclusive in line["taxes"] if inclusive)
    )


def invoice(one: Object, version: int) -> Object:
    """An invoice with all its lines."""
    taxes = [
        (tax, inclusive, line["id"]) for line in one["lines"] for tax, inclusive in line["taxes"]
    ]
    thing: Object = {
        "id": one["id"], "object": "invoice", "created": one["created"], "livemode": True, "customer": one["customer"],
        "currency": one["currency"], "status": one["status"], "total": one["total"],
        "subtotal": sum(line["amount"] for line in one["lines"]),
        "total_excluding_tax": sum(net_of(line) for line in one["lines"]), "amount_due": one["due"], "amount_paid": one["paid"],
        "amount_remaining": one["remaining"], "attempt_count": one["attempts"], "billing_reason": "manual",
        "pre_payment_credit_notes_amount": one["credited_before"], "post_payment_credit_notes_amount": one["credited_after"],
        "status_transitions": {
            "finalized_at": one["finalized_at"], "paid_at": one["paid_at"], "voided_at": one["voided_at"],
            "marked_uncollectible_at": one["uncollectible_at"],
        },
        "lines": {"object": "list", "data": [_line(line, one, version) for line in one["lines"]], "has_more": False},
    }  # fmt: skip
    if version <= 1:
        charges = [charge for charge, _ in one["payments"]]
        return thing | {
            "subscription": one["subscription"], "charge": charges[-1] if charges else None, "payment_intent": None,
            "tax": sum(tax for tax, _, _ in taxes) if taxes else None,
            "total_tax_amounts": [{"amount": tax, "inclusive": inclusive, "tax_rate": "txr"} for tax, inclusive, _ in taxes],
        }  # fmt: skip
    thing["parent"] = (
        {"type": "subscription_details", "subscription_details": {"subscription": one["subscription"], "metadata": {}}}
        if one["subscription"]
        else None
    )  # fmt: skip
    thing["total_taxes"] = [
        {"amount": tax, "tax_behavior": "inclusive" if inclusive else "exclusive", "type": "tax_rate_details"}
        for tax, inclusive, _ in taxes
    ]  # fmt: skip
    thing["payments"] = {
        "object": "list", "has_more": False,
        "data": [
            {
                "id": f"inpay_{one['id']}_{charge}", "object": "invoice_payment", "invoice": one["id"], "status": "paid",
                "amount_paid": amount, "amount_requested": amount, "currency": one["currency"],
                "payment": {"type": "payment_intent", "payment_intent": intent_of(charge)},
            }
            for charge, amount in one["payments"]
        ],
    }  # fmt: skip
    return thing


def intent_of(charge: str) -> str:
    """Id of the payment intent that made a charge."""
    return charge.replace("ch_", "pi_", 1)


def charge(one: Object, version: int) -> Object:
    """A charge; old versions name the (one) invoice that it paid."""
    thing = {
        "id": one["id"], "object": "charge", "created": one["created"], "livemode": True, "customer": one["customer"],
        "currency": one["currency"], "amount": one["amount"], "amount_captured": one["amount"], "captured": True,
        "amount_refunded": one["refunded"], "refunded": one["refunded"] == one["amount"], "disputed": one["disputed"],
        "paid": True, "status": "succeeded", "payment_intent": intent_of(one["id"]), "balance_transaction": None,
    }  # fmt: skip
    if version <= 1:
        thing["invoice"] = one["invoices"][0]
    return thing


def refund(one: Object, version: int) -> Object:
    """A refund."""
    return {
        "id": one["id"], "object": "refund", "created": one["created"], "amount": one["amount"], "charge": one["charge"],
        "currency": one["currency"], "status": one["status"], "payment_intent": intent_of(one["charge"]), "reason": None,
    }  # fmt: skip


def dispute(one: Object, version: int) -> Object:
    """A dispute."""
    return {
        "id": one["id"], "object": "dispute", "created": one["created"], "livemode": True, "amount": one["amount"],
        "charge": one["charge"], "currency": one["currency"], "status": one["status"], "payment_intent": intent_of(one["charge"]),
        "reason": "fraudulent",
    }  # fmt: skip


def credit_note(one: Object, version: int) -> Object:
    """A credit note with its lines; old versions name one refund."""
    lines = []
    for line in one["lines"]:
        thing = {
            "id": line["id"], "object": "credit_note_line_item", "amount": line["amount"], "livemode": True, "quantity": 1,
            "type": "invoice_line_item" if line["line"] else "custom_line_item", "discount_amount": sum(line["off"]),
            "discount_amounts": [{"amount": off, "discount": "di"} for off in line["off"]],
        }  # fmt: skip
        if line["line"]:
            thing["invoice_line_item"] = line["line"]
        if version <= 1:
            thing["tax_amounts"] = [
                {"amount": tax, "inclusive": inclusive, "tax_rate": "txr"}
                for tax, inclusive in line["taxes"]
            ]
        else:
            thing["taxes"] = [
                {"amount": tax, "tax_behavior": "inclusive" if inclusive else "exclusive", "type": "tax_rate_details"}
                for tax, inclusive in line["taxes"]
            ]  # fmt: skip
        lines.append(thing)
    thing = {
        "id": one["id"], "object": "credit_note", "created": one["created"], "livemode": True, "customer": one["customer"],
        "currency": one["currency"], "invoice": one["invoice"], "status": one["status"], "voided_at": one["voided_at"],
        "amount": one["total"], "total": one["total"], "subtotal": sum(line["amount"] for line in one["lines"]),
        "type": "pre_payment" if not one["after"] else ("post_payment" if not one["before"] else "mixed"),
        "lines": {"object": "list", "data": lines, "has_more": False},
    }  # fmt: skip
    if version <= 1:
        thing["type"] = "post_payment" if one["after"] else "pre_payment"
        thing["refund"] = one["refunds"][0][0] if one["refunds"] else None
        return thing
    return thing | {
        "pre_payment_amount": one["before"], "post_payment_amount": one["after"],
        "refunds": [{"amount_refunded": amount, "refund": refund_id, "type": "refund"} for refund_id, amount in one["refunds"]],
    }  # fmt: skip
