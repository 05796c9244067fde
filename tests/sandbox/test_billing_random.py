"""Random stories: whatever customers do, the truth can be found again from what is served, and nothing is negative.

The stories are nonsense on purpose (refunds before payments, coupons on items that are gone, pauses within pauses).
"""

from datetime import timedelta
from random import Random

import pytest

from sandbox.billing import simulate
from sandbox.company import Account, BillingAction
from tests.sandbox.test_billing_from_events import (  # noqa: F401 - fixtures among them
    NOW,
    START,
    names,
    objects,
    test_mrr_at_every_month_end_from_events,
    test_revenue_from_objects,
)

PRICES = (
    "developer_month_usd", "team_month_usd", "developer_year_usd", "developer_week_usd", "team_quarter_usd",
    "team_graduated_usd", "credits_pack_usd", "free_month_usd", "support_month_usd", "usage_fine_usd",
)  # fmt: skip
COUPONS = (
    "welcome20",
    "half3",
    "forever10",
    "forever1000",
    "once2000",
    "fixed6",
    "free3",
    "support25",
)


def params(kind, dice, at, price):
    """What an action of a kind may be told."""
    wild = dice.choice
    return {
        "change_quantity": lambda: {"price": price, "quantity": dice.randrange(30)},
        "change_price": lambda: {
            "from": price,
            "to": wild(PRICES[:-1]),
            "quantity": dice.randrange(9),
        },
        "add_item": lambda: {"price": wild(PRICES), "quantity": dice.randrange(1, 9)},
        "remove_item": lambda: {"price": wild(PRICES)},
        "apply_coupon": lambda: {
            "coupon": wild(COUPONS),
            **wild([{}, {"key": None}, {"price": price}]),
        },
        "remove_coupon": lambda: wild([{}, {"key": None}]),
        "pause": lambda: {
            "behavior": wild(["void", "keep_as_draft", "mark_uncollectible"]),
            "resumes_at": wild([None, at + timedelta(days=20)]),
        },
        "payment_fails": lambda: {
            "until": wild([None, at + timedelta(days=dice.randrange(1, 40))]),
            "then": wild(["recover", "recover", "unpaid", "cancel", "uncollectible"]),
        },
        "report_usage": lambda: {"price": "usage_fine_usd", "quantity": dice.randrange(9999)},
        "invoice_item": lambda: {"amount": dice.randrange(1, 9999), "when": wild(["now", "next"])},
        "refund": lambda: {
            "share": wild([".3", 1]),
            "which": wild(["last", 1]),
            "link_credit_note": wild([0, 1]),
        },
        "credit_note": lambda: {"share": wild([".3", 1]), "custom": wild([0, 1])},
        "dispute": lambda: {
            "outcome": wild(["won", "lost", "warning_closed"]),
            "closes_after_days": 30,
        },
        "mark_uncollectible": lambda: {"paid_later_days": wild([None, 20])},
        "set_tax": lambda: {"rate": wild([7, 19, None]), "inclusive": wild([False, True])},
    }.get(kind, dict)()


KINDS = (
    "change_quantity", "change_price", "add_item", "remove_item", "apply_coupon", "remove_coupon", "pause", "resume",
    "cancel_now", "cancel_at_period_end", "uncancel", "payment_fails", "report_usage", "invoice_item", "refund",
    "credit_note", "dispute", "void", "mark_uncollectible", "set_tax", "subscribe", "subscribe",
)  # fmt: skip


def story(dice, number):
    at, actions, keys, held = START + timedelta(seconds=dice.randrange(60 * 86_400)), [], [], []
    for kind in ["subscribe", *dice.choices(KINDS, k=dice.randrange(25))]:
        told = {"proration": dice.choice(["none", "create_prorations", "always_invoice"])}
        if kind == "subscribe":
            keys.append(f"subscription_{len(keys)}")
            prices = dice.sample(PRICES, dice.choice([1, 1, 2]))
            held += prices
            told |= {
                "key": keys[-1],
                "items": [{"price": p, "quantity": dice.randrange(12)} for p in prices],
            }
            told |= dice.choice([{}, {"coupon": dice.choice(COUPONS)}, {"trial_days": 14}])
        else:
            told |= {"key": dice.choice(keys)} | params(kind, dice, at, dice.choice(held))
        actions.append(BillingAction(at, kind, told))
        at += timedelta(seconds=dice.choice([0, 60, 3600, 86_400 * dice.randrange(1, 40)]))
    if number % 10 == 0:
        actions.append(BillingAction(at, "delete_customer", {}))
    name = f"acc_random_{number}"
    return Account(name, name, "a@b.example", "US", "Software", "Team", "USD", START), actions


@pytest.fixture(scope="module")
def world():
    dice = Random(11)
    return simulate([story(dice, n) for n in range(40)], start=START, now=NOW, seed=7)


def test_nothing_is_negative(world, objects):  # noqa: F811 - the fixture
    invoices = objects["invoice"].values()
    assert min(invoice["amount_remaining"] for invoice in invoices) >= 0
    assert min(invoice["amount_due"] for invoice in invoices) >= 0
    assert all(0 <= c["amount_refunded"] <= c["amount"] > 0 for c in objects["charge"].values())
    assert min(mrr for *_, mrr in world.truth_mrr) > 0
