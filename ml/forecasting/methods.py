"""The forecasting methods: from daily history to daily means.

Days are put together to blocks of seven that end with the last day known, so that the week's own rhythm is out of the
way; a method continues the blocks, and days are read off between them. What flows (calls) then gets its weekday
factors back; what stands (MRR) has none.

Numbers in, numbers out: nothing here knows of gold.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

WEEK = 7
LEAST_WEEKS = 12
WEEKDAY_WEEKS = 12  # weeks whose rhythm is carried on
RECENT_WEEKS = 26

BENCHMARKS = ("naive", "seasonal_naive")
ENSEMBLE = "ensemble"
MEMBERS = ("drift", "ets", "arima", "theta")
METHODS = (*MEMBERS, ENSEMBLE)


def forecast(
    history: np.ndarray, days: int, names: tuple[str, ...], *, is_flow: bool
) -> dict[str, np.ndarray]:
    """Continue a daily series by each of some methods.

    Args:
        history: One number a day, the newest last; never negative.
        days: How many days to continue.
        names: Out of `METHODS` and `BENCHMARKS`.
        is_flow: The day's numbers add up (calls); otherwise they stand at its end (MRR).

    Returns:
        Means per method, never negative. `naive` repeats the last day, `seasonal_naive` the last seven days,
        `ensemble` is the mean of all members.
    """
    told: dict[str, np.ndarray] = {}
    if "naive" in names:
        told["naive"] = np.full(days, history[-1], float)
    if "seasonal_naive" in names:
        told["seasonal_naive"] = np.resize(history[-WEEK:].astype(float), days)
    wanted = MEMBERS if ENSEMBLE in names else tuple(name for name in MEMBERS if name in names)
    if wanted:
        blocks = _blocks(history, is_flow=is_flow)
        shape = _weekdays(history) if is_flow else np.ones(WEEK)
        ahead = -(-days // WEEK) + 1
        unit = (
            blocks.mean() or 1.0
        )  # numbers near 1: the searches of ARIMA and ETS stop by absolute steps
        for name in wanted:
            weeks = np.maximum(_CONTINUE[name](blocks / unit, ahead), 0.0) * unit
            level = _between(blocks[-1], weeks, days, is_flow=is_flow)
            told[name] = level * np.resize(shape, days)
        if ENSEMBLE in names:
            told[ENSEMBLE] = np.mean([told[name] for name in MEMBERS], axis=0)
    return {name: told[name] for name in names}


def _blocks(history: np.ndarray, *, is_flow: bool) -> np.ndarray:
    """Means of seven days each, or the value at the end of each."""
    whole = len(history) // WEEK * WEEK
    weeks = history[len(history) - whole :].astype(float).reshape(-1, WEEK)
    return weeks.mean(axis=1) if is_flow else weeks[:, -1]


def _weekdays(history: np.ndarray) -> np.ndarray:
    """How each of the seven days after the last compares to its week."""
    weeks = min(WEEKDAY_WEEKS, len(history) // WEEK)
    recent = history[-weeks * WEEK :].astype(float).reshape(weeks, WEEK)
    totals = recent.sum(axis=0)
    return totals / totals.mean() if totals.sum() > 0 else np.ones(WEEK)


def _between(last: float, weeks: np.ndarray, days: int, *, is_flow: bool) -> np.ndarray:
    """Read days off a line through the blocks: a flow's mean lies in its middle, a level at its end."""
    middle = (WEEK - 1) / 2 if is_flow else WEEK - 1
    at = np.arange(-1, len(weeks)) * WEEK + middle
    return np.interp(np.arange(days), at, np.concatenate([[last], weeks]))


def _drift(blocks: np.ndarray, ahead: int) -> np.ndarray:
    """A straight line with the mean step of the recent weeks."""
    recent = blocks[-RECENT_WEEKS - 1 :]
    return blocks[-1] + (recent[-1] - recent[0]) / (len(recent) - 1) * np.arange(1, ahead + 1)


def _ets(blocks: np.ndarray, ahead: int) -> np.ndarray:
    from statsforecast.models import AutoETS

    # model Z, Z, N: error and trend are chosen by AICc, damped trends included
    return AutoETS(season_length=1, model="ZZN").forecast(y=blocks, h=ahead)["mean"]


def _arima(blocks: np.ndarray, ahead: int) -> np.ndarray:
    from statsforecast.models import AutoARIMA

    model = AutoARIMA(season_length=1, seasonal=False, max_p=2, max_q=2, approximation=True)
    with warnings.catch_warnings():
        # of orders that are tried and not taken
        warnings.filterwarnings("ignore", message="possible convergence problem")
        return model.forecast(y=blocks, h=ahead)["mean"]


def _theta(blocks: np.ndarray, ahead: int) -> np.ndarray:
    from statsforecast.models import AutoTheta

    return AutoTheta(season_length=1, decomposition_type="additive").forecast(y=blocks, h=ahead)["mean"]  # fmt: skip


_CONTINUE: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "drift": _drift,
    "ets": _ets,
    "arima": _arima,
    "theta": _theta,
}
