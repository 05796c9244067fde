"""How good a churn model is, told honestly: out of time, against a baseline, with noise measured.

Time splits: for each test cut-off, train only on cut-offs whose label window had closed by then.
A table without time (`fit_evaluate` on data from elsewhere) is cross-validated, five folds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from ml.churn import models
from ml.churn.promotion import Gain, log_losses, paired_gain, shortfall

HORIZON = timedelta(days=30)
MIN_TRAIN_POSITIVES = 15


@dataclass(frozen=True)
class Metrics:
    """Figures of one model on rows it has not seen.

    `accuracy`, `precision`, `recall` are at probability 0.5; the `top_decile_*` figures flag the
    tenth of customers with the highest scores, which is how the list is used.
    """

    rows: int
    positives: int
    base_rate: float
    accuracy: float
    precision: float | None
    recall: float | None
    top_decile_precision: float | None
    top_decile_recall: float | None
    roc_auc: float | None
    pr_auc: float | None
    brier: float
    log_loss: float
    expected_calibration_error: float
    calibration_by_decile: list[dict[str, float]]


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        chosen: Name of the best candidate by log loss, of those whose reasons are exact.
        metrics: Figures per candidate, and of `base_rate` and `nobody_churns`.
        gain: Of the chosen one over the base rate (bootstrap over customers, or rows).
        beats_baseline: The gain is beyond noise, on enough leavers, and ROC AUC above 0.5
            (`ml.churn.promotion.shortfall`).
        splits: What was trained and tested, one entry per split.
        pipeline: The chosen candidate fitted once on all rows.
    """

    chosen: str
    metrics: dict[str, Metrics]
    gain: Gain
    beats_baseline: bool
    splits: list[dict[str, Any]]
    pipeline: Any = field(repr=False, default=None)
    predictions: pd.DataFrame | None = field(repr=False, default=None)

    @property
    def best(self) -> Metrics:
        """Figures of the chosen candidate."""
        return self.metrics[self.chosen]

    def as_dict(self) -> dict[str, Any]:
        """Everything but the fitted objects, ready for JSON."""
        return {
            "chosen": self.chosen,
            "gain": asdict(self.gain),
            "beats_baseline": self.beats_baseline,
            "splits": self.splits,
            "candidates": {name: asdict(metrics) for name, metrics in self.metrics.items()},
        }


