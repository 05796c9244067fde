"""Logistic regression that may not contradict what is known: each weight can be held to one sign.

Features of use are alike (calls of 7 and of 30 days, days with calls); left free, their weights fight
each other, and a reason would read "hardly any calls: lowers the risk". Held to its sign, a weight is
0 where another feature already tells the same. The problem stays convex, so the fit has one answer.

It is found by projected Newton steps (Bertsekas 1982): weights at their bound that would cross it rest, the
others take a full second-order step. Some ten steps, where a method that knows gradients only takes hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

STEPS = 100
# Largest slope of the mean loss that is left; a weight is then right to some five places.
SLOPE = 1e-7
ENOUGH = 1e-4  # of the decrease that the slope promises (Armijo)


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
        columns = np.asarray(X, dtype=float)
        target = np.asarray(y)
        self.classes_ = np.unique(target)
        if len(self.classes_) != 2:
            raise ValueError(f"needs two classes, found {len(self.classes_)}")
        truth = (target == self.classes_[1]).astype(float)
        self.n_features_in_ = columns.shape[1]
        signs = np.array([*(self.signs or ()), *[0] * columns.shape[1]][: columns.shape[1]])
        low = np.append(np.where(signs > 0, 0.0, -np.inf), -np.inf)
        high = np.append(np.where(signs < 0, 0.0, np.inf), np.inf)
        penalty = np.append(np.full(columns.shape[1], 1 / self.C), 0.0)
        weights = _minimum(
            np.column_stack([columns, np.ones(len(columns))]), truth, penalty, low, high
        )
        self.coef_ = weights[None, :-1]
        self.intercept_ = weights[-1:]
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


def _minimum(
    matrix: np.ndarray, truth: np.ndarray, penalty: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Weights, the intercept last, with the lowest penalised loss between their bounds."""

    def loss(weights: np.ndarray, margin: np.ndarray) -> float:
        return float(
            np.logaddexp(0, margin).sum() - truth @ margin + penalty @ (weights * weights) / 2
        )

    share = np.clip(truth.mean(), 1e-6, 1 - 1e-6)
    weights = np.zeros(matrix.shape[1])
    weights[-1] = np.log(share / (1 - share))
    margin = matrix @ weights
    value = loss(weights, margin)
    for _ in range(STEPS):
        odds = expit(margin)
        slope = matrix.T @ (odds - truth) + penalty * weights
        rests = ((weights <= low) & (slope > 0)) | ((weights >= high) & (slope < 0))
        moves = np.flatnonzero(~rests)
        if np.abs(slope[moves]).max() <= SLOPE * len(truth):
            break
        part = matrix[:, moves]
        curve = (part * (odds * (1 - odds))[:, None]).T @ part
        # a hair on the diagonal: columns that are sums of others have no curve of their own but the penalty's
        curve[np.diag_indices_from(curve)] += penalty[moves] + 1e-9 * len(truth)
        step = np.zeros_like(weights)
        step[moves] = -np.linalg.solve(curve, slope[moves])
        length = 1.0
        while True:
            tried = np.clip(weights + length * step, low, high)
            margin_tried = matrix @ tried
            value_tried = loss(tried, margin_tried)
            if value_tried <= value + ENOUGH * (slope @ (tried - weights)):
                break
            length /= 2
            if length < 1e-10:
                return weights
        weights, margin, value = tried, margin_tried, value_tried
    return weights
