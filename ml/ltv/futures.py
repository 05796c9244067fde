"""What subscribers will be worth: the chance to be there, 30 days by 30 days, times what they pay then.

Means are exact sums over the periods; intervals are those of simulated futures, in which customers leave, change what
they pay as others did, and the hazards themselves are drawn anew from what the data leave possible. So the sums of a
cohort have intervals too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml.ltv.hazards import PERIOD_DAYS, Hazards, band, renewal_class

LEVEL = 0.85
DRAWS = 200
YEARS = 5
HORIZON_DAYS = 365 * YEARS
# What a score says of the next 30 days says less of later ones: its excess in log-odds is multiplied by this each time.
FADE = 0.75
EXCESS_LIMIT = 3.0
# How what stayers pay changes is taken from the past, for this many periods; after that it stays.
GROWING_PERIODS = 12
# Quantiles that stand for the ratios of a tier, and how many must have been seen for it to have its own.
RATIOS, LEAST_CHANGES = 400, 200
PER_PERIOD = 12 * PERIOD_DAYS / 365  # months of 30 days


@dataclass(frozen=True)
class Changes:
    """How what a stayer pays changes in 30 days.

    Attributes:
        tiers: Names, in the order of the first axis; a tier not among them gets the last row, that of all.
        ratios: Equally likely ratios of what is paid after to what was paid before; (tiers + 1, ratios).
    """

    tiers: tuple[str, ...]
    ratios: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Expected ratio per row."""
        return self.ratios.mean(axis=1)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the registry."""
        return {"tiers": list(self.tiers), "ratios": self.ratios.tolist()}

    @staticmethod
    def of(values: dict[str, Any]) -> Changes:
        """The inverse of `as_dict`."""
        return Changes(tuple(values["tiers"]), np.array(values["ratios"]))


@dataclass(frozen=True)
class Futures:
    """What is expected of each customer, and drawn.

    Attributes:
        survival_12m: Probability to pay still after 365 days.
        lifetime_months: Expected months of paying within the horizon.
        value_12m: Expected value of the next 365 days.
        value: Expected value of the next `YEARS` years.
        drawn_12m, drawn: Simulated values; (customers, draws).
    """

    survival_12m: np.ndarray
    lifetime_months: np.ndarray
    value_12m: np.ndarray
    value: np.ndarray
    drawn_12m: np.ndarray
    drawn: np.ndarray


def changes(panel: pd.DataFrame) -> Changes:
    """Ratios of MRR 30 days later to MRR now, of those who stayed, by tier.

    Each ratio weighs what was paid before: their mean is then that of the money, and who changes nothing keeps a ratio
    of 1 (with all ratios scaled to that mean instead, what most customers pay would seem to fall month by month).

    Args:
        panel: customer_id, as_of (instants 30 days apart), tier, mrr_reporting_minor.
    """
    now = panel[["customer_id", "as_of", "mrr_reporting_minor"]]
    before = panel[["customer_id", "as_of", "tier", "mrr_reporting_minor"]]
    before = before.assign(as_of=before["as_of"] + pd.Timedelta(days=PERIOD_DAYS))
    both = now.merge(before, on=["customer_id", "as_of"], suffixes=("", "_before"))
    if both.empty:
        return Changes((), np.ones((1, 1)))
    groups = {tier: part for tier, part in both.groupby("tier") if len(part) >= LEAST_CHANGES}
    return Changes(tuple(groups), np.array([_ratios(part) for part in (*groups.values(), both)]))


def _ratios(both: pd.DataFrame) -> np.ndarray:
    """`RATIOS` quantiles, evenly spaced."""
    paid_before = both["mrr_reporting_minor_before"].to_numpy(float)
    ratios = np.clip(both["mrr_reporting_minor"].to_numpy(float) / paid_before, 0.2, 5.0)
    order = np.argsort(ratios, kind="stable")
    reached = np.cumsum(paid_before[order])
    wanted = (np.arange(RATIOS) + 0.5) / RATIOS * reached[-1]
    return ratios[order][np.searchsorted(reached, wanted)]


def simulate(
    rows: pd.DataFrame, hazards: Hazards, change: Changes, *, seed: int, draws: int = DRAWS
) -> Futures:
    """Follow paying customers into the future.

    Args:
        rows: tier, tenure_days, period_days, days_to_renewal, is_end_set, churn_probability (missing: no score),
            monthly_value (any money).
        hazards: As fitted.
        change: As fitted.
        seed: The same rows and seed give the same futures.
        draws: Futures per customer.
    """
    random = np.random.default_rng(seed)
    count, periods = len(rows), -(-HORIZON_DAYS // PERIOD_DAYS)
    tiers, kinds = _positions(rows["tier"], hazards.tiers), _positions(rows["tier"], change.tiers)
    tenure = rows["tenure_days"].to_numpy(float)
    drawn_odds = _log_odds(hazards.draw(draws, random))
    mean_odds = _log_odds(hazards.mean)
    is_ending = rows["is_end_set"].to_numpy(bool)
    # who has asked to end goes when what was billed runs out, a year's subscription in many months maybe
    ends_in = np.nan_to_num(rows["days_to_renewal"].to_numpy(float), nan=0.0).clip(0) // PERIOD_DAYS
    excess = _excess(rows, mean_odds[_cells(rows, tiers, tenure, 0)])
    stays, pays = np.ones(count), rows["monthly_value"].to_numpy(float) * PER_PERIOD
    alive = np.ones((count, draws), dtype=bool)
    paid = np.repeat(pays[:, None], draws, axis=1)
    survival_12m, lifetime = np.zeros(count), np.zeros(count)
    value, value_12m = np.zeros(count), np.zeros(count)
    drawn, drawn_12m = np.zeros((count, draws)), np.zeros((count, draws))
    for period in range(periods):
        cells = _cells(rows, tiers, tenure, period)
        tilt = excess * FADE**period
        leaves = _share(mean_odds[cells] + tilt)
        odds = drawn_odds[(slice(None), *cells)].T + tilt[:, None]
        lost = random.random((count, draws)) < _share(odds)
        is_over = ends_in <= period
        leaves = np.where(is_ending, is_over, leaves)
        lost = np.where(is_ending[:, None], is_over[:, None], lost)
        within, within_12m = (_part(period, days) for days in (HORIZON_DAYS, 365))
        # who leaves within a period leaves in its middle on average
        there = stays * (1 - leaves / 2)
        lifetime += there * within
        value += there * pays * within
        value_12m += there * pays * within_12m
        got = paid * np.where(lost, 0.5, 1.0) * alive
        drawn += got * within
        drawn_12m += got * within_12m
        survival_12m = np.where(within_12m > 0, stays * (1 - leaves * within_12m), survival_12m)
        stays, alive = stays * (1 - leaves), alive & ~lost
        if period < GROWING_PERIODS:
            pays = pays * change.mean[kinds]
            drawn_ratio = random.integers(0, change.ratios.shape[1], (count, draws))
            paid = paid * change.ratios[kinds[:, None], drawn_ratio]
    return Futures(survival_12m, lifetime * PER_PERIOD, value_12m, value, drawn_12m, drawn)


def interval(drawn: np.ndarray, *, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """The middle `level` of the draws along the last axis."""
    low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2], axis=-1)
    return low, high


def _positions(tiers: pd.Series, known: tuple[str, ...]) -> np.ndarray:
    """Row of each customer's tier, the last for one that is not known."""
    codes = pd.Categorical(tiers, categories=known).codes
    return np.where(codes < 0, len(known), codes)


def _cells(
    rows: pd.DataFrame, tiers: np.ndarray, tenure: np.ndarray, period: int
) -> tuple[np.ndarray, ...]:
    offset = period * PERIOD_DAYS
    kind = renewal_class(rows["period_days"], rows["days_to_renewal"], offset=offset)
    return tiers, kind, band(tenure + offset)


def _excess(rows: pd.DataFrame, expected: np.ndarray) -> np.ndarray:
    """How far each customer's score lies from what is usual for such a one, in log-odds."""
    score = rows["churn_probability"].to_numpy(float)
    known = np.isfinite(score) & ~rows["is_end_set"].to_numpy(bool)
    told = _log_odds(np.clip(np.where(known, score, 0.5), 1e-4, 1 - 1e-4))
    return np.where(known, np.clip(told - expected, -EXCESS_LIMIT, EXCESS_LIMIT), 0.0)


def _part(period: int, days: int) -> float:
    """How much of a period lies within so many days."""
    return float(np.clip(days / PERIOD_DAYS - period, 0.0, 1.0))


def _log_odds(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 1e-6, 1 - 1e-6)
    return np.log(share / (1 - share))


def _share(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))
