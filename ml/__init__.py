"""Machine learning on gold: features as of a date, churn risk, segments, lifetime value, the model registry.

Importing this package or `ml.churn` costs nothing: pandas and scikit-learn are imported by the
functions that need them, so a DAG file may import them.

Run: `warehouse train`, `warehouse score`, or `ml.train(settings)` and `ml.score(settings)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date, datetime

    from ml.churn.training import TrainReport
    from ml.scoring import ScoreReport
    from warehouse.settings import Settings


def train(settings: Settings) -> TrainReport:
    """Train the churn model and the segments on gold; see `ml.churn.training.train`."""
    from ml.churn.training import train as train_now

    return train_now(settings)


def train_outlook(settings: Settings) -> dict[str, Any]:
    """Train what looks ahead: lifetime value, forecasts, moves; its figures, see `ml.outlook`."""
    from ml import outlook

    return outlook.figures(outlook.train(settings))


def score(settings: Settings, as_of: datetime | date | None = None) -> ScoreReport:
    """Score risk, segments and lifetime value as of now, or of an instant or day; see `ml.scoring.score`."""
    from ml.scoring import score as score_now

    return score_now(settings, as_of)
