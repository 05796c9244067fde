"""Rolling back-test: what each method would have said at former days, and how wrong it was.

Every forecast is made of what was known by its cut-off alone, and so is the interval beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.forecasting import intervals, methods

STEP_DAYS = 30
MAX_CUTOFFS = 18
# The oldest cut-offs only teach how wide intervals must be, as long as this many are left to be judged.
JUDGED_CUTOFFS = 12
HORIZON_DAYS = 180
LEAST_DAYS = methods.LEAST_WEEKS * methods.WEEK


@dataclass(frozen=True)
class Tested:
    """What a back-test found of one series.

    Attributes:
        chosen: The method with the lowest error, benchmarks included.
        errors: Of the chosen one: logarithms of actual over forecast, (cut-offs, days ahead), missing where unknown.
        ages: Days from each cut-off to the last day known.
        rows: One per cut-off, method and step of 30 days ahead.
    """

    chosen: str
    errors: np.ndarray
    ages: np.ndarray
    rows: list[dict[str, Any]]


def cutoffs(length: int) -> list[int]:
    """How many days were known at each cut-off, oldest first; the newest has one step of actuals after it."""
    newest = [length - STEP_DAYS * number for number in range(1, MAX_CUTOFFS + 1)]
    return [cut for cut in newest[::-1] if cut >= LEAST_DAYS]


def back_test(history: np.ndarray, *, is_flow: bool) -> Tested | None:
    """Try every method at every cut-off; None where the history is too short for three.

    The choice goes by the mean over the judged cut-offs of |error| / actual, both summed over the days ahead.
    """
    cuts = cutoffs(len(history))
    if len(cuts) < intervals.LEAST_CUTOFFS:
        return None
    names = (*methods.METHODS, *methods.BENCHMARKS)
    told = {name: np.full((len(cuts), HORIZON_DAYS), np.nan) for name in names}
    actual = np.full((len(cuts), HORIZON_DAYS), np.nan)
    for place, cut in enumerate(cuts):
        after = history[cut : cut + HORIZON_DAYS]
        actual[place, : len(after)] = after
        found = methods.forecast(history[:cut], HORIZON_DAYS, names, is_flow=is_flow)
        for name in names:
            told[name][place] = found[name]
    wrong = {name: intervals.errors(actual, told[name]) for name in names}
    inside = {name: _inside(wrong[name], cuts) for name in names}
    judged = range(max(0, len(cuts) - JUDGED_CUTOFFS), len(cuts))
    total = np.maximum(np.nansum(actual, axis=1), 1.0)
    score = {
        name: float((np.nansum(np.abs(actual - told[name]), axis=1) / total)[judged].mean())
        for name in names
    }
    chosen = min(names, key=score.__getitem__)
    rows = []
    for name in names:
        for place in judged:
            for start in range(0, HORIZON_DAYS, STEP_DAYS):
                part = (place, slice(start, start + STEP_DAYS))
                known = np.isfinite(actual[part])
                if not known.any():
                    continue
                error = {
                    each: float(np.abs(actual[part] - told[each][part])[known].mean())
                    for each in (name, *methods.BENCHMARKS)
                }
                rows.append(
                    {
                        "method": name,
                        "is_chosen": name == chosen,
                        "known_days": cuts[place],
                        "days_ahead": start + STEP_DAYS,
                        "days": int(known.sum()),
                        "actual_mean": float(actual[part][known].mean()),
                        "mean_absolute_error": error[name],
                        "naive_error": error["naive"],
                        "seasonal_naive_error": error["seasonal_naive"],
                        "share_inside": float(inside[name][part][known].mean()),
                    }
                )
    ages = len(history) - np.array(cuts)
    return Tested(chosen, wrong[chosen], ages, rows)


def _inside(wrong: np.ndarray, cuts: list[int]) -> np.ndarray:
    """Whether each actual lay inside the interval that the errors known at its cut-off gave."""
    found = np.full(wrong.shape, np.nan)
    for place, cut in enumerate(cuts):
        known = wrong[:place].copy()
        for before in range(place):
            known[before, cut - cuts[before] :] = np.nan
        ages = cut - np.array(cuts[:place])
        width = intervals.half_width(known, ages, HORIZON_DAYS)
        found[place] = np.abs(wrong[place]) <= width
    return found
