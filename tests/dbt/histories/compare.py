"""Sets gold against the oracle: what disagrees, by customer.

Reads: a built warehouse, the streams it was fed. The warehouse reports in USD on New York's clock.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from tests.dbt.histories.generator import BEGIN, END, NOW
from tests.dbt.histories.oracle import MILLION, CustomerMrr, Revenue, customer_mrr
from tests.dbt.histories.play import Told
from tests.dbt.histories.reading import Account, Choices
from tests.dbt.warehouse_of import rows_of
from warehouse.settings import Settings

ZONE = ZoneInfo("America/New_York")
EXPONENT = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
USUAL = Choices()
KINDS = ("new", "expansion", "contraction", "churn", "reactivation")
Row = tuple[Any, ...]


@cache
def quoted(currency: str, day: date) -> Decimal:
    """What one unit buys of USD on a day: moves a little every day, and back."""
    n = (day - date(2022, 12, 1)).days
    swing = Decimal((n * 37) % 101 - 50)
    return {
        "USD": Decimal(1), "EUR": Decimal("1.10") + swing / 1000, "JPY": Decimal("0.0070") + swing / 100_000,
        "KWD": Decimal("3.25") + swing / 1000,
    }[currency]  # fmt: skip


def rates() -> list[dict[str, str]]:
    """The table of rates for the stream `fx_rates`."""
    days = [date(2022, 12, 30) + timedelta(days=n) for n in range(540)]
    return [
        {"date": day.isoformat(), "base": base, "quote": "USD", "rate": str(quoted(base, day)), "source": "hand"}
        for day in days
        for base in ("EUR", "JPY", "KWD")
    ]  # fmt: skip


@cache
def day_of(at: int) -> date:
    """The calendar day of an instant."""
    return datetime.fromtimestamp(at, UTC).astimezone(ZONE).date()


@cache
def first_instant(day: date) -> int:
    """When a calendar day begins."""
    return int(datetime.combine(day, time(), ZONE).timestamp())


def worth(currency: str, day: date) -> Fraction:
    """What a minor unit is worth in cents."""
    return Fraction(quoted(currency, day)) * Fraction(10) ** (2 - EXPONENT[currency])


def rate_at(currency: str, at: int) -> Fraction:
    """What a minor unit is worth in cents at an instant."""
    return worth(currency, day_of(at))


def _months() -> list[tuple[date, date]]:
    """All months with their first day and the next one's."""
    first, found = date(2022, 12, 1), []
    while first <= day_of(END):
        following = (first + timedelta(days=32)).replace(day=1)
        found.append((first, following))
        first = following
    return found


def decimal6(millionths: int) -> Decimal:
    """As gold writes it."""
    return Decimal(millionths) / MILLION


def expected_months(mrr: CustomerMrr) -> dict[Row, Row]:
    """(currency, month) → opening, Σ by kind, closing, list closing in minor units; closing and Σ of movements in cents."""
    rows = {}
    for currency in mrr.steps:
        for first, following in _months():
            begin, end = first_instant(first), min(first_instant(following), END)
            moved = dict.fromkeys(KINDS, 0)
            in_cents = Fraction(0)
            for one in mrr.movements:
                if one.currency == currency and begin <= one.at < end:
                    moved[one.kind] += one.amount
                    in_cents += one.amount * rate_at(currency, one.at)
            opening, closing = mrr.at(currency, begin), mrr.at(currency, end)
            if opening.net or closing.list or any(moved.values()):
                # the running month's balance goes by the last day that is over
                last = min(following - timedelta(days=1), day_of(END) - timedelta(days=1))
                rows[currency, first] = (
                    decimal6(opening.net), *(decimal6(moved[kind]) for kind in KINDS), decimal6(closing.net), decimal6(closing.list),
                    round(float(closing.net * worth(currency, last) / MILLION), 2), round(float(in_cents / MILLION), 2),
                )  # fmt: skip
    return rows