def measure(label: np.ndarray, score: np.ndarray) -> Metrics:
    """All published figures of one set of probabilities."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    label = np.asarray(label, dtype=int)
    score = np.asarray(score, dtype=float)
    positives = int(label.sum())
    both_classes = 0 < positives < len(label)
    flagged = score >= 0.5
    top = np.zeros(len(label), dtype=bool)
    is_ranking = len(np.unique(score)) > 1
    if is_ranking:
        top[np.argsort(-score, kind="stable")[: max(1, len(label) // 10)]] = True
    clipped = np.clip(score, 1e-6, 1 - 1e-6)
    deciles = _deciles(label, score)
    error = sum(row["rows"] * abs(row["predicted"] - row["observed"]) for row in deciles)
    return Metrics(
        rows=len(label),
        positives=positives,
        base_rate=float(label.mean()) if len(label) else 0.0,
        accuracy=float((flagged == label).mean()) if len(label) else 0.0,
        precision=float(label[flagged].mean()) if flagged.any() else None,
        recall=float(flagged[label == 1].mean()) if positives else None,
        top_decile_precision=float(label[top].mean()) if is_ranking else None,
        top_decile_recall=float(top[label == 1].mean()) if is_ranking and positives else None,
        roc_auc=float(roc_auc_score(label, score)) if both_classes else None,
        pr_auc=float(average_precision_score(label, score)) if both_classes else None,
        brier=float(np.mean((score - label) ** 2)) if len(label) else 0.0,
        log_loss=float(log_losses(label, clipped).mean()) if len(label) else 0.0,
        expected_calibration_error=float(error / len(label)) if len(label) else 0.0,
        calibration_by_decile=deciles,
    )


def _deciles(label: np.ndarray, score: np.ndarray) -> list[dict[str, float]]:
    order = np.argsort(score, kind="stable")
    rows = []
    for number, part in enumerate(np.array_split(order, 10), start=1):
        if len(part):
            rows.append(
                {
                    "decile": number,
                    "rows": len(part),
                    "predicted": float(score[part].mean()),
                    "observed": float(label[part].mean()),
                }
            )
    return rows


def rolling_splits(
    times: pd.Series, tests: list[pd.Timestamp], *, horizon: timedelta = HORIZON
) -> list[tuple[np.ndarray, np.ndarray, pd.Timestamp]]:
    """Train and test row numbers per test cut-off; no training label reaches past the cut-off."""
    stamps = pd.to_datetime(times).to_numpy()
    splits = []
    for test in tests:
        train = np.flatnonzero(stamps + np.timedelta64(horizon) <= np.datetime64(test))
        rows = np.flatnonzero(stamps == np.datetime64(test))
        splits.append((train, rows, test))
    return splits


def evaluate(
    table: pd.DataFrame,
    label: pd.Series,
    splits: list[tuple[np.ndarray, np.ndarray, Any]],
    *,
    groups: np.ndarray | None = None,
    seed: int,
) -> Report:
    """Score every candidate on rows it was not fitted on, pool them, and choose.

    Args:
        table: Features, as `ml.churn.models.prepare_table` returns them.
        label: 0 or 1 per row.
        splits: (train rows, test rows, name) per split.
        groups: Customer of each row, for the bootstrap; rows by default.
        seed: Of the models and of the bootstrap.
    """
    values = label.to_numpy().astype(int)
    groups = np.arange(len(table)) if groups is None else np.asarray(groups)
    names = (*models.candidates(), models.BASELINE)
    pooled: dict[str, list[np.ndarray]] = {name: [] for name in names}
    tested: list[np.ndarray] = []
    told = []
    for train, test, name in splits:
        positives = int(values[train].sum())
        if positives < MIN_TRAIN_POSITIVES or len(test) == 0:
            continue
        told.append({"test": str(name), "train_rows": len(train), "train_positives": positives,
                     "test_rows": len(test), "test_positives": int(values[test].sum())})  # fmt: skip
        tested.append(test)
        for candidate in names:
            fitted = models.fit(candidate, table.iloc[train], label.iloc[train], seed=seed)
            pooled[candidate].append(models.probability(fitted, table.iloc[test]))
    if not tested:
        raise ValueError("no split has enough to train on")
    rows = np.concatenate(tested)
    truth = values[rows]
    scores = {name: np.concatenate(parts) for name, parts in pooled.items()}
    metrics = {name: measure(truth, score) for name, score in scores.items()}
    metrics["nobody_churns"] = measure(truth, np.zeros(len(truth)))
    chosen = min(models.EXPLAINED, key=lambda name: metrics[name].log_loss)
    gain = paired_gain(truth, scores[chosen], scores[models.BASELINE], groups[rows], seed=seed)
    predictions = pd.DataFrame({"row": rows, "label": truth, **scores})
    return Report(
        chosen=chosen,
        metrics=metrics,
        gain=gain,
        beats_baseline=shortfall(gain, metrics[chosen].roc_auc) is None,
        splits=told,
        predictions=predictions,
    )


def fit_evaluate(
    features: pd.DataFrame, label: pd.Series, *, seed: int, time: pd.Series | None = None
) -> Report:
    """Fit and evaluate the candidates on any plain table.

    Args:
        features: One row per subject; numbers, booleans and text, missing values allowed. A text
            column with a value of its own in nearly every row (an identifier) is ignored.
        label: 1 where the subject left, else 0; any two values that sort as (stayed, left).
        seed: The same data and seed give the same report.
        time: Cut-off of each row; then the splits are by time. Without it: five shuffled folds.

    Returns:
        Report: figures on rows not fitted on, and the chosen pipeline fitted on all rows.
    """
    from dataclasses import replace

    from sklearn.model_selection import StratifiedKFold

    table = models.prepare_table(features.reset_index(drop=True))
    outcome = _binary(label).reset_index(drop=True)
    if time is not None:
        stamps = pd.to_datetime(time).reset_index(drop=True)
        tests = sorted(stamps.unique())[-6:]
        splits = rolling_splits(stamps, [pd.Timestamp(test) for test in tests])
    else:
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        splits = [
            (train, test, f"fold {number}")
            for number, (train, test) in enumerate(folds.split(table, outcome), start=1)
        ]
    report = evaluate(table, outcome, splits, seed=seed)
    return replace(report, pipeline=models.fit(report.chosen, table, outcome, seed=seed))


def _binary(label: pd.Series) -> pd.Series:
    kinds = sorted(label.dropna().unique())
    if len(kinds) != 2 or label.isna().any():
        raise ValueError(f"a label has exactly two values and none missing, not {kinds[:5]}")
    return (label == kinds[1]).astype(int)
