"""Stripe histories in the shapes people meet, worked by hand; what every number must be stands in `test_billing_cases.py`.

Prices are USD 100.00 a month unless said otherwise. The warehouse's now is 1 June 2024, it reports in EUR on New York's clock.
"""

from __future__ import annotations

import copy
from datetime import date, timedelta
from typing import Any

from tests.dbt.billing_company import customer, event, price, seconds, subscription, with_quantity

Object = dict[str, Any]

YEAR = price("price_year", 120_000, interval="year")
MONTH = price("price_100", 10_000)
SEAT = price("price_10", 1_000)
TAXED = price("price_taxed", 11_900) | {"tax_behavior": "inclusive"}
YEN = price("price_yen", 1_500, currency="jpy")
DINAR = price("price_dinar", 3_000, currency="kwd")
PRICES = [YEAR, MONTH, SEAT, TAXED, YEN, DINAR]
TAX_RATE = {
    "id": "txr_19", "object": "tax_rate", "created": seconds("2023-12-01"), "livemode": True, "percentage": 19.0, "inclusive": True,
    "active": True, "display_name": "VAT",
}  # fmt: skip


def coupon(coupon_id: str, percent: float, **more: Any) -> Object:
    """A coupon that takes a percentage."""
    return {
        "id": coupon_id, "object": "coupon", "created": seconds("2023-12-01"), "livemode": True, "percent_off": percent,
        "amount_off": None, "currency": None, "duration": "forever", "duration_in_months": None,
    } | more  # fmt: skip


COUPONS = [
    coupon("half", 50.0),
    coupon("tenth", 10.0),
    coupon("fifth3", 20.0, duration="repeating", duration_in_months=3),
]


def subscribed(name: str, whole: Object, at: str, *, quantity: int = 1, **more: Any) -> Object:
    """An active subscription of one item to any price."""
    thing = subscription(f"sub_{name}", f"cus_{name}", "price_100", quantity, at, **more)
    thing["items"]["data"][0]["price"] = whole
    return thing | {"currency": whole["currency"]}


def discount(name: str, coupon_id: str, start: str, end: str | None = None) -> Object:
    """A discount on the subscription of that name."""
    return {
        "id": f"di_{name}", "object": "discount", "customer": f"cus_{name}", "subscription": f"sub_{name}",
        "source": {"type": "coupon", "coupon": coupon_id}, "start": seconds(start), "end": seconds(end) if end else None,
    }  # fmt: skip


def invoice(
    name: str, at: str, lines: list[Object], total: int, *, sub: str | None = None, **more: Any
) -> Object:
    """A finalised invoice; `more` says what became of it."""
    moments = {
        "finalized_at": seconds(at), "paid_at": None, "voided_at": None, "marked_uncollectible_at": None,
    } | more.pop("moments", {})  # fmt: skip
    return {
        "id": f"in_{name}", "object": "invoice", "created": seconds(at), "livemode": True, "customer": f"cus_{name}", "currency": "usd",
        "status": "paid", "parent": {"subscription_details": {"subscription": sub}} if sub else None, "total": total, "total_excluding_tax": total - sum(tax["amount"] for one in lines for tax in one["taxes"]),
        "amount_remaining": 0, "status_transitions": moments, "lines": {"object": "list", "data": lines, "has_more": False},
        "payments": {"object": "list", "data": [], "has_more": False},
    } | more  # fmt: skip


def line(name: str, amount: int, *, tax: int = 0, inclusive: bool = False, off: int = 0) -> Object:
    """A one-off line."""
    behaviour = "inclusive" if inclusive else "exclusive"
    return {
        "id": f"il_{name}", "object": "line_item", "amount": amount, "currency": "usd", "quantity": 1,
        "discount_amounts": [{"amount": off, "discount": "di"}] if off else [],
        "taxes": [{"amount": tax, "tax_behavior": behaviour, "tax_rate_details": {"tax_rate": "txr_19"}}] if tax else [],
        "pricing": None, "parent": {"type": "invoice_item_details", "invoice_item_details": {"invoice_item": f"ii_{name}"}},
        "period": {"start": seconds("2024-01-10"), "end": seconds("2024-01-10")},
    }  # fmt: skip