def expected_days(customers: list[CustomerMrr]) -> dict[Row, list[Decimal]]:
    """(day, currency) → opening, Σ by kind, closing, list closing, customers paying, of all days with a change."""
    changes: dict[str, dict[date, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0] * 8))
    for mrr in customers:
        for one in mrr.movements:
            changes[one.currency][day_of(one.at)][KINDS.index(one.kind)] += one.amount
        for currency, steps in mrr.steps.items():
            before_net = before_list = 0
            for step in steps:
                row = changes[currency][day_of(step.at)]
                row[5] += step.mrr.net - before_net
                row[6] += step.mrr.list - before_list
                row[7] += (step.mrr.net > 0) - (before_net > 0)
                before_net, before_list = step.mrr.net, step.mrr.list
    rows = {}
    for currency, by_day in changes.items():
        net = gross = paying = 0
        for day in sorted(by_day):
            row = by_day[day]
            opening = net
            net, gross, paying = net + row[5], gross + row[6], paying + row[7]
            rows[day, currency] = [decimal6(opening), *(decimal6(one) for one in row[:5]), decimal6(net), decimal6(gross), Decimal(paying)]  # fmt: skip
    return rows


class Expected:
    """What the oracle makes of many customers."""

    def __init__(self, told: Mapping[str, Told], choices: Choices = USUAL) -> None:
        self.accounts = {key: Account(one.streams, choices) for key, one in told.items()}
        self.mrr = {
            key: customer_mrr(account, f"acc_{key}", END, rate_at) for key, account in self.accounts.items()
        }  # fmt: skip
        self.revenue = {key: Revenue(account).entries for key, account in self.accounts.items()}


def _by_customer(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0].removeprefix("acc_")].append(row[1:])
    return found


