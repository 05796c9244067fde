"""Thirty-four faults to plant, each told from what the days before let one expect: where alerts must speak, and once.

What is expected of a day is the mean of the same weekday of four weeks, worked out here from the tables and not by the alerts' code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor

from tests.serving.alert_days import DAY, Days, midnight


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        name: In words.
        incident: Which incident must be told, once.
        plant: Changes the copy, given the day it happens on.
        subject: Whose incident.
        days: How many days it lasts.
        at_once: Days that are published at once.
        of_a_month: It happens to a month, known when the month is over.
    """

    name: str
    incident: str
    plant: Callable[[Days, date], None]
    subject: str = ""
    days: int = 1
    at_once: int = 1
    of_a_month: bool = False


def expected(days: Days, table: str, column: str, day: date) -> float:
    """The mean of the same weekday of four weeks."""
    before = ", ".join(f"date '{day - week * 7 * DAY}'" for week in range(1, 5))
    ((found, count),) = days.ask(
        f"select avg({column})::double, count(*) from gold.{table} where day in ({before})"
    )
    assert count == 4
    return found


def to(table: str, column: str, change: Callable[[float], float], lasts: int = 1) -> Callable[[Days, date], None]:  # fmt: skip
    """Set a column for some days to what a change makes of the expected value."""

    def plant(days: Days, day: date) -> None:
        wanted = [(day + n * DAY, change(expected(days, table, column, day + n * DAY))) for n in range(lasts)]  # fmt: skip
        days.change(*(f"update gold.{table} set {column} = {value} where day = date '{at}'" for at, value in wanted))  # fmt: skip

    return plant


def month_churn(points: float, times: float) -> Callable[[Days, date], None]:
    """A month's churn so many points above the mean of the six months before it, or times it, whichever is less."""

    def plant(days: Days, day: date) -> None:
        rates = days.ask(
            "select logo_churn_rate from gold.kpi_retention_monthly where interval_months = 1 "
            f"and month_start_on < date '{day}' order by month_start_on desc limit 6"
        )
        mean = sum(rate for (rate,) in rates) / 6
        days.change(
            f"update gold.kpi_retention_monthly set logo_churn_rate = {min(mean + points, mean * times)} "
            f"where interval_months = 1 and month_start_on = date '{day}'"
        )

    return plant


def cac(value: float) -> Callable[[Days, date], None]:
    """A company whose customers cost 40 each, and a month in which they cost more."""

    def plant(days: Days, day: date) -> None:
        days.change(
            "update gold.kpi_acquisition_monthly set cac_amount = 40",
            f"update gold.kpi_acquisition_monthly set cac_amount = {value} where month_start_on = date '{day}'",
        )

    return plant


def failures(*bursts: tuple[timedelta, float, int]) -> Callable[[Days, date], None]:
    """Payments that fail: from so long after midnight on, so many seconds apart, so many."""

    def plant(days: Days, day: date) -> None:
        instants = [
            midnight(day) + start + timedelta(seconds=apart * n)
            for start, apart, count in bursts
            for n in range(count)
        ]
        days.change(*(f"insert into gold.fact_payment_failures (failed_at) values (timestamp '{at}')" for at in instants))  # fmt: skip

    return plant


def launch(rate: float) -> Callable[[Days, date], None]:
    """A feature launched seven days before, which few take up."""

    def plant(days: Days, day: date) -> None:
        rows = ", ".join(
            f"('new_one', date '{day + n * DAY}', date '{day - 7 * DAY}', {n + 7}, {rate})"
            for n in range(-7, 30)
        )
        days.change(
            "insert into gold.kpi_feature_launches (feature_name, day, launched_on, days_since_launch, adoption_rate) "
            f"values {rows}"
        )

    return plant


def stopped(source: str) -> Callable[[Days, date], None]:
    """A source of which nothing arrives from a day on."""

    def plant(days: Days, day: date) -> None:
        days.change(f"update gold.complete_through set complete_through = '{midnight(day)}' where source = '{source}'")  # fmt: skip

    return plant


def gap(source: str) -> Callable[[Days, date], None]:
    """A day that is not there, though later ones are."""

    def plant(days: Days, day: date) -> None:
        days.change(
            "update gold.completeness_ledger set is_gap = true, state = 'missing' "
            f"where source = '{source}' and date_day = date '{day}'"
        )

    return plant