def charge(name: str, amount: int, *, of: str | None, at: str = "2024-01-10") -> Object:
    """A payment; `of` is its customer."""
    return {
        "id": f"ch_{name}", "object": "charge", "created": seconds(at), "livemode": True, "customer": of, "currency": "usd",
        "amount": amount, "status": "succeeded", "paid": True, "payment_intent": f"pi_{name}",
    }  # fmt: skip


def paid_by(name: str, amount: int) -> Object:
    """An invoice's payments, in today's shape."""
    payment = {
        "status": "paid", "amount_paid": amount, "payment": {"type": "payment_intent", "payment_intent": f"pi_{name}"},
    }  # fmt: skip
    return {"object": "list", "data": [payment], "has_more": False}


def plan_only() -> Object:
    """A subscription of 2018: its item has a `plan` and no price, nothing names its currency, and no list knows the plan any more."""
    thing = subscription("sub_plan", "cus_plan", "price_100", 2, "2024-01-05")
    thing["items"]["data"][0] |= {
        "plan": {
            "id": "plan_gone", "object": "plan", "amount": 5_000, "currency": "usd", "interval": "month", "interval_count": 3,
            "usage_type": "licensed", "product": "prod_old",
        },
    }  # fmt: skip
    del thing["items"]["data"][0]["price"]
    del thing["currency"]
    return thing


