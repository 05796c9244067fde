"""The odd customers, each with all of its movements and what it brings in 18 months, worked by hand.

The sums follow from the prices: 18 monthly invoices of 4900 are 88200; a proration is the rest of a period in
days over its length, such as 4900 x 13.5 / 29 for the upgrade of 1 March 12:00.
"""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.billing import simulate
from sandbox.oddities import odd_customers

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2025, 7, 1, tzinfo=UTC)

# Name: its movements (minor units), and revenue: lines by revenue type, everything else by entry type.
EXPECTED = {
    "annual": (
        ("2024-01-10 12:00 new 4083.333333",),
        {"subscription": 98000},
    ),
    "quarterly": (
        ("2024-01-11 06:00 new 7400",),
        {"subscription": 133200},
    ),
    "weekly": (
        ("2024-01-12 09:36 new 5200",),
        {"subscription": 92400},
    ),
    "daily": (
        (
            "2024-01-13 14:24 new 6083.333333",
            "2024-03-12 16:48 churn -6083.333333",
        ),
        {"subscription": 12000},
    ),
    "mixed_intervals": (
        ("2024-01-14 12:00 new 9075",),
        {"subscription": 188100},
    ),
    "month_to_year": (
        (
            "2024-01-15 12:00 new 4900",
            "2024-03-06 12:00 contraction -816.666667",
        ),
        {"subscription": 106279},
    ),
    "month_edge": (
        ("2024-01-31 23:30 new 4900",),
        {"subscription": 83300},
    ),
    "first_instant": (
        ("2024-02-01 00:00 new 4900",),
        {"subscription": 83300},
    ),
    "trial_converts": (
        ("2024-02-04 12:00 new 4900",),
        {"subscription": 83300},
    ),
    "trial_lapses": (
        (),
        {},
    ),
    "trial_pauses": (
        (),
        {},
    ),
    "incomplete": (
        (),
        {"subscription": 4900, "void": -4900},
    ),
    "seats": (
        (
            "2024-01-10 12:00 new 11700",
            "2024-02-24 06:00 expansion 15600",
            "2024-03-25 18:00 contraction -7800",
        ),
        {"subscription": 347440},
    ),
    "upgrade": (
        (
            "2024-01-15 00:00 new 4900",
            "2024-03-01 12:00 expansion 3000",
        ),
        {"subscription": 137597},
    ),
    "downgrade": (
        (
            "2024-01-16 00:00 new 15800",
            "2024-03-07 06:00 contraction -10900",
        ),
        {"subscription": 106711},
    ),
    "two_subscriptions": (
        (
            "2024-01-17 12:00 new 4900",
            "2024-02-10 12:00 expansion 9900",
            "2024-04-30 12:00 contraction -9900",
        ),
        {"subscription": 117900},
    ),
    "add_on": (
        (
            "2024-01-18 12:00 new 7800",
            "2024-02-25 12:00 expansion 9900",
            "2024-04-10 12:00 contraction -9900",
        ),
        {"subscription": 155255},
    ),
    "free_plan": (
        (
            "2024-03-11 12:00 new 4900",
            "2024-05-20 12:00 churn -4900",
        ),
        {"subscription": 11310},
    ),
    "zero_quantity": (
        (
            "2024-01-20 12:00 new 7800",
            "2024-09-12 12:00 churn -7800",
            "2024-11-06 12:00 reactivation 3900",
        ),
        {"subscription": 93348},
    ),
    "coupon_once": (
        ("2024-01-09 12:00 new 4900",),
        {"subscription": 87220},
    ),
    "coupon_repeating": (
        (
            "2024-01-09 18:00 new 2450",
            "2024-04-09 18:00 expansion 2450",
        ),
        {"subscription": 80850},
    ),
    "coupon_forever": (
        ("2024-01-10 06:00 new 4410",),
        {"subscription": 79380},
    ),
    "coupon_free": (
        ("2024-04-10 18:00 new 4900",),
        {"subscription": 73500},
    ),
    "coupon_annual": (
        ("2024-01-11 12:00 new 8750",),
        {"subscription": 210000},
    ),
    "coupon_stacked": (
        ("2024-01-12 12:00 new 7000",),
        {"subscription": 126000},
    ),
    "coupon_spread": (
        ("2024-01-13 12:00 new 2000",),
        {"subscription": 36000},
    ),
    "coupon_product": (
        ("2024-01-14 06:00 new 12325",),
        {"subscription": 221850},
    ),
    "coupon_customer": (
        (
            "2024-01-14 18:00 new 3920",
            "2024-01-15 18:00 expansion 8910",
        ),
        {"subscription": 230940},
    ),
    "coupon_removed": (
        (
            "2024-01-16 12:00 new 3920",
            "2024-03-31 12:00 expansion 980",
        ),
        {"subscription": 85260},
    ),
    "paused": (
        (
            "2024-01-11 00:00 new 4900",
            "2024-11-06 12:00 churn -4900",
        ),
        {"subscription": 88200, "void": -39200},
    ),
    "pause_resumes": (
        (
            "2024-01-12 00:00 new 4900",
            "2024-03-03 12:00 churn -4900",
            "2024-04-17 12:00 reactivation 4900",
        ),
        {"subscription": 88200, "void": -9800},
    ),
    "past_due": (
        ("2024-01-13 00:00 new 4900",),
        {"subscription": 88200},
    ),
    "unpaid": (
        (
            "2024-01-14 00:00 new 15600",
            "2024-06-29 01:00 churn -15600",
        ),
        {"subscription": 93600},
    ),
    "involuntary": (
        (
            "2024-01-12 00:00 new 4900",
            "2024-02-27 01:00 churn -4900",
        ),
        {"subscription": 9800},
    ),
    "cancel_now": (
        (
            "2024-01-16 00:00 new 4900",
            "2024-04-06 12:00 churn -4900",
        ),
        {"subscription": 14700},
    ),
    "cancel_period_end": (
        (
            "2024-01-17 00:00 new 4900",
            "2024-04-17 00:00 churn -4900",
        ),
        {"subscription": 14700},
    ),
    "cancel_withdrawn": (
        ("2024-01-18 00:00 new 4900",),
        {"subscription": 88200},
    ),
    "reactivation": (
        (
            "2024-01-19 00:00 new 4900",
            "2024-03-09 12:00 churn -4900",
            "2024-04-28 12:00 reactivation 4900",
        ),
        {"subscription": 83300},
    ),
    "migration": (
        (
            "2024-01-06 00:00 new 10000",
            "2024-02-01 10:00 expansion 2000",
        ),
        {"subscription": 214000},
    ),
    "migration_overlap": (
        (
            "2024-01-07 00:00 new 4900",
            "2024-03-16 12:00 expansion 5000",
        ),
        {"subscription": 173100},
    ),
    "migration_late": (
        (
            "2024-01-08 00:00 new 4900",
            "2024-03-17 12:00 churn -4900",
            "2024-03-18 13:00 reactivation 9900",
        ),
        {"subscription": 173100},
    ),
    "eur": (
        ("2024-01-11 00:00 new 2430",),
        {"subscription": 43740},
    ),
    "jpy": (
        ("2024-01-12 00:00 new 4350",),
        {"subscription": 78300},
    ),
    "kwd": (
        ("2024-01-13 00:00 new 9300",),
        {"subscription": 167400},
    ),
    "tax_inclusive": (
        ("2024-01-14 00:00 new 9000",),
        {"subscription": 162000},
    ),
    "tax_exclusive": (
        ("2024-01-15 00:00 new 4500",),
        {"subscription": 81000},
    ),
    "graduated": (
        (
            "2024-01-16 00:00 new 17600",
            "2024-02-20 12:00 expansion 27700",
            "2024-04-10 12:00 expansion 41700",
        ),
        {"subscription": 1416300},
    ),
    "volume": (
        ("2024-01-17 00:00 new 37000",),
        {"subscription": 666000},
    ),
    "packs": (
        ("2024-01-18 00:00 new 3000",),
        {"subscription": 54000},
    ),
    "metered": (
        (
            "2024-01-19 00:00 new 4900",
            "2024-06-19 00:00 churn -4900",
        ),
        {"subscription": 24500, "usage": 31178},
    ),
    "one_off": (
        ("2024-01-20 00:00 new 4900",),
        {"subscription": 88200, "one_time": 52500},
    ),
    "many_lines": (
        (),
        {"one_time": 7800},
    ),
    "credit_note": (
        ("2024-01-09 00:00 new 9900",),
        {"subscription": 178200, "credit_note": -3300},
    ),
    "credit_note_custom": (
        ("2024-01-09 12:00 new 9900",),
        {"subscription": 178200, "credit_note": -900},
    ),
    "refund_partial": (
        ("2024-01-10 00:00 new 10000",),
        {"subscription": 180000, "refund": -5000},
    ),
    "refund_full": (
        (
            "2024-01-10 12:00 new 10000",
            "2024-02-18 12:00 churn -10000",
        ),
        {"subscription": 20000, "credit_note": -10000},
    ),
    "dispute_won": (
        ("2024-01-11 00:00 new 9900",),
        {"subscription": 178200, "dispute": -9900, "dispute_reversal": 9900},
    ),
    "dispute_lost": (
        (
            "2024-01-11 12:00 new 9900",
            "2024-02-15 12:00 churn -9900",
        ),
        {"subscription": 19800, "dispute": -9900},
    ),
    "dispute_warning": (
        ("2024-01-12 00:00 new 9900",),
        {"subscription": 178200},
    ),
    "void": (
        ("2024-01-12 12:00 new 4900",),
        {"subscription": 88200, "void": -4900},
    ),
    "uncollectible": (
        (
            "2024-01-13 12:00 new 4900",
            "2024-06-28 13:00 churn -4900",
        ),
        {"subscription": 29400, "bad_debt": -4900},
    ),
    "uncollectible_paid": (
        ("2024-01-14 12:00 new 4900",),
        {"subscription": 88200, "bad_debt": -4900, "bad_debt_recovered": 4900},
    ),
    "deleted": (
        (
            "2024-01-15 00:00 new 7800",
            "2024-04-15 12:00 churn -7800",
        ),
        {"subscription": 31200},
    ),
    "schedule": (
        (
            "2024-01-21 12:00 new 4900",
            "2024-03-21 12:00 expansion 2900",
        ),
        {"subscription": 134600},
    ),
    "schedule_ends": (
        (
            "2024-02-01 12:00 new 4410",
            "2024-11-01 12:00 churn -4410",
        ),
        {"subscription": 39690},
    ),
    "negative_balance": (
        ("2024-01-12 12:00 new 116000",),
        {"subscription": 2088000, "refund": -232000},
    ),
    "unlinked": (
        ("2024-01-16 00:00 new 4900",),
        {"subscription": 88200},
    ),
    "test_mode": (
        (),
        {},
    ),
}


