"""Intervals from the errors that the same method made before.

An error is the logarithm of actual over forecast. Its spread grows with the horizon: it is measured in steps of 30
days, leaning on a stated prior while few errors are known, and made never to shrink with the horizon. The width is that
spread times the factor that would have held `LEVEL` of the former actuals.
"""

from __future__ import annotations

import numpy as np

LEVEL = 0.85
STEP = 30
# what is expected of a company nobody has forecast before: so many former forecasts, with this spread
PRIOR_CUTOFFS = 2.0
PRIOR_NOISE, PRIOR_DRIFT = 0.03, 0.12  # at once, and added over 180 days
PRIOR_FACTOR = 1.44  # of a normal distribution


def errors(actual: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Logarithms of actual over forecast; nothing and next to nothing are taken for one."""
    return np.log(np.maximum(actual, 1.0)) - np.log(np.maximum(told, 1.0))


def half_width(known: np.ndarray, days: int) -> np.ndarray:
    """Half the interval's width per day ahead, in logarithms.

    Args:
        known: Errors of former forecasts, (forecasts, days ahead); missing where the day is not over.
        days: How far ahead to say it.
    """
    spread = _spread(known, days)
    seen = np.abs(known[:, :days]) / spread[: known.shape[1]]
    seen = seen[np.isfinite(seen)]
    if seen.size == 0:
        return PRIOR_FACTOR * spread
    weight = seen.size / (seen.size + PRIOR_CUTOFFS * days)
    return (weight * np.quantile(seen, LEVEL) + (1 - weight) * PRIOR_FACTOR) * spread


def _spread(known: np.ndarray, days: int) -> np.ndarray:
    ahead = np.arange(days)
    prior = PRIOR_NOISE + PRIOR_DRIFT * ahead / 180
    squares, at = [], []
    for start in range(0, days, STEP):
        part = known[:, start : start + STEP]
        part = part[np.isfinite(part).any(axis=1)]
        middle = min(start + STEP / 2, days - 1)
        prior_here = np.interp(middle, ahead, prior)
        mine = np.nansum(np.nanmean(part**2, axis=1)) if len(part) else 0.0
        squares.append((mine + PRIOR_CUTOFFS * prior_here**2) / (len(part) + PRIOR_CUTOFFS))
        at.append(middle)
    return np.interp(ahead, at, np.maximum.accumulate(np.sqrt(squares)))