REVENUE, CALLS = ("kpi_daily", "recognised_revenue_amount"), ("kpi_daily", "calls")
HOUR = timedelta(hours=1)
FAULTS = (
    Fault("revenue at its limit, -15 %", "revenue", to(*REVENUE, lambda x: x * 0.85)),
    Fault("revenue -17 %", "revenue", to(*REVENUE, lambda x: x * 0.83)),
    Fault("revenue -25 % for three days", "revenue", to(*REVENUE, lambda x: x * 0.75, 3), days=3),
    Fault("revenue -40 %, three days published at once", "revenue", to(*REVENUE, lambda x: x * 0.6), at_once=3),
    Fault("usage at its limit, -20 %", "usage", to(*CALLS, lambda x: floor(x * 0.8))),
    Fault("usage -22 %", "usage", to(*CALLS, lambda x: floor(x * 0.78))),
    Fault("usage -35 % for four days", "usage", to(*CALLS, lambda x: floor(x * 0.65), 4), days=4),
    Fault("usage -60 %, five days published at once", "usage", to(*CALLS, lambda x: floor(x * 0.4)), at_once=5),
    Fault("usage twice as high", "usage", to(*CALLS, lambda x: 2 * x)),
    Fault("errors 5.1 %", "error_rate", to("kpi_daily", "error_rate", lambda _: 0.051)),
    Fault("errors 8 % for two days", "error_rate", to("kpi_daily", "error_rate", lambda _: 0.08, 2), days=2),
    Fault("errors 30 %", "error_rate", to("kpi_daily", "error_rate", lambda _: 0.3)),
    Fault("a month's churn +2 points", "churn", month_churn(0.02, 9), of_a_month=True),
    Fault("a month's churn 1.5 times its mean", "churn", month_churn(9, 1.5), of_a_month=True),
    Fault("churn of 30 days +4 points", "churn", to("kpi_daily", "logo_churn_rate_30d", lambda x: x + 0.04, 3), days=3),
    Fault("churn of 30 days +8 points", "churn", to("kpi_daily", "logo_churn_rate_30d", lambda x: x + 0.08)),
    Fault("health at its limit, -10 %", "health_drop", to("kpi_daily", "health_score_mean", lambda x: x * 0.9)),
    Fault("health -20 % for five days", "health_drop", to("kpi_daily", "health_score_mean", lambda x: x * 0.8, 5), days=5),
    Fault("at-risk customers +5", "at_risk_up", to("kpi_paying_health_daily", "customers_at_risk", lambda x: ceil(x + 5))),
    Fault("at-risk customers +9 for three days", "at_risk_up", to("kpi_paying_health_daily", "customers_at_risk", lambda x: ceil(x + 9), 3), days=3),
    Fault("11 payments fail in five minutes", "payment_failures", failures((12 * HOUR + timedelta(minutes=1), 29, 11))),
    Fault("payments fail over midnight", "payment_failures", failures((24 * HOUR - timedelta(seconds=61), 10, 12))),
    Fault("payments fail over a bucket's border", "payment_failures", failures((9 * HOUR - timedelta(seconds=55), 10, 11))),
    Fault("payments fail for an hour", "payment_failures", failures((6 * HOUR, 20, 180))),
    Fault("payments fail, three days published at once", "payment_failures", failures((20 * HOUR, 5, 15)), at_once=3),
    Fault("95th percentile 5.1 s", "slow_calls", to("kpi_daily", "latency_p95_ms", lambda _: 5100)),
    Fault("95th percentile 20 s for two days", "slow_calls", to("kpi_daily", "latency_p95_ms", lambda _: 20000, 2), days=2),
    Fault("CAC 61", "cac_high", cac(61), of_a_month=True),
    Fault("CAC 400", "cac_high", cac(400), of_a_month=True),
    Fault("a new feature used by 9 %", "feature_adoption", launch(0.09), "new_one"),
    Fault("a new feature used by 1 %", "feature_adoption", launch(0.01), "new_one"),
    Fault("the usage log stops", "source", stopped("usage"), "usage", days=4),
    Fault("the support desk stops", "source", stopped("support"), "support", days=4),
    Fault("a day of Stripe is missing", "source", gap("stripe"), "stripe"),
)  # fmt: skip


def tell(fault: Fault, days: Days, day: date) -> int:
    """Plant a fault, judge the days around it, and count the messages of its incident.

    Args:
        fault: What goes wrong.
        days: A fresh copy.
        day: The day it begins on; of a month, any day of it.
    """
    if fault.of_a_month:
        month = day.replace(day=1)
        fault.plant(days, month)
        day = (month + timedelta(days=31)).replace(day=1) - DAY
    else:
        fault.plant(days, day)
    days.judge(day)
    before = len(days.log())
    last = day + (fault.days + 2) * DAY
    cut = day + fault.at_once * DAY
    while cut <= last or cut == day + fault.at_once * DAY:
        days.judge(cut)
        cut += DAY
    return sum(
        entry.told == "fired" and entry.incident == fault.incident and entry.subject == fault.subject
        for entry in days.log()[before:]
    )  # fmt: skip
