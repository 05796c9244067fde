"""How long subscribers stay: the share that leaves in 30 days, by tier, tenure and whether a renewal falls into them.

Each cell's share is drawn towards that of its renewal class and tenure over all tiers, and this towards that of the
tenure before, by as much as `PRIOR` customer-periods weigh: a discrete-time hazard with an empirical Bayes prior. Its
uncertainty is the cell's beta distribution. Who leaves is not seen later: who still pays at the end of the data counts
for the periods he was seen in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

PERIOD_DAYS = 30
YEAR_DAYS = 365
MONTHLY, DUE, NOT_DUE = "monthly", "annual_due", "annual_not_due"
CLASSES = (MONTHLY, DUE, NOT_DUE)
ANNUAL_FROM_DAYS = 180  # billed for half a year or more: the renewal is what is reviewed
BANDS = (0, 90, 180, 365)  # lower edges of tenure in days
PRIOR = 60.0
LEAST = 1e-4


@dataclass(frozen=True)
class Hazards:
    """Shares that leave in 30 days.

    Attributes:
        tiers: Names, in the order of the first axis; a tier not among them gets the mean row, the last.
        left: Customer-periods that ended in leaving, with the prior's; (tiers + 1, classes, bands).
        seen: Customer-periods, with the prior's.
    """

    tiers: tuple[str, ...]
    left: np.ndarray
    seen: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Expected share per cell."""
        return np.maximum(self.left / self.seen, LEAST)

    def draw(self, draws: int, random: np.random.Generator) -> np.ndarray:
        """Shares that the data leave possible; (draws, tiers + 1, classes, bands)."""
        size = (draws, *self.left.shape)
        return np.maximum(random.beta(self.left, self.seen - self.left, size), LEAST)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the registry."""
        return {"tiers": list(self.tiers), "left": self.left.tolist(), "seen": self.seen.tolist()}

    @staticmethod
    def of(values: dict[str, Any]) -> Hazards:
        """The inverse of `as_dict`."""
        return Hazards(tuple(values["tiers"]), np.array(values["left"]), np.array(values["seen"]))


def fit(panel: pd.DataFrame) -> Hazards:
    """Count who left.

    Args:
        panel: Of customer-instants 30 days apart: tier, tenure_days, period_days, days_to_renewal and `churns`.
    """
    tiers = tuple(sorted(set(panel["tier"])))
    cells = (
        pd.Categorical(panel["tier"], categories=tiers).codes,
        renewal_class(panel["period_days"], panel["days_to_renewal"]),
        band(panel["tenure_days"]),
    )
    shape = (len(tiers) + 1, len(CLASSES), len(BANDS))
    seen, left = np.zeros(shape), np.zeros(shape)
    np.add.at(seen, cells, 1.0)
    np.add.at(left, cells, panel["churns"].to_numpy(dtype=float))
    seen[-1], left[-1] = seen[:-1].sum(axis=0), left[:-1].sum(axis=0)
    # Each tenure leans on the one before it: who has stayed for longer than anybody was seen to leaves about as often
    # as those who had stayed nearly as long, and not as often as all, most of whom are new.
    prior = np.empty(shape[1:])
    younger = np.full(len(CLASSES), (left[-1].sum() + 1) / (seen[-1].sum() + 20))
    for place in range(len(BANDS)):
        younger = (left[-1][:, place] + PRIOR * younger) / (seen[-1][:, place] + PRIOR)
        prior[:, place] = younger
    return Hazards(tiers, left + PRIOR * prior, seen + PRIOR)


def renewal_class(period_days: Any, days_to_renewal: Any, *, offset: int = 0) -> np.ndarray:
    """Position in `CLASSES` of the 30 days that begin `offset` days from now; a year's renewal comes every year."""
    is_annual = np.nan_to_num(np.asarray(period_days, float), nan=30.0) >= ANNUAL_FROM_DAYS
    due = np.nan_to_num(np.asarray(days_to_renewal, float), nan=0.0) - offset
    is_due = np.where(due >= 0, due, due % YEAR_DAYS) < PERIOD_DAYS
    return np.where(is_annual, np.where(is_due, 1, 2), 0)


def band(tenure_days: Any) -> np.ndarray:
    """Position of the tenure in `BANDS`."""
    return np.searchsorted(BANDS, np.maximum(np.asarray(tenure_days, float), 0), side="right") - 1
