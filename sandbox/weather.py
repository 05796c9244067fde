"""The API's good and bad days, per endpoint; a pure function of seed and day."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sandbox.company import ENDPOINTS


@lru_cache(maxsize=4096)
def weather(seed: int, day: int) -> tuple[np.ndarray, np.ndarray]:
    """How each endpoint fared on a day.

    Args:
        seed: The company's seed.
        day: Number of the day, 0 is the company's first.

    Returns:
        Factor on response times, and share of calls that fail with 5xx beside the usual ones; one
        value per endpoint.
    """
    rng = np.random.default_rng([seed, 3, day])
    u = rng.random((3, len(ENDPOINTS)))
    slow = np.where(u[0] < 0.02, 2.5 + 5 * u[1], 1.0)
    failing = np.where(u[0] < 0.008, 0.05 + 0.20 * u[2], 0.0)
    return slow, failing


def incident(seed: int, week: int) -> float:
    """How bad a week's worst day was: the share of calls that failed on it, 0 for none."""
    return max(float(weather(seed, week * 7 + day)[1].max()) for day in range(7))