@pytest.fixture(scope="module")
def world():
    return simulate(odd_customers(START, NOW), start=START, now=NOW, seed=7)


@pytest.fixture(scope="module")
def ids(world):
    """Gold's name of each odd customer."""
    found = {f"acc_odd_{name}": f"acc_odd_{name}" for name in EXPECTED}
    unlinked = next(
        id_ for kind, id_, _, livemode, deleted, obj in world.objects
        if kind == "customer" and livemode and not deleted and not obj["metadata"]
    )  # fmt: skip
    return found | {"acc_odd_unlinked": unlinked}


def test_every_odd_customer_is_expected():
    assert {account.account_id for account, _ in odd_customers(START, NOW)} == {
        f"acc_odd_{n}" for n in EXPECTED
    }


@pytest.mark.parametrize("name", EXPECTED)
def test_movements(world, ids, name):
    found = [
        f"{at:%Y-%m-%d %H:%M} {kind} {amount.normalize():f}"
        for customer, at, kind, amount, _ in world.truth_movements
        if customer == ids[f"acc_odd_{name}"]
    ]
    assert tuple(found) == EXPECTED[name][0]


@pytest.mark.parametrize("name", EXPECTED)
def test_revenue(world, ids, name):
    found = Counter()
    for entry in world.truth_entries:
        if entry.customer_id == ids[f"acc_odd_{name}"]:
            found[entry.revenue_type if entry.entry_type == "line" else entry.entry_type] += (
                entry.amount
            )
    assert dict(found) == EXPECTED[name][1]