def _unlike(name: str, found: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> list[str]:
    """Lines that say where two tables differ."""
    return [
        f"{name} {[str(one) for one in key] if isinstance(key, tuple) else key}: gold {_text(found.get(key))}, oracle {_text(wanted.get(key))}"
        for key in sorted({**found, **wanted}, key=str)
        if found.get(key) != wanted.get(key)
    ]  # fmt: skip


def _text(value: Any) -> str:
    return "(" + ", ".join(str(one) for one in value) + ")" if isinstance(value, tuple) else str(value)  # fmt: skip


def disagreements(settings: Settings, expected: Expected) -> dict[str, list[str]]:
    """Every difference between gold and the oracle, by customer."""
    told: dict[str, list[str]] = defaultdict(list)
    movements = _by_customer(
        rows_of(
            settings,
            "select customer_id, cast(epoch(occurred_at) as bigint), currency, movement_type, amount_minor, reason "
            "from gold.fact_mrr_movements",
        )
    )
    months = _by_customer(
        rows_of(
            settings,
            "select customer_id, currency, month, opening_mrr_minor, new_minor, expansion_minor, contraction_minor, churn_minor, "
            "reactivation_minor, closing_mrr_minor, closing_list_mrr_minor, closing_mrr_reporting_minor, new_reporting_minor "
            "+ expansion_reporting_minor + contraction_reporting_minor + churn_reporting_minor + reactivation_reporting_minor, "
            "opening_mrr_reporting_minor, fx_reporting_minor from gold.fact_customer_months",
        )
    )
    revenue = _by_customer(
        rows_of(
            settings,
            "select customer_id, stripe_invoice_id, stripe_invoice_line_id, entry_type, revenue_type, currency, "
            "cast(epoch(processed_at) as bigint), sum(amount_minor) from gold.fact_revenue group by all having sum(amount_minor) <> 0",
        )
    )
    for key, mrr in expected.mrr.items():
        wanted = {
            (at_text(one.at), one.currency): (one.kind, decimal6(one.amount))
            for one in mrr.movements
        }
        found = {(at_text(row[0]), row[1]): (row[2], row[3]) for row in movements[key]}
        told[key] += _unlike("movement", found, wanted)
        for row in movements[key]:
            reason = mrr.reasons.get((row[0], row[1]), row[4])
            if reason != row[4]:
                told[key].append(f"reason at {at_text(row[0])}: gold {row[4]}, oracle {reason}")
        rows = {(row[0], row[1]): row[2:] for row in months[key]}
        in_gold = {name: (*row[:8], round(float(row[8]), 2), round(float(row[9]), 2)) for name, row in rows.items()}  # fmt: skip
        told[key] += _unlike("month", _near(in_gold, expected_months(mrr)), expected_months(mrr))
        for name, row in rows.items():
            if row[10] + row[9] + row[11] != row[8]:
                told[key].append(f"month {name}: opening + movements + fx is not closing: {row}")
        counted = Counter(row for row in revenue[key])
        summed: Counter[Row] = Counter()
        for one in expected.revenue[key]:
            summed[one.invoice, one.line, one.kind, one.revenue_type, one.currency, one.at] += (
                one.amount
            )
        due = Counter((*name, amount) for name, amount in summed.items() if amount)
        told[key] += [f"revenue only in gold: {row} x {n}" for row, n in (counted - due).items()]
        told[key] += [f"revenue only in oracle: {row} x {n}" for row, n in (due - counted).items()]
    return {key: lines for key, lines in told.items() if lines}


def _near(found: dict[Row, Row], wanted: dict[Row, Row]) -> dict[Row, Row]:
    """Cents that differ by their rounding alone count as equal."""
    return {
        name: (
            (*row[:8], *wanted[name][8:])
            if name in wanted and all(abs(one - other) < 0.0101 for one, other in zip(row[8:], wanted[name][8:], strict=True))
            else row
        )
        for name, row in found.items()
    }  # fmt: skip


def daily_disagreements(settings: Settings, expected: Expected) -> list[str]:
    """Where the daily bridge is not the sum of the customers."""
    rows = rows_of(
        settings,
        "select date_partition, currency, opening_mrr_minor, new_minor, expansion_minor, contraction_minor, churn_minor, "
        "reactivation_minor, mrr_minor, list_mrr_minor, paying_customers, mrr_reporting_minor, movements_reporting_minor, "
        "fx_reporting_minor from gold.kpi_mrr_daily order by currency, date_partition",
    )
    wanted = expected_days(list(expected.mrr.values()))
    lines: list[str] = []
    seen: set[Row] = set()
    standing: dict[str, list[Decimal]] = {}
    before: dict[str, Decimal] = {}
    for day, currency, *values in rows:
        seen.add((day, currency))
        bridge = [Decimal(one) for one in values[:9]]
        nothing = standing.get(currency, [Decimal(0)] * 9)
        due = wanted.get((day, currency)) or [nothing[6], *[Decimal(0)] * 5, *nothing[6:]]
        standing[currency] = due
        if bridge != due:
            lines.append(f"day {day} {currency}: gold {_text(tuple(bridge))}, oracle {_text(tuple(due))}")  # fmt: skip
        cents = float(due[6]) * float(worth(currency, day))
        if abs(float(values[9]) - cents) > 0.006:
            lines.append(f"day {day} {currency}: {values[9]} cents, oracle {cents}")
        if before.get(currency, Decimal(0)) + values[10] + values[11] != values[9]:
            lines.append(f"day {day} {currency}: fx does not close the bridge: {values}")
        before[currency] = values[9]
    over = day_of(END) - timedelta(days=1)
    lines += [
        f"day {name} is missing"
        for name in wanted
        if name not in seen and name[0] <= over and any(wanted[name])
    ]
    return lines


def at_text(at: int) -> str:
    """An instant for people."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


__all__ = ["BEGIN", "NOW", "Expected", "daily_disagreements", "disagreements", "rates"]
