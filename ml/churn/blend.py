"""The mean of several models' log-odds: additive where they are, so that reasons stay exact.

A weighted sum and a sum of steps err apart: the one can't bend, the other can't tell a slope from its few points. Their
mean errs less than either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone


class Blend(ClassifierMixin, BaseEstimator):
    """Several classifiers for two classes as one.

    Args:
        members: Unfitted classifiers with a `decision_function` in log-odds.

    Attributes:
        classes_: The two classes, sorted.
        members_: The fitted classifiers.
    """

    def __init__(self, members: Sequence[Any] = ()) -> None:
        self.members = members

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Fit each member on everything."""
        self.classes_ = np.unique(y)
        self.n_features_in_ = np.shape(X)[1]
        self.members_ = [clone(member).fit(X, y) for member in self.members]
        return self

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """Log-odds of the second class."""
        return np.mean([member.decision_function(X) for member in self.members_], axis=0)

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Probabilities of both classes, shape (rows, 2)."""
        second = expit(self.decision_function(X))
        return np.column_stack([1 - second, second])

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The likelier class."""
        return self.classes_[(self.decision_function(X) > 0).astype(int)]