@pytest.mark.parametrize(
    ("name", "month", "currency", "mrr"),
    [
        ("annual", "2024-06", "USD", "4083.333333"),  # 49000 / 12
        ("weekly", "2024-06", "USD", "5200"),  # 1200 x 52 / 12
        ("daily", "2024-02", "USD", "6083.333333"),  # 200 x 365 / 12
        ("mixed_intervals", "2024-06", "USD", "9075"),  # (9900 + 99000 / 12) / 2
        ("migration", "2024-01", "USD", "10000"),  # held over the month's end
        ("month_edge", "2024-01", "USD", "4900"),
        ("coupon_stacked", "2024-06", "USD", "7000"),  # 10000 - 10 % - 2000
        ("coupon_customer", "2024-06", "USD", "12830"),  # 4900 less 20 %, 9900 less 10 %
        ("past_due", "2024-03", "USD", "4900"),
        ("tax_inclusive", "2024-06", "EUR", "9000"),  # (11900 - 10 %) / 1.19
        ("jpy", "2024-06", "JPY", "4350"),  # 3 x 1500 - 150
        ("kwd", "2024-06", "KWD", "9300"),
        ("graduated", "2024-03", "USD", "45300"),  # 5 x 3900 + 2000 + 7 x 3400
    ],
)
def test_mrr_at_month_end(world, name, month, currency, mrr):
    assert (f"acc_odd_{name}", month, currency, Decimal(mrr)) in {
        (customer, m, cur, amount.normalize() if amount == amount.to_integral() else amount)
        for customer, m, cur, amount in world.truth_mrr
    }


