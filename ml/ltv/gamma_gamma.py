"""Gamma-Gamma: what a customer's purchases are worth on average, given the few seen.

A purchase is gamma (p, rate); the rate is spread over customers by a gamma (q, scale). Worth and
frequency are taken to be independent. Source: Fader and Hardie, The Gamma-Gamma Model of Monetary Value (2013).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

LIMIT = 12.0


@dataclass(frozen=True)
class GammaGamma:
    """Fitted parameters; `scale` (the paper's gamma) is in the unit of money of the data."""

    p: float
    q: float
    scale: float
    log_likelihood: float = float("nan")

    def as_dict(self) -> dict[str, float]:
        """Plain numbers, for the registry."""
        return asdict(self)

    def expected_value(self, purchases: Any, mean_value: Any) -> np.ndarray:
        """Mean worth of a customer's next purchase, given his number of purchases and their mean.

        Needs q > 1: otherwise worth has no mean.
        """
        seen = self.p * np.asarray(purchases, float)
        return (self.p * self.scale + seen * np.asarray(mean_value, float)) / (seen + self.q - 1)

    def simulate_sums(
        self, counts: np.ndarray, purchases: Any, mean_value: Any, *, random: np.random.Generator
    ) -> np.ndarray:
        """Draw what `counts` purchases (customers, draws) are worth together."""
        seen = self.p * np.asarray(purchases, float)[:, None]
        rate = random.gamma(seen + self.q, 1.0, counts.shape) / (
            self.scale + seen / self.p * np.asarray(mean_value, float)[:, None]
        )
        # a gamma of shape 0 is 0
        return random.gamma(self.p * counts, 1.0) / rate


def fit(purchases: Any, mean_value: Any) -> GammaGamma:
    """Maximum likelihood over customers with at least one purchase.

    Raises:
        ValueError: Fewer than two customers, or a mean that isn't above 0.
    """
    from scipy.optimize import minimize

    x, mean = np.asarray(purchases, float), np.asarray(mean_value, float)
    if len(x) < 2:
        raise ValueError("fewer than two customers bought again: there are no values to learn from")
    if (mean <= 0).any():
        raise ValueError("a customer's mean value is not above 0")
    unit = float(mean.mean())
    scaled = mean / unit

    found = [
        minimize(
            lambda logs: -log_likelihood(*np.exp(logs), x, scaled).mean(), np.array([start, 1.0, 0.0]),
            method="L-BFGS-B", bounds=[(-LIMIT, LIMIT)] * 3,
        )
        for start in (0.0, 1.5)
    ]  # fmt: skip
    p, q, scale = (float(value) for value in np.exp(min(found, key=lambda each: each.fun).x))
    return GammaGamma(p, q, scale * unit, float(log_likelihood(p, q, scale * unit, x, mean).sum()))


def log_likelihood(p: float, q: float, scale: float, x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Equation 1a of the paper, in logarithms, per customer."""
    from scipy.special import gammaln

    return (
        gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(scale)
        + (p * x - 1) * np.log(mean) + p * x * np.log(x) - (p * x + q) * np.log(scale + x * mean)
    )  # fmt: skip
