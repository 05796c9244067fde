"""Six customers of a small company, written by hand as Stripe would send them, and what every number must be.

All prices are USD 100.00 a month unless said otherwise; the warehouse's now is 1 June 2024.

- `acc_old`: an account on an old API version (plan, discount with its coupon inside, `tax_amounts`, `charge`), 10 % off for
  good: MRR 9000 from 5 January. Invoice of 10000 - 1000 + 1710 tax; 5355 of its 10710 are refunded without a credit note: -4500.
- `acc_free_months`: today's shapes, 100 % off for three months from 1 January: `new` 10000 on 1 April, by the discount's own end.
- `acc_listed`: no event is left of it: the list says 3 seats of 1000, the invoice of January says 1, that of February 3.
- `acc_busy`: created, raised to 2 and to 3 seats of 1000 within one second; past due on 1 March, unpaid on 15 March, paid on 1 April.
- `acc_gone`: deleted in Stripe on 20 March, with its subscription.
- `cus_stray`: a Stripe customer that names no account: a year for 120000, in euro at 1.10.
- `acc_test`: a test-mode customer; it is nowhere.
"""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime, timedelta
from typing import Any

Object = dict[str, Any]
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def seconds(text: str) -> int:
    """Unix seconds of an ISO instant in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def price(price_id: str, amount: int, *, currency: str = "usd", interval: str = "month") -> Object:
    """A licensed price per unit."""
    return {
        "id": price_id,
        "object": "price",
        "created": seconds("2023-12-01"),
        "livemode": True,
        "active": True,
        "currency": currency,
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
        "billing_scheme": "per_unit",
        "product": "prod_seat",
        "recurring": {"interval": interval, "interval_count": 1, "usage_type": "licensed"},
        "type": "recurring",
        "tax_behavior": "unspecified",
    }


PRICES = [
    price("price_100", 10_000),
    price("price_10", 1_000),
    price("price_year_eur", 120_000, currency="eur", interval="year"),
]
COUPONS = [
    {
        "id": "free3",
        "object": "coupon",
        "created": seconds("2023-12-01"),
        "livemode": True,
        "percent_off": 100.0,
        "duration": "repeating",
        "duration_in_months": 3,
    }
]


def customer(customer_id: str, account: str | None, *, livemode: bool = True) -> Object:
    """A customer."""
    return {
        "id": customer_id,
        "object": "customer",
        "created": seconds("2024-01-01"),
        "livemode": livemode,
        "email": f"{customer_id}@example.com",
        "discount": None,
        "metadata": {"account_id": account} if account else {},
    }


def subscription(
    sub_id: str, customer_id: str, price_id: str, quantity: int, at: str, **more: Any
) -> Object:
    """An active subscription of one item, in today's shape."""
    whole = next(one for one in PRICES if one["id"] == price_id)
    item = {
        "id": f"si_{sub_id}",
        "object": "subscription_item",
        "created": seconds(at),
        "price": whole,
        "quantity": quantity,
        "discounts": [],
        "tax_rates": [],
    }
    return {
        "id": sub_id,
        "object": "subscription",
        "created": seconds(at),
        "start_date": seconds(at),
        "livemode": True,
        "customer": customer_id,
        "currency": whole["currency"],
        "status": "active",
        "items": {"object": "list", "data": [item], "has_more": False},
        "discounts": [],
        "default_tax_rates": [],
        "automatic_tax": {"enabled": False},
        "cancel_at_period_end": False,
        "cancellation_details": {"reason": None},
    } | more


def event(
    event_id: str, kind: str, at: str, thing: Object, previous: Object | None = None, **more: Any
) -> Object:
    """An event with a snapshot of an object."""
    data: Object = {"object": copy.deepcopy(thing)}
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": event_id,
        "object": "event",
        "type": kind,
        "created": seconds(at),
        "livemode": thing.get("livemode", True),
        "data": data,
    } | more


def with_quantity(thing: Object, quantity: int) -> Object:
    """The same subscription with another number of seats."""
    changed = copy.deepcopy(thing)
    changed["items"]["data"][0]["quantity"] = quantity
    return changed


