"""Intervals from the errors that the same method made before.

An error is the logarithm of actual over forecast. Its spread grows with the horizon: it is measured in steps of 30
days, leaning on a stated prior while few errors are known, and made never to shrink with the horizon. The width is that
spread times the factor that would have held `LEVEL` of the former actuals. What happened lately counts more: a company
becomes easier to forecast as it grows, or harder.
"""

from __future__ import annotations

import numpy as np

LEVEL = 0.85
STEP = 30
HALF_LIFE_DAYS = 60
# what is expected of a company nobody has forecast before: so many forecasts of today, with this spread
PRIOR_CUTOFFS = 0.5
PRIOR_NOISE, PRIOR_DRIFT = 0.03, 0.12  # at once, and added over 180 days
PRIOR_FACTOR = 1.44  # of a normal distribution
LEAST_CUTOFFS = 3  # fewer say nothing of the factor


def errors(actual: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Logarithms of actual over forecast; nothing and next to nothing are taken for one."""
    return np.log(np.maximum(actual, 1.0)) - np.log(np.maximum(told, 1.0))


def half_width(known: np.ndarray, ages: np.ndarray, days: int) -> np.ndarray:
    """Half the interval's width per day ahead, in logarithms.

    Args:
        known: Errors of former forecasts, (forecasts, days ahead); missing where the day is not over.
        ages: How many days ago each was made.
        days: How far ahead to say it.
    """
    weights = 0.5 ** (np.asarray(ages, float) / HALF_LIFE_DAYS)
    spread = _spread(known, weights, days)
    width = min(known.shape[1], days) if known.size else 0
    sizes = np.abs(known[:, :width]) / spread[:width] if width else np.empty((0, 0))
    is_known = np.isfinite(sizes)
    if is_known.any(axis=-1).sum() < LEAST_CUTOFFS:
        return PRIOR_FACTOR * spread
    each = np.broadcast_to(weights[:, None], sizes.shape)[is_known]
    order = np.argsort(sizes[is_known])
    held = np.cumsum(each[order])
    place = min(int(np.searchsorted(held, LEVEL * held[-1])), len(order) - 1)
    return sizes[is_known][order][place] * spread


def _spread(known: np.ndarray, weights: np.ndarray, days: int) -> np.ndarray:
    ahead = np.arange(days)
    prior = PRIOR_NOISE + PRIOR_DRIFT * ahead / 180
    spreads, middles = [], []
    for start in range(0, days, STEP):
        middle = min(start + STEP / 2, days - 1)
        expected = float(np.interp(middle, ahead, prior)) ** 2
        part = known[:, start : start + STEP]
        is_known = np.isfinite(part).any(axis=1)
        if is_known.any():
            squares = np.nanmean(part[is_known] ** 2, axis=1)
            newest = weights[is_known] / weights[is_known].max()
            expected = (newest @ squares + PRIOR_CUTOFFS * expected) / (
                newest.sum() + PRIOR_CUTOFFS
            )
        spreads.append(np.sqrt(expected))
        middles.append(middle)
    return np.interp(ahead, middles, np.maximum.accumulate(spreads))
