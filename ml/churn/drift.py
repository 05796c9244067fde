"""Whether customers look as they did when the model was trained: the population stability index per feature.

PSI = Σ (now - then) · ln(now / then) over ten classes of a feature's values: the deciles of the training
rows for a number, the values themselves for text; what is missing is a class of its own. Of few rows chance alone
makes some: where nothing has changed PSI is spread like chi-squared · (1 / rows now + 1 / rows then), with a degree of
freedom less than there are classes; what it stays below 19 times of 20 is taken off. Below 0.1 is called stable, below
0.25 shifting, from there on shifted (the thresholds in common use).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

SHIFTING, SHIFTED = 0.1, 0.25
CLASSES = 10
# Half a customer in an empty class: the logarithm needs a share above 0.
SMOOTHING = 0.5


def reference(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """What is kept of the training rows, per feature: the classes, and the share of rows in each.

    Args:
        table: As `ml.churn.models.prepare_table` returns it.
    """
    kept = {}
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column):
            edges = np.unique(column.quantile(np.linspace(0, 1, CLASSES + 1)[1:-1]).dropna())
            classes: dict[str, Any] = {"edges": edges.tolist()}
        else:
            classes = {"values": sorted(column.unique())}
        kept[name] = classes | {"shares": _shares(column, classes).tolist(), "rows": len(column)}
    return kept


def stability(table: pd.DataFrame, kept: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """PSI of each feature against the training rows, beyond what chance makes of so many rows; 0 at least.

    Returns:
        DataFrame: feature_name, psi, drift_level, ordered by feature as the model has them.
    """
    rows = []
    for name, then in kept.items():
        now, before = _shares(table[name], then), np.array(then["shares"])
        raw = float(((now - before) * np.log(now / before)).sum())
        # a model of before that was noted is taken for one of very many rows
        psi = max(0.0, raw - _of_chance(before, len(table), then.get("rows", np.inf)))
        rows.append((name, round(psi, 6), level(psi)))
    return pd.DataFrame(rows, columns=["feature_name", "psi", "drift_level"])


def level(psi: float) -> str:
    """stable, shifting or shifted."""
    return "stable" if psi < SHIFTING else "shifting" if psi < SHIFTED else "shifted"


def _of_chance(before: np.ndarray, rows: int, rows_before: float) -> float:
    """What PSI stays below 19 times of 20 where nothing has changed; classes that next to nobody was in don't count."""
    inhabited = int((before * rows_before > 1).sum())
    spread = chi2.ppf(0.95, inhabited - 1) if inhabited > 1 else 0.0
    return float(spread * (1 / max(rows, 1) + 1 / max(rows_before, 1)))


def _shares(column: pd.Series, classes: dict[str, Any]) -> np.ndarray:
    """Share of rows in each class, the last two being other values (of text) and missing."""
    if "edges" in classes:
        size = len(classes["edges"]) + 1
        found = np.searchsorted(classes["edges"], column.dropna().to_numpy(), side="left")
    else:
        size = len(classes["values"]) + 1
        found = pd.Index(classes["values"]).get_indexer(column.dropna())
        found = np.where(found < 0, size - 1, found)
    counts = np.append(np.bincount(found.astype(int), minlength=size), column.isna().sum())
    return (counts + SMOOTHING) / (counts + SMOOTHING).sum()
