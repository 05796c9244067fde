"""BG/NBD: how often a customer buys who may have left without a word.

While alive a customer buys at rate λ; after each purchase he leaves with probability p. λ is spread over customers
by a gamma (r, alpha), p by a beta (a, b). Source: Fader, Hardie and Lee, "Counting Your Customers" the Easy Way
(Marketing Science 24, 2005); the formulas bear its numbers.

Per customer: `frequency` x (purchases after the first), `recency` t_x (time from the first purchase to the last) and
`age` T (time from the first purchase to now), all in one unit of time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

STARTS = (0.0, -1.0, 1.0)  # logarithms of all four parameters
LIMIT = 12.0


@dataclass(frozen=True)
class BgNbd:
    """Fitted parameters; `alpha` is in the unit of time of the data."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = float("nan")

    def as_dict(self) -> dict[str, float]:
        """Plain numbers, for the registry."""
        return asdict(self)

    def p_alive(self, frequency: Any, recency: Any, age: Any) -> np.ndarray:
        """Probability that each customer has not left yet; 1 for who never bought again."""
        return 1 / (1 + self._odds_of_having_left(frequency, recency, age))

    def expected_purchases(self, time: float, frequency: Any, recency: Any, age: Any) -> np.ndarray:
        """Mean number of purchases in (T, T + time] given each customer's past (equation 10)."""
        x, age = np.asarray(frequency, float), np.asarray(age, float)
        mean = self._mean(time, self.r + x, self.alpha + age, self.b + x)
        return mean / (1 + self._odds_of_having_left(x, recency, age))

    def expected_of_newcomers(self, time: Any) -> np.ndarray:
        """Mean number of purchases in the first `time` after the first one (equation 9)."""
        return self._mean(np.asarray(time, float), self.r, self.alpha, self.b)

    def simulate_future(
        self, time: float, frequency: Any, recency: Any, age: Any, *, draws: int,
        random: np.random.Generator,
    ) -> np.ndarray:  # fmt: skip
        """Draw the purchases of each customer in (T, T + time]; shape (customers, draws).

        Given that he is alive, λ is gamma (r + x, alpha + T) and p is beta (a, b + x), independently. The purchases are
        then the lesser of a Poisson and of a geometric number, the purchase after which he leaves.
        """
        x = np.asarray(frequency, float)[:, None]
        shape = (len(x), draws)
        rate = random.gamma(self.r + x, 1 / (self.alpha + np.asarray(age, float)[:, None]), shape)
        leaves = np.clip(random.beta(self.a, self.b + x, shape), 1e-9, 1.0)
        made = np.minimum(random.poisson(rate * time), random.geometric(leaves))
        alive = random.random(shape) < self.p_alive(frequency, recency, age)[:, None]
        return np.where(alive, made, 0)

    def _odds_of_having_left(self, frequency: Any, recency: Any, age: Any) -> np.ndarray:
        x, recency, age = (np.asarray(each, float) for each in (frequency, recency, age))
        odds = (
            self.a
            / (self.b + np.maximum(x, 1) - 1)
            * ((self.alpha + age) / (self.alpha + recency)) ** (self.r + x)
        )
        return np.where(x > 0, odds, 0.0)

    def _mean(self, time: Any, r: Any, alpha: Any, b: Any) -> np.ndarray:
        """Equation 9 with the posterior's parameters; equation 10's numerator."""
        from scipy.special import hyp2f1

        a = self.a + 1e-7 if abs(self.a - 1) < 1e-7 else self.a  # the limit at 1 is finite
        part = hyp2f1(r, b, a + b - 1, time / (alpha + time))
        return (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + time)) ** r * part)


def fit(frequency: Any, recency: Any, age: Any) -> BgNbd:
    """Maximum likelihood on the logarithms of the parameters, from three starts.

    Raises:
        ValueError: Nobody bought twice, or a recency lies outside [0, age].
    """
    from scipy.optimize import minimize

    x, recency, age = (np.asarray(each, float) for each in (frequency, recency, age))
    if not (x > 0).any():
        raise ValueError("nobody bought twice: there is no rhythm to learn")
    if (recency < 0).any() or (recency > age).any():
        raise ValueError("a recency lies outside [0, age]")
    unit = float(age.max())  # so that the search works on numbers near 1
    rows, weights = np.unique(
        np.column_stack([x, recency / unit, age / unit]), axis=0, return_counts=True
    )

    def cost(logs: np.ndarray) -> float:
        return -float(np.dot(weights, log_likelihood(*np.exp(logs), *rows.T))) / len(x)

    found = [
        minimize(cost, np.full(4, start), method="L-BFGS-B", bounds=[(-LIMIT, LIMIT)] * 4)
        for start in STARTS
    ]
    r, alpha, a, b = (float(value) for value in np.exp(min(found, key=lambda each: each.fun).x))
    total = float(log_likelihood(r, alpha * unit, a, b, x, recency, age).sum())
    return BgNbd(r, alpha * unit, a, b, total)


def log_likelihood(
    r: float, alpha: float, a: float, b: float, x: np.ndarray, recency: np.ndarray, age: np.ndarray
) -> np.ndarray:
    """Equation 6, per customer."""
    from scipy.special import betaln, gammaln

    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - betaln(a, b)
    alive = betaln(a, b + x) - (r + x) * np.log(alpha + age)
    left = betaln(a + 1, b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + recency)
    return common + np.logaddexp(alive, np.where(x > 0, left, -np.inf))
