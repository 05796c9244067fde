"""Churn (METRICS.md §6): label, candidates, honest evaluation, reasons.

The functions here import scikit-learn only when called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ml.churn.evaluation import Report
    from ml.churn.training import TrainReport
    from warehouse.settings import Settings


def train(settings: Settings) -> TrainReport:
    """Train on gold and promote what beats the baseline; see `ml.churn.training.train`."""
    from ml.churn.training import train as train_now

    return train_now(settings)


def fit_evaluate(
    features: pd.DataFrame, label: pd.Series, *, seed: int, time: pd.Series | None = None
) -> Report:
    """Evaluate the same candidates on any table; see `ml.churn.evaluation.fit_evaluate`."""
    from ml.churn.evaluation import fit_evaluate as evaluate_now

    return evaluate_now(features, label, seed=seed, time=time)
