"""What becomes of customers from month end to month end (METRICS.md §1): customer-months, retention, cohorts.

What it says is truth: it counts over the simulation's own MRR, and no SQL is involved. Months are UTC; amounts
in the reporting currency are minor units at the rates of a month's last day, rounded half-up to six places per
customer and currency.

Run: `retention(mrr, months(start, now), rates)`; worked examples are in tests/sandbox/test_billing_retention.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sandbox.billing.calendar import add_months, month_name, month_start
from sandbox.billing.movements import ZERO, CustomerMrr, Rates, Totals

INTERVALS = (1, 3, 6, 12)
_MICRO = Decimal("0.000001")
CustomerMonth = tuple[str, str, str, str, Decimal, Decimal]
Retention = tuple[str, int, int, int, Decimal, Decimal, Decimal]
Cell = tuple[str, str, int, Decimal]


@dataclass(frozen=True)
class Month:
    """A calendar month, or what has passed of the running one.

    Attributes:
        name: `YYYY-MM`.
        start: Its first instant, Unix seconds.
        end: The first instant after it, or now.
    """

    name: str
    start: int
    end: int


def months(start: int, now: int) -> list[Month]:
    """The months from that of `start` to that of the last instant before `now`."""
    found = []
    at = month_start(start)
    while at < now:
        after = add_months(at, 1)
        found.append(Month(month_name(at), at, min(after, now)))
        at = after
    return found


def customer_months(
    customers: Mapping[str, CustomerMrr], calendar: Sequence[Month], rates: Rates
) -> Iterator[CustomerMonth]:
    """(customer, month, currency, category, opening, closing) where there is MRR or a movement.

    The category is one per customer and month, by its ends alone; `none` where both are 0.
    """
    for customer, mrr in customers.items():
        for month in calendar:
            opening, closing = mrr.before(month.start), mrr.before(month.end)
            moved = {m.currency for m in mrr.movements if month.start <= m.at < month.end}
            category = _category(mrr, month, opening, closing, rates)
            for currency in sorted({*opening, *closing, *moved}):
                yield (
                    customer, month.name, currency, category,
                    opening.get(currency, ZERO), closing.get(currency, ZERO),
                )  # fmt: skip


def _category(
    mrr: CustomerMrr, month: Month, opening: Totals, closing: Totals, rates: Rates
) -> str:
    if not opening and not closing:
        return "none"
    if not opening:
        return "new" if mrr.movements[0].at >= month.start else "reactivation"
    if not closing:
        return "churn"
    changes = {c: closing.get(c, ZERO) - opening.get(c, ZERO) for c in {*opening, *closing}}
    change = value(changes, month, rates)
    if change == 0:
        return "retained"
    return "expansion" if change > 0 else "contraction"


def retention(
    customers: Mapping[str, CustomerMrr], calendar: Sequence[Month], rates: Rates
) -> Iterator[Retention]:
    """(month, interval, start customers, churned customers, start, end, kept) where somebody paid at the start."""
    for i, month in enumerate(calendar):
        for length in INTERVALS:
            if i < length:
                continue
            before = calendar[i - length]
            count = churned = 0
            start = end = kept = ZERO
            for mrr in customers.values():
                paid = value(mrr.before(before.end), month, rates)
                if paid <= 0:
                    continue
                pays = value(mrr.before(month.end), month, rates)
                count += 1
                churned += pays == 0
                start += paid
                end += pays
                kept += min(paid, pays)
            if count:
                yield month.name, length, count, churned, start, end, kept


def cohorts(
    customers: Mapping[str, CustomerMrr], calendar: Sequence[Month], rates: Rates
) -> Iterator[Cell]:
    """(month of first MRR, month since, customers that pay at its end, their MRR); 0 where nobody is left."""
    members: dict[str, list[CustomerMrr]] = {}
    for mrr in customers.values():
        if mrr.movements:
            members.setdefault(month_name(mrr.movements[0].at), []).append(mrr)
    for cohort, those in members.items():
        for month in calendar:
            if month.name >= cohort:
                left = [value(mrr.before(month.end), month, rates) for mrr in those]
                yield cohort, month.name, sum(amount > 0 for amount in left), sum(left, ZERO)


def value(totals: Totals, month: Month, rates: Rates) -> Decimal:
    """Amounts per currency in the reporting currency, at the rates of a month's last day."""
    return sum(
        (
            (amount * rates(currency, month.end - 1)).quantize(_MICRO, ROUND_HALF_UP)
            for currency, amount in totals.items()
        ),
        ZERO,
    )
