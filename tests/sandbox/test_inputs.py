"""The tables kept by hand: a rate for every day and currency, plausible spend."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from sandbox.inputs import usd_rates


def rows(settings, name: str) -> list[dict[str, str]]:
    with (settings.sandbox_dir / "inputs" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_day_up_to_today_has_every_currency(later):
    rates = rows(later, "fx_rates.csv")
    assert list(rates[0]) == ["date", "base", "quote", "rate", "source"]
    days = {date(2024, 1, 1) + timedelta(days=n) for n in range(187)}
    bases = {"EUR", "GBP", "JPY", "KWD", "AUD", "CAD", "CHF", "INR"}
    assert {(row["date"], row["base"]) for row in rates} == {
        (day.isoformat(), base) for day in days for base in bases
    }
    assert len(rates) == len(days) * len(bases)
    assert {row["quote"] for row in rates} == {"USD"}
    # The clock stands at 5 July, whose rate is known.
    assert max(row["date"] for row in rates) == "2024-07-05"


def test_rates_move_a_little_each_day(later):
    euro = [Decimal(r["rate"]) for r in rows(later, "fx_rates.csv") if r["base"] == "EUR"]
    steps = [abs(b / a - 1) for a, b in pairwise(euro)]
    assert all(step < Decimal("0.025") for step in steps)
    assert len(set(euro)) > 150
    assert all(Decimal("0.8") < rate < Decimal("1.5") for rate in euro)


def test_a_longer_table_begins_with_the_shorter_one():
    short, long = usd_rates(7, date(2024, 1, 1), 50), usd_rates(7, date(2024, 1, 1), 80)
    assert all(long[key] == rate for key, rate in short.items())
    assert short[date(2024, 1, 3), "USD"] == 1


def test_every_currency_that_is_billed_has_rates(later, read_truth):
    billed = {row["currency"] for row in read_truth(later, "mrr_month_end")}
    assert billed <= {row["base"] for row in rows(later, "fx_rates.csv")} | {"USD"}


@pytest.mark.parametrize("column", ["spend_minor", "impressions", "clicks"])
def test_spend_is_whole_and_positive(later, column):
    spend = rows(later, "ad_spend.csv")
    assert {row["channel"] for row in spend} == {
        "search", "social", "sponsorship", "video", "partners",
    }  # fmt: skip
    assert all(int(row[column]) >= 0 for row in spend)
    keys = [(row["date"], row["channel"], row["campaign"]) for row in spend]
    assert len(set(keys)) == len(keys)
    assert max(row["date"] for row in spend) == "2024-07-04"