def test_a_change_at_the_first_instant_is_the_new_months(world):
    months = [
        month for customer, month, _, _ in world.truth_mrr if customer == "acc_odd_first_instant"
    ]
    assert months[0] == "2024-02"


def test_a_draft_over_midnight_is_the_next_months_revenue(world):
    months = [
        f"{datetime.fromtimestamp(e.at, UTC):%Y-%m}"
        for e in world.truth_entries
        if e.customer_id == "acc_odd_month_edge"
    ]
    assert months[:3] == ["2024-01", "2024-03", "2024-04"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cancel_now", "voluntary"),
        ("cancel_period_end", "voluntary"),
        ("zero_quantity", "voluntary"),
        ("schedule_ends", "voluntary"),
        ("free_plan", "voluntary"),
        ("deleted", "voluntary"),
        ("paused", "pause"),
        ("pause_resumes", "pause"),
        ("unpaid", "involuntary"),
        ("involuntary", "involuntary"),
        ("uncollectible", "involuntary"),
    ],
)
def test_why_it_left(world, name, reason):
    assert [why for customer, _, why in world.truth_churned if customer == f"acc_odd_{name}"] == [
        reason
    ]


def test_no_month_loses_more_than_three(world):
    months = Counter(f"{at:%Y-%m}" for _, at, _ in world.truth_churned)
    # The one that is back the next day counts in no month's end.
    assert max((months - Counter(["2024-03"])).values()) <= 3


def test_the_test_mode_customer_is_in_no_truth(world):
    rows = [*world.truth_mrr, *world.truth_movements, *world.truth_churned]
    assert "acc_odd_test_mode" not in {row[0] for row in rows}


def test_the_readme_tells_of_each():
    readme = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text()
    assert [name for name in EXPECTED if f"`acc_odd_{name}`" not in readme] == []
