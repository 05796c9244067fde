"""MRR arithmetic, with STRIPE.md's cases; every number is worked by hand."""

from decimal import Decimal

import pytest

from sandbox.billing.mrr import MrrItem, Rate, Reduction, Tier, amount_at, item_mrrs

AT = 1_704_067_200  # 2024-01-01


def item(unit, quantity=1, interval="month", count=1, item_id="si_1", **more):
    return MrrItem(
        item_id, more.pop("product", "p"), Rate(Decimal(unit)), quantity, interval, count, **more
    )


def percent(value, duration="forever", **more):
    return Reduction(duration, percent_off=Decimal(value), **more)


def fixed(value, duration="forever", **more):
    return Reduction(duration, amount_off=value, **more)


def total(items, reductions=(), at=AT, **more):
    return sum(item_mrrs(items, reductions, at, **more).values(), Decimal(0))


def test_case_1_item_discount_first_then_the_subscriptions():
    assert total([item(10_000, reductions=(percent(10),))], [fixed(2000)]) == Decimal(7000)


def test_case_2_an_annual_price_with_a_fixed_discount():
    items = [item(120_000, interval="year")]
    assert total(items, [fixed(12_000)]) == Decimal(9000)
    assert total(items, [fixed(12_000)], net=False) == Decimal(10_000)


def test_case_3_a_fixed_discount_spread_over_three_items():
    items = [item(1000, item_id=f"si_{n}") for n in (1, 2, 3)]
    assert list(item_mrrs(items, [fixed(1000)], AT).values()) == [
        Decimal("666.666667"),
        Decimal("666.666667"),
        Decimal("666.666666"),
    ]


def test_case_4_packs_are_rounded_up():
    pack = MrrItem("si", "p", Rate(Decimal(1000), divide_by=5, round_up=True), 12, "month")
    assert total([pack]) == Decimal(3000)
    assert amount_at(Rate(Decimal(1000), divide_by=5, round_up=False), 12) == Decimal(2000)


def test_case_5_two_intervals_half_off():
    items = [item(10_000), item(120_000, interval="year", item_id="si_2")]
    assert total(items, [percent(50)]) == Decimal(10_000)


def test_case_7_tax_inside_the_price():
    assert total([item(11_900, inclusive_tax=Decimal(19))], [percent(10)]) == Decimal(9000)


def test_a_coupon_for_one_invoice_never_counts():
    assert total([item(10_000)], [percent(20, "once"), fixed(500, "once")]) == Decimal(10_000)


def test_a_repeating_coupon_counts_until_its_end_and_not_at_it():
    half = percent(50, "repeating", end=AT + 100)
    assert total([item(10_000)], [half], at=AT + 99) == Decimal(5000)
    assert total([item(10_000)], [half], at=AT + 100) == Decimal(10_000)


@pytest.mark.parametrize(
    ("interval", "count", "unit", "mrr"),
    [
        ("week", 1, 1200, "5200"),  # 1200 x 52 / 12
        ("week", 2, 1200, "2600"),
        ("day", 1, 200, "6083.333333"),  # 200 x 365 / 12
        ("month", 3, 11_100, "3700"),
        ("year", 1, 49_000, "4083.333333"),
        ("year", 2, 98_000, "4083.333333"),
    ],
)
def test_normalisation_to_a_month(interval, count, unit, mrr):
    assert total([item(unit, interval=interval, count=count)]) == Decimal(mrr)


def test_half_of_a_millionth_is_rounded_up():
    # 0.000006 a year is 0.0000005 a month.
    assert total([item("0.000006", interval="year")]) == Decimal("0.000001")


def test_a_discount_never_goes_below_zero():
    assert total([item(1000), item(500, item_id="si_2")], [fixed(2000)]) == Decimal(0)


def test_a_coupon_for_a_product_touches_that_only():
    items = [item(4900), item(9900, item_id="si_2", product="support")]
    assert total(items, [percent(25, products=frozenset({"support"}))]) == Decimal(12_325)


def test_metered_items_count_nothing_and_take_no_discount():
    items = [item(1000), item(5, None, item_id="si_2", metered=True)]
    assert item_mrrs(items, [fixed(100)], AT) == {"si_1": Decimal(900)}


GRADUATED = Rate(
    None,
    (Tier(5, Decimal(3900), Decimal(2000)), Tier(20, Decimal(3400)), Tier(None, Decimal(2900))),
    "graduated",
)
VOLUME = Rate(None, (Tier(10, Decimal(3900)), Tier(None, Decimal(3000), Decimal(1000))), "volume")


@pytest.mark.parametrize(
    ("rate", "quantity", "amount"),
    [
        (GRADUATED, 0, 2000),
        (VOLUME, 0, 0),
        (GRADUATED, 5, 21_500),  # 5 x 3900 + 2000
        (GRADUATED, 12, 45_300),  # 21500 + 7 x 3400
        (GRADUATED, 25, 87_000),  # 21500 + 15 x 3400 + 5 x 2900
        (VOLUME, 10, 39_000),
        (VOLUME, 12, 37_000),  # 12 x 3000 + 1000
    ],
)
def test_tiers(rate, quantity, amount):
    assert amount_at(rate, quantity) == Decimal(amount)
