"""Subscriptions and invoices that are older than the first sync: lists alone know them, or payloads of old API versions.

Worked by hand; what every number must be stands in `test_first_sight.py`. USD; the warehouse's now is 1 June 2024.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tests.dbt.billing_cases import MONTH, SEAT, TAX_RATE, YEAR, charge, paid_by, subscribed
from tests.dbt.billing_cases import invoice as finalised
from tests.dbt.billing_company import customer, event, price, seconds

Object = dict[str, Any]

MONTHS = [f"2024-{month:02}-01" for month in range(1, 7)]
# the account's tax settings say whether a tax is inside
OPEN = price("price_open", 11_900)
INCLUSIVE = price("price_inclusive", 11_900) | {"tax_behavior": "inclusive"}


def tiered(
    price_id: str, mode: str, *tiers: tuple[int | None, int, int], with_tiers: bool = True
) -> Object:
    """A price of tiers (up to, each, flat); a subscription shows it without them."""
    shown = price(price_id, 0) | {
        "unit_amount": None, "unit_amount_decimal": None, "billing_scheme": "tiered", "tiers_mode": mode,
    }  # fmt: skip
    listed = [
        {"up_to": up_to, "unit_amount": each, "unit_amount_decimal": str(each), "flat_amount": flat}
        for up_to, each, flat in tiers
    ]
    return shown | {"tiers": listed} if with_tiers else shown


GRADUATED = ("price_graduated", "graduated", (10, 1_000, 0), (None, 500, 0))
FLAT = ("price_flat", "graduated", (10, 0, 2_000), (None, 150, 0))
VOLUME = ("price_volume", "volume", (10, 200, 1_000), (None, 150, 1_000))


def line(
    name: str, whole: Object, amount: int, quantity: int, start: str, end: str, *, sub: str, proration: bool = False, tax: int = 0
) -> Object:  # fmt: skip
    """A line of a subscription's item, in today's shape."""
    taxes = [
        {
            "amount": tax,
            "tax_behavior": "inclusive",
            "tax_rate_details": {"tax_rate": TAX_RATE["id"]},
        }
    ]
    details = {
        "subscription": f"sub_{sub}",
        "subscription_item": f"si_sub_{sub}",
        "proration": proration,
    }
    return {
        "id": f"il_{name}", "object": "line_item", "amount": amount, "currency": "usd", "quantity": quantity,
        "discount_amounts": [], "taxes": taxes if tax else [], "pricing": {"price_details": {"price": whole["id"]}},
        "parent": {"type": "subscription_item_details", "subscription_item_details": details},
        "period": {"start": seconds(start), "end": seconds(end)},
    }  # fmt: skip


def bill(sub: str, at: str, lines: list[Object], **more: Any) -> Object:
    """A paid invoice of a subscription."""
    more["moments"] = {"paid_at": seconds(at)} | more.get("moments", {})
    total = sum(one["amount"] for one in lines)
    name = f"{sub}_{at}"
    return finalised(
        name,
        at,
        lines,
        total,
        sub=f"sub_{sub}",
        **{"customer": f"cus_{sub}", "amount_due": total} | more,
    )


def monthly(
    sub: str, whole: Object, *parts: tuple[int, int], months: int = 5, tax: int = 0
) -> list[Object]:
    """Invoices of the first months of 2024, of a line for each (amount, quantity)."""
    return [
        bill(sub, start, [
            line(f"{sub}_{start}_{place}", whole, amount, quantity, start, end, sub=sub, tax=tax)
            for place, (amount, quantity) in enumerate(parts)
        ])
        for start, end in pairwise(MONTHS[: months + 1])
    ]  # fmt: skip


def subscriptions() -> list[Object]:
    """What the list of 31 May says."""
    paused = {"type": "subscription", "transitioned_at": seconds("2024-05-01")}
    return [
        *(subscribed(name, tiered(*of, with_tiers=False), "2024-01-01", quantity=12)
          for name, of in (("graduated", GRADUATED), ("flat", FLAT), ("volume", VOLUME))),
        subscribed("year", YEAR, "2023-03-15"),
        subscribed("month", MONTH, "2023-03-15"),
        subscribed("seats", SEAT, "2023-06-01"),
        subscribed("paused", MONTH, "2024-01-01", status="paused", status_details={"paused": paused}),
        subscribed("trial", MONTH, "2024-01-01", trial_start=seconds("2024-03-01"), trial_end=seconds("2024-03-15")),
        subscribed("open", OPEN, "2024-01-01", automatic_tax={"enabled": True}),
        subscribed("shown", INCLUSIVE, "2024-01-01", default_tax_rates=[TAX_RATE | {"id": "txr_unlisted"}]),
        # its price has no option in its currency
        subscribed("euro", MONTH, "2024-03-01") | {"currency": "eur"},
    ]  # fmt: skip


def invoices() -> list[Object]:
    """Those of the subscriptions, from 2024 on, and some that were given up."""
    trial = [
        ("2024-03-01", "2024-03-15", 0),
        ("2024-03-15", "2024-04-15", 10_000),
        ("2024-04-15", "2024-05-15", 10_000),
    ]
    given_up = {"marked_uncollectible_at": seconds("2024-02-10"), "paid_at": seconds("2024-03-10")}
    part_paid = paid_by("first", 6_000)
    part_paid["data"] += paid_by("rest", 4_000)["data"]
    one = line("one", MONTH, 10_000, 1, "2024-01-10", "2024-02-10", sub="money")
    return [
        *monthly("graduated", tiered(*GRADUATED), (10_000, 10), (1_000, 2)),
        *monthly("flat", tiered(*FLAT), (0, 10), (2_000, 0), (300, 2), (0, 0)),
        *monthly("volume", tiered(*VOLUME), (1_800, 12), (1_000, 0)),
        bill("year", "2024-03-15", [line("year", YEAR, 120_000, 1, "2024-03-15", "2025-03-15", sub="year")]),
        bill("month", "2024-01-15", [line("month", MONTH, 10_000, 1, "2024-01-15", "2024-02-15", sub="month")]),
        # the first that is known of three seats is a credit for them
        bill("seats", "2024-01-16", [
            line("seats_c", SEAT, -1_500, 3, "2024-01-16", "2024-02-01", sub="seats", proration=True),
            line("seats_d", SEAT, 500, 1, "2024-01-16", "2024-02-01", sub="seats", proration=True),
        ]),
        *monthly("paused", MONTH, (10_000, 1), months=4),
        *monthly("trial", MONTH, (10_000, 1), months=2),
        *(bill("trial", start, [line(f"trial_{start}", MONTH, amount, 1, start, end, sub="trial")])
          for start, end, amount in trial),
        *monthly("open", OPEN, (11_900, 1), tax=1_900),
        finalised("part_paid", "2024-01-10", [one | {"id": "il_part_paid"}], 10_000, customer="cus_money", amount_due=10_000,
                  payments=part_paid, moments=given_up),
        finalised("credited", "2024-01-10", [one | {"id": "il_credited"}], 10_000, customer="cus_money", amount_due=7_000,
                  payments=paid_by("late", 7_000), moments=given_up),
        *(finalised(name, "2024-01-10", [one | {"id": f"il_{name}"}], 10_000, customer="cus_money", payments=paid_by(name, 10_000))
          for name in ("appealed", "returned")),
        # a line of 2015: it names its subscription, and no item
        finalised("old", "2024-01-10", [{
            "id": "il_old", "object": "line_item", "type": "subscription", "amount": 10_000, "currency": "usd", "quantity": 1,
            "plan": {"id": MONTH["id"], "usage_type": "licensed"}, "proration": False, "taxes": [],
            "period": {"start": seconds("2024-01-10"), "end": seconds("2024-02-10")},
        }], 10_000, customer="cus_money"),
    ]  # fmt: skip


def company() -> dict[str, list[Object]]:
    """Everything Stripe says, stream by stream."""
    listed = subscriptions()
    dispute = {
        "object": "dispute",
        "livemode": True,
        "currency": "usd",
        "amount": 10_000,
        "created": seconds("2024-02-01"),
    }
    appealed = dispute | {"id": "dp_appealed", "charge": "ch_appealed", "status": "won"}
    return {
        "prices": [MONTH, SEAT, YEAR, OPEN, INCLUSIVE, *(tiered(*of) for of in (GRADUATED, FLAT, VOLUME))],
        "tax_rates": [TAX_RATE],
        "customers": [
            *(customer(one["customer"], one["customer"].replace("cus", "acc")) for one in listed),
            customer("cus_money", "acc_money"),
        ],
        "subscriptions": listed,
        "invoices": invoices(),
        "charges": [
            charge("first", 6_000, of="cus_money"), charge("rest", 4_000, of="cus_money", at="2024-03-10"),
            charge("late", 7_000, of="cus_money", at="2024-03-10"), charge("appealed", 10_000, of="cus_money"),
            charge("returned", 10_000, of="cus_money"),
        ],
        "refunds": [{
            "id": "re_returned", "object": "refund", "created": seconds("2024-02-03"), "charge": "ch_returned", "currency": "usd",
            "amount": 10_000, "status": "succeeded",
        }],
        "credit_notes": [{
            "id": "cn_credited", "object": "credit_note", "created": seconds("2024-02-01"), "livemode": True, "customer": "cus_money",
            "invoice": "in_credited", "currency": "usd", "status": "issued", "total": 3_000, "refunds": [],
            "pre_payment_amount": 3_000, "post_payment_amount": 0,
            "lines": {"data": [{"id": "cnli_credited", "type": "invoice_line_item", "invoice_line_item": "il_credited",
                                "amount": 3_000, "discount_amounts": [], "taxes": []}], "has_more": False},
        }],
        # one was lost and won on appeal; the other's payment was refunded before anybody decided
        "disputes": [appealed, dispute | {"id": "dp_returned", "charge": "ch_returned", "status": "charge_refunded"}],
        "events": [
            event("evt_lost", "charge.dispute.closed", "2024-04-01", appealed | {"status": "lost"}),
            event("evt_won", "charge.dispute.closed", "2024-05-01", appealed),
        ],
    }  # fmt: skip
