"""Customer-months, retention and cohorts of four customers, worked by hand.

Euros are worth 110 cents up to the end of January and 120 from February on; the company begins on 1 January 2024.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from sandbox.billing.movements import CustomerMrr, SubscriptionMrr, customer_mrr
from sandbox.billing.retention import cohorts, customer_months, months, retention


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def rates(currency: str, instant: int) -> Decimal:
    if currency == "USD":
        return Decimal(1)
    return Decimal("1.1") if instant < at("2024-02-01") else Decimal("1.2")


def customer(*steps: tuple[str, int], currency: str = "USD") -> CustomerMrr:
    return customer_mrr(
        [SubscriptionMrr(currency, [(at(day), Decimal(amount)) for day, amount in steps])]
    )


CUSTOMERS = {
    # left and came back at less within February
    "back": customer(("2024-01-10", 10000), ("2024-02-10", 0), ("2024-02-20", 8000)),
    # grew by ten euros
    "euro": customer(("2024-01-10", 9000), ("2024-02-10", 10000), currency="EUR"),
    # left in March
    "gone": customer(("2024-01-20", 500), ("2024-03-05", 0)),
    # came and left within February; back in April
    "brief": customer(("2024-02-10", 700), ("2024-02-20", 0), ("2024-04-02", 900)),
}
CALENDAR = months(at("2024-01-01"), at("2024-04-16"))


def test_the_running_month_ends_now():
    assert [(month.name, month.end) for month in CALENDAR[-2:]] == [
        ("2024-03", at("2024-04-01")),
        ("2024-04", at("2024-04-16")),
    ]
    # at midnight of the first nothing of the new month has passed
    assert [month.name for month in months(at("2024-01-01"), at("2024-02-01"))] == ["2024-01"]


def test_a_customer_month_is_named_by_its_ends():
    found = {
        (name, month, currency): (category, int(opening), int(closing))
        for name, month, currency, category, opening, closing in customer_months(
            CUSTOMERS, CALENDAR, rates
        )
    }
    assert found["back", "2024-01", "USD"] == ("new", 0, 10000)
    assert found["back", "2024-02", "USD"] == ("contraction", 10000, 8000)
    assert found["back", "2024-03", "USD"] == ("retained", 8000, 8000)
    assert found["euro", "2024-02", "EUR"] == ("expansion", 9000, 10000)
    assert found["gone", "2024-03", "USD"] == ("churn", 500, 0)
    assert ("gone", "2024-04", "USD") not in found
    assert found["brief", "2024-02", "USD"] == ("none", 0, 0)
    assert ("brief", "2024-03", "USD") not in found
    assert found["brief", "2024-04", "USD"] == ("reactivation", 0, 900)


def test_retention_is_of_those_who_paid_at_the_start():
    found = {row[:2]: tuple(map(int, row[2:])) for row in retention(CUSTOMERS, CALENDAR, rates)}
    # February: 10000, €90 at 1.20 and 500 become 8000, €100 at 1.20 and 500
    assert found["2024-02", 1] == (3, 0, 21300, 20500, 8000 + 10800 + 500)
    # March: 8000, 12000, 500, of which the last leaves
    assert found["2024-03", 1] == (3, 1, 20500, 20000, 20000)
    # over three months: January's three, of whom one is gone
    assert found["2024-04", 3] == (3, 1, 21300, 20000, 18800)
    assert ("2024-01", 1) not in found


def test_a_cohort_is_counted_to_the_end_and_comes_to_nothing_visibly():
    found = {row[:2]: (row[2], int(row[3])) for row in cohorts(CUSTOMERS, CALENDAR, rates)}
    assert found["2024-01", "2024-01"] == (3, 10000 + 9900 + 500)
    assert found["2024-01", "2024-04"] == (2, 20000)
    # nobody of February's is left at its end, nor in March; then one comes back
    assert found["2024-02", "2024-02"] == (0, 0)
    assert found["2024-02", "2024-03"] == (0, 0)
    assert found["2024-02", "2024-04"] == (1, 900)
