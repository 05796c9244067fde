"""Logistic regression that may not contradict what is known: each weight can be held to one sign.

Features of use are alike (calls of 7 and of 30 days, days with calls); left free, their weights fight
each other, and a reason would read "hardly any calls: lowers the risk". Held to its sign, a weight is
0 where another feature already tells the same. The problem stays convex, so the fit has one answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin


class SignedLogistic(ClassifierMixin, BaseEstimator):
    """L2-penalised logistic regression for two classes, with signs.

    Args:
        C: Inverse strength of the penalty, as in scikit-learn (the intercept is free).
        signs: -1, 0 (free) or 1 for the first columns; further columns are free.

    Attributes:
        classes_: The two classes, sorted.
        coef_: Weights, shape (1, columns).
        intercept_: Shape (1,).
    """

    def __init__(self, C: float = 1.0, signs: Sequence[int] | None = None) -> None:  # noqa: N803
        self.C = C
        self.signs = signs

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit on a dense matrix without missing values."""
        matrix, target = np.asarray(X, dtype=float), np.asarray(y)
        self.classes_ = np.unique(target)
        if len(self.classes_) != 2:
            raise ValueError(f"needs two classes, found {len(self.classes_)}")
        truth = (target == self.classes_[1]).astype(float)
        rows, columns = matrix.shape
        signs = [*(self.signs or ()), *[0] * columns][:columns]
        limits = {-1: (None, 0.0), 0: (None, None), 1: (0.0, None)}
        share = np.clip(truth.mean(), 1e-6, 1 - 1e-6)
        start = np.append(np.zeros(columns), np.log(share / (1 - share)))

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            margin = matrix @ weights[:-1] + weights[-1]
            value = np.logaddexp(0, margin).sum() - truth @ margin
            slope = expit(margin) - truth
            gradient = np.append(matrix.T @ slope + weights[:-1] / self.C, slope.sum())
            return (value + weights[:-1] @ weights[:-1] / (2 * self.C)) / rows, gradient / rows

        found = minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[limits[sign] for sign in signs] + [(None, None)],
            options={"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-8},
        )
        self.coef_ = found.x[None, :-1]
        self.intercept_ = found.x[-1:]
        self.n_features_in_ = columns
        return self

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """Log-odds of the second class."""
        return np.asarray(X, dtype=float) @ self.coef_[0] + self.intercept_[0]

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Probabilities of both classes, shape (rows, 2)."""
        second = expit(self.decision_function(X))
        return np.column_stack([1 - second, second])

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The likelier class."""
        return self.classes_[(self.decision_function(X) > 0).astype(int)]