def company() -> dict[str, list[Object]]:
    """Everything Stripe says, stream by stream."""
    withdrawn = subscribed("withdrawn", MONTH, "2024-01-01")
    asked = withdrawn | {
        "cancel_at_period_end": True, "canceled_at": seconds("2024-01-10"), "cancel_at": seconds("2024-02-01"),
    }  # fmt: skip
    two = subscribed("two", MONTH, "2024-01-01", discounts=[discount("two", "half", "2024-01-01")])
    two["items"]["data"].append(
        copy.deepcopy(two["items"]["data"][0]) | {"id": "si_two_b", "price": YEAR}
    )
    zero = subscribed("zero", SEAT, "2024-01-01")
    annual = subscribed(
        "annual",
        YEAR,
        "2024-01-01",
        discounts=[discount("annual", "fifth3", "2024-01-01", "2024-04-01")],
    )
    paused_first = subscribed("paused", MONTH, "2024-01-01")
    paused = paused_first | {"pause_collection": {"behavior": "void", "resumes_at": None}}
    paused_gone = paused | {
        "status": "canceled", "ended_at": seconds("2024-03-01"), "canceled_at": seconds("2024-03-01"),
    }  # fmt: skip
    taxed = subscribed(
        "taxed",
        TAXED,
        "2024-01-10",
        default_tax_rates=[TAX_RATE],
        discounts=[discount("taxed", "tenth", "2024-01-10")],
    )
    # 02:00 UTC on 1 February is still January in New York
    edge = subscribed("edge", MONTH, "2024-02-01T02:00:00")
    yen, dinar = subscribed("yen", YEN, "2024-01-01"), subscribed("dinar", DINAR, "2024-01-01")
    lost = subscribed("lost", MONTH, "2024-01-01")
    begun = [withdrawn, two, zero, annual, paused_first, taxed, edge, yen, dinar, plan_only(), lost]
    names = (
        "withdrawn",
        "two",
        "zero",
        "annual",
        "paused",
        "taxed",
        "edge",
        "yen",
        "dinar",
        "plan",
        "money",
    )
    owed = invoice(
        "owed", "2024-01-10", [line("owed", 10_000)], 10_000, customer="cus_money", amount_remaining=1_000,
        status="open", payments=paid_by("owed", 6_000),
    )  # fmt: skip
    hopeless = invoice(
        "hopeless", "2024-01-10", [line("hopeless", 10_000)], 10_000, customer="cus_money", status="uncollectible",
        amount_remaining=10_000, moments={"marked_uncollectible_at": seconds("2024-02-10")},
    )  # fmt: skip
    return {
        "prices": PRICES,
        "coupons": COUPONS,
        "tax_rates": [TAX_RATE],
        "customers": [customer(f"cus_{name}", f"acc_{name}") for name in names],
        "subscriptions": [
            withdrawn, two, with_quantity(zero, 2), annual, paused_gone, taxed, edge, yen, dinar, plan_only(), lost,
        ],
        "invoices": [
            # 11900 - 1190 = 10710, of which 1710 is tax
            invoice(
                "taxed", "2024-01-10", [line("taxed", 11_900, tax=1_710, inclusive=True, off=1_190)], 10_710, sub="sub_taxed",
            ),
            invoice("lost", "2024-01-10", [line("lost", 700)], 700),
            owed,
            hopeless | {"status": "paid", "amount_remaining": 0} | {
                "status_transitions": hopeless["status_transitions"] | {"paid_at": seconds("2024-03-10")}
            },
            invoice("disputed", "2024-01-10", [line("disputed", 10_000, tax=1_900)], 11_900, customer="cus_money",
                    payments=paid_by("disputed", 11_900)),
        ],
        "charges": [
            charge("owed", 6_000, of="cus_money"), charge("disputed", 11_900, of="cus_money"), charge("guest", 900, of=None),
        ],
        "refunds": [
            {
                "id": "re_guest", "object": "refund", "created": seconds("2024-01-12"), "charge": "ch_guest", "currency": "usd",
                "amount": 300, "status": "succeeded",
            }
        ],
        "credit_notes": [
            {
                "id": "cn_owed", "object": "credit_note", "created": seconds("2024-01-20"), "livemode": True, "customer": "cus_money",
                "invoice": "in_owed", "currency": "usd", "status": "issued", "total": 5_000, "refunds": [],
                "pre_payment_amount": 4_000, "post_payment_amount": 1_000,
                "lines": {"data": [{"id": "cnli", "type": "invoice_line_item", "invoice_line_item": "il_owed", "amount": 5_000,
                                    "discount_amounts": [], "taxes": []}], "has_more": False},
            }
        ],
        "disputes": [
            {
                "id": "dp_won", "object": "dispute", "created": seconds("2024-02-05"), "livemode": True, "charge": "ch_disputed",
                "currency": "usd", "amount": 11_900, "status": "won",
            }
        ],
        "events": [
            *(event(f"evt_{one['id']}", "customer.subscription.created", "1970-01-01", one) | {"created": one["created"]}
              for one in begun),
            event("evt_w1", "customer.subscription.updated", "2024-01-10", asked,
                  {"cancel_at_period_end": False, "canceled_at": None, "cancel_at": None}),
            event("evt_w2", "customer.subscription.updated", "2024-01-20", withdrawn,
                  {"cancel_at_period_end": True, "canceled_at": asked["canceled_at"], "cancel_at": asked["cancel_at"]}),
            event("evt_z1", "customer.subscription.updated", "2024-02-01", with_quantity(zero, 0), {"items": zero["items"]}),
            event("evt_z2", "customer.subscription.updated", "2024-03-01", with_quantity(zero, 2),
                  {"items": with_quantity(zero, 0)["items"]}),
            event("evt_p1", "customer.subscription.updated", "2024-02-01", paused, {"pause_collection": None}),
            event("evt_p2", "customer.subscription.deleted", "2024-03-01", paused_gone),
            event("evt_u1", "invoice.marked_uncollectible", "2024-02-10", hopeless),
            event("evt_d1", "charge.dispute.closed", "2024-03-05",
                  {"id": "dp_won", "object": "dispute", "livemode": True, "charge": "ch_disputed", "status": "won"}),
        ],
    }  # fmt: skip


def rates() -> list[Object]:
    """€1 = $1.25, $1 = ¥150, 1 KWD = $3.25, every day."""
    quotes = (("EUR", "USD", "1.25"), ("USD", "JPY", "150"), ("KWD", "USD", "3.25"))
    days = [date(2023, 12, 31) + timedelta(days=n) for n in range(153)]
    return [
        {"date": day.isoformat(), "base": base, "quote": quote, "rate": rate, "source": "hand"}
        for day in days
        for base, quote, rate in quotes
    ]