def invoice(
    invoice_id: str, customer_id: str, sub_id: str, at: str, until: str, amount: int, quantity: int
) -> Object:
    """A paid invoice of one line in today's shape, without tax."""
    item = f"si_{sub_id}"
    line = {
        "id": f"il_{invoice_id}",
        "object": "line_item",
        "amount": amount,
        "currency": "usd",
        "quantity": quantity,
        "discount_amounts": [],
        "taxes": [],
        "pricing": {"price_details": {"price": "price_10", "product": "prod_seat"}},
        "parent": {
            "type": "subscription_item_details",
            "subscription_item_details": {
                "subscription": sub_id,
                "subscription_item": item,
                "proration": False,
            },
        },
        "period": {"start": seconds(at), "end": seconds(until)},
    }
    return {
        "id": invoice_id,
        "object": "invoice",
        "created": seconds(at),
        "livemode": True,
        "customer": customer_id,
        "currency": "usd",
        "status": "paid",
        "parent": {"subscription_details": {"subscription": sub_id}},
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": [],
        "amount_remaining": 0,
        "status_transitions": {"finalized_at": seconds(at), "paid_at": seconds(at)},
        "lines": {"object": "list", "data": [line], "has_more": False},
        "payments": {"object": "list", "data": [], "has_more": False},
    }


def old_subscription() -> Object:
    """As API version 2019-12-03 wrote it: `plan` on the item, one `discount` with its coupon, periods above."""
    plan = {
        "id": "plan_old",
        "object": "plan",
        "amount": 10_000,
        "currency": "usd",
        "interval": "month",
        "interval_count": 1,
        "usage_type": "licensed",
        "product": "prod_old",
    }
    return {
        "id": "sub_old",
        "object": "subscription",
        "created": seconds("2024-01-05"),
        "start_date": seconds("2024-01-05"),
        "livemode": True,
        "customer": "cus_old",
        "currency": "usd",
        "status": "active",
        "plan": plan,
        "quantity": 1,
        "current_period_start": seconds("2024-01-05"),
        "current_period_end": seconds("2024-02-05"),
        "items": {
            "object": "list",
            "data": [
                {
                    "id": "si_old",
                    "object": "subscription_item",
                    "created": seconds("2024-01-05"),
                    "plan": plan,
                    "price": plan
                    | {
                        "object": "price",
                        "type": "recurring",
                        "unit_amount": 10_000,
                        "recurring": {
                            "interval": "month",
                            "interval_count": 1,
                            "usage_type": "licensed",
                        },
                    },
                    "quantity": 1,
                }
            ],
            "has_more": False,
        },
        "discount": {
            "id": "di_old",
            "object": "discount",
            "coupon": {
                "id": "ten",
                "object": "coupon",
                "percent_off": 10.0,
                "duration": "forever",
                "created": seconds("2023-01-01"),
            },
            "customer": "cus_old",
            "subscription": "sub_old",
            "start": seconds("2024-01-05"),
            "end": None,
        },
        "cancel_at_period_end": False,
    }


def old_invoice() -> Object:
    """As older API versions wrote it."""
    return {
        "id": "in_old",
        "object": "invoice",
        "created": seconds("2024-01-05"),
        "livemode": True,
        "customer": "cus_old",
        "subscription": "sub_old",
        "charge": "ch_old",
        "currency": "usd",
        "status": "paid",
        "total": 10_710,
        "tax": 1_710,
        "amount_remaining": 0,
        "status_transitions": {
            "finalized_at": seconds("2024-01-05"),
            "paid_at": seconds("2024-01-05"),
        },
        "lines": {
            "object": "list",
            "has_more": False,
            "data": [
                {
                    "id": "il_old",
                    "object": "line_item",
                    "type": "subscription",
                    "amount": 10_000,
                    "currency": "usd",
                    "discount_amounts": [{"amount": 1_000, "discount": "di_old"}],
                    "tax_amounts": [{"amount": 1_710, "inclusive": False, "tax_rate": "txr"}],
                    "plan": {"id": "plan_old", "usage_type": "licensed"},
                    "subscription": "sub_old",
                    "subscription_item": "si_old",
                    "proration": False,
                    "quantity": 1,
                    "period": {"start": seconds("2024-01-05"), "end": seconds("2024-02-05")},
                }
            ],
        },
    }


