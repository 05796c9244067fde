"""The small tables that people keep by hand: exchange rates and marketing spend, as CSV.

Writes: `inputs/fx_rates.csv`, `inputs/ad_spend.csv`
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np

from sandbox.company import CompanyOptions

# Where each currency's walk starts: US dollars for one unit.
_FIRST_RATES = {
    "EUR": 1.10, "GBP": 1.27, "JPY": 0.0069, "KWD": 3.255,
    "AUD": 0.67, "CAD": 0.75, "CHF": 1.17, "INR": 0.01201,
}  # fmt: skip
# The dinar is held to a basket, so it barely moves.
_DAILY_VOLATILITY = {"KWD": 0.0006, "JPY": 0.006, "INR": 0.002}

CAMPAIGNS = (
    ("search", "brand", "USD", 5200),
    ("search", "quantization-keywords", "USD", 14500),
    ("social", "developers-eu", "EUR", 7600),
    ("social", "lookalike", "USD", 6400),
    ("sponsorship", "ml-podcasts", "USD", 9000),
    ("video", "how-to-quantize", "GBP", 4100),
    ("partners", "cloud-marketplace", "USD", 5600),
)


@lru_cache(maxsize=8)
def usd_rates(seed: int, start: date, days: int) -> dict[tuple[date, str], Decimal]:
    """US dollars for one unit of each currency by (day, currency); USD itself is 1.

    Args:
        seed: The company's seed.
        start: First day.
        days: Number of days; a longer table begins with the shorter one.
    """
    table: dict[tuple[date, str], Decimal] = {}
    dates = [start + timedelta(days=n) for n in range(days)]
    for index, (currency, first) in enumerate(_FIRST_RATES.items()):
        steps = np.random.default_rng([seed, 1, index]).standard_normal(days)
        volatility = _DAILY_VOLATILITY.get(currency, 0.004)
        log_rate = 0.0
        for day, step in zip(dates, steps, strict=True):
            table[day, currency] = Decimal(f"{first * np.exp(log_rate):.8f}")
            # A weak pull to the first rate keeps long companies plausible.
            log_rate += volatility * float(step) - 0.005 * log_rate
    table.update({(day, "USD"): Decimal(1) for day in dates})
    return table


def fx_csv(options: CompanyOptions, last: date) -> str:
    """`fx_rates.csv`: one row per day and currency but USD; 1 `base` = `rate` `quote`."""
    days = (last - options.start).days + 1
    rates = usd_rates(options.seed, options.start, days)
    lines = ["date,base,quote,rate,source"]
    for n in range(days):
        day = options.start + timedelta(days=n)
        lines += [
            f"{day},{currency},USD,{rates[day, currency]},sandbox" for currency in _FIRST_RATES
        ]
    return "\n".join(lines) + "\n"


def ad_spend_csv(options: CompanyOptions, last: date) -> str:
    """`ad_spend.csv`: one row per day, channel and campaign; spend in minor units."""
    lines = ["date,channel,campaign,currency,spend_minor,impressions,clicks"]
    for n in range((last - options.start).days + 1):
        day = options.start + timedelta(days=n)
        rng = np.random.default_rng([options.seed, 2, n])
        noise, clicks = rng.lognormal(0, 0.25, len(CAMPAIGNS)), rng.random(len(CAMPAIGNS))
        for k, (channel, campaign, currency, usual) in enumerate(CAMPAIGNS):
            if channel in {"sponsorship", "partners"}:
                # Booked by the month, not by the day.
                if day.day != 1:
                    continue
                spend = int(usual * 20 * noise[k])
            else:
                spend = int(
                    usual
                    * noise[k]
                    * (0.6 if day.weekday() >= 5 else 1.0)
                    * options.customers
                    / 500
                )
            impressions = int(spend * (3 + 4 * clicks[k]))
            clicked = int(impressions * (0.004 + 0.01 * clicks[k]))
            lines.append(f"{day},{channel},{campaign},{currency},{spend},{impressions},{clicked}")
    return "\n".join(lines) + "\n"