def company() -> dict[str, list[Object]]:
    """All records by stream."""
    free = subscription("sub_free", "cus_free", "price_100", 1, "2024-01-01", discounts=["di_free"])
    listed = subscription("sub_listed", "cus_listed", "price_10", 3, "2024-01-01")
    busy = subscription("sub_busy", "cus_busy", "price_10", 1, "2024-02-01")
    busy_2, busy_3 = with_quantity(busy, 2), with_quantity(busy, 3)
    late = busy_3 | {"status": "past_due"}
    unpaid = busy_3 | {"status": "unpaid"}
    gone = subscription("sub_gone", "cus_gone", "price_100", 1, "2024-02-10")
    gone_after = gone | {
        "status": "canceled",
        "ended_at": seconds("2024-03-20"),
        "canceled_at": seconds("2024-03-20"),
        "cancellation_details": {"reason": "cancellation_requested"},
    }
    stray = subscription("sub_stray", "cus_stray", "price_year_eur", 1, "2024-02-15")
    tested = subscription("sub_test", "cus_test", "price_100", 1, "2024-01-01", livemode=False)
    items_of = {"items": busy["items"]}
    charge = {
        "id": "ch_old",
        "object": "charge",
        "created": seconds("2024-01-05"),
        "livemode": True,
        "customer": "cus_old",
        "invoice": "in_old",
        "currency": "usd",
        "amount": 10_710,
        "status": "succeeded",
        "paid": True,
    }
    discount = {
        "id": "di_free",
        "object": "discount",
        "customer": "cus_free",
        "subscription": "sub_free",
        "source": {"type": "coupon", "coupon": "free3"},
        "start": seconds("2024-01-01"),
        "end": seconds("2024-04-01"),
    }
    return {
        "prices": PRICES,
        "coupons": COUPONS,
        "customers": [
            customer("cus_old", "acc_old"),
            customer("cus_free", "acc_free_months"),
            customer("cus_listed", "acc_listed"),
            customer("cus_busy", "acc_busy"),
            {"id": "cus_gone", "object": "customer", "deleted": True},
            customer("cus_stray", None),
            customer("cus_test", "acc_test", livemode=False),
        ],
        "subscriptions": [old_subscription(), free, listed, busy_3, gone_after, stray, tested],
        "invoices": [
            old_invoice(),
            invoice("in_1", "cus_listed", "sub_listed", "2024-01-01", "2024-02-01", 1_000, 1),
            invoice("in_2", "cus_listed", "sub_listed", "2024-02-01", "2024-03-01", 3_000, 3),
        ],
        "charges": [charge],
        "refunds": [
            {
                "id": "re_old",
                "object": "refund",
                "created": seconds("2024-02-01"),
                "charge": "ch_old",
                "currency": "usd",
                "amount": 5_355,
                "status": "succeeded",
            }
        ],
        "events": [
            event("evt_1", "customer.subscription.created", "2024-01-05", old_subscription()),
            event("evt_2", "customer.subscription.created", "2024-01-01", free),
            event("evt_3", "customer.discount.created", "2024-01-01", discount),
            event("evt_4", "customer.subscription.created", "2024-02-01", busy),
            event("evt_6", "customer.subscription.updated", "2024-02-01", busy_2, items_of),
            event(
                "evt_5",
                "customer.subscription.updated",
                "2024-02-01",
                busy_3,
                {"items": busy_2["items"]},
            ),
            event(
                "evt_7",
                "customer.subscription.updated",
                "2024-03-01",
                late,
                {"status": "active"},
            ),
            event(
                "evt_8",
                "customer.subscription.updated",
                "2024-03-15",
                unpaid,
                {"status": "past_due"},
            ),
            event(
                "evt_9",
                "customer.subscription.updated",
                "2024-04-01",
                busy_3,
                {"status": "unpaid"},
            ),
            event("evt_10", "customer.created", "2024-01-01", customer("cus_gone", "acc_gone")),
            event("evt_11", "customer.subscription.created", "2024-02-10", gone),
            event("evt_12", "customer.subscription.deleted", "2024-03-20", gone_after),
            event("evt_13", "customer.deleted", "2024-03-20", customer("cus_gone", "acc_gone")),
            event("evt_14", "customer.subscription.created", "2024-02-15", stray),
            event("evt_15", "customer.subscription.created", "2024-01-01", tested),
        ],
    }


def rates() -> list[Object]:
    """€1 = $1.10 until April, $1.20 in May."""
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(152)]
    return [
        {
            "date": day.isoformat(),
            "base": "EUR",
            "quote": "USD",
            "rate": "1.20" if day >= date(2024, 5, 1) else "1.10",
            "source": "hand",
        }
        for day in days
    ]
