"""Candidate models: one scikit-learn Pipeline each, from a plain table to a calibrated probability.

Candidates:
    logistic: signed logarithm, scaling, L2 logistic regression whose weights keep their known sign.
    boosting: gradient boosting, monotone in the same way and without interactions, so that log-odds
        are a sum of one function per feature and the reasons of a score are exact (`ml.churn.reasons`).
    blend: the mean of these two in log-odds, which is such a sum again.
    forest, xgboost: a random forest, and (where the extra `xgboost` is installed) boosted trees with
        interactions. They show what the additive three may be missing; their reasons would be approximations
        with no sum to check them by, so they are compared and never put to use.
    base_rate: the baseline; every customer gets the share that churned.

Calibration is Platt's sigmoid, fitted on folds inside the pipeline. No state outside the pipeline:
what is stored is what was fitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

from ml.features import DIRECTIONS

BASELINE = "base_rate"
EXPLAINED = ("logistic", "boosting", "blend")
CALIBRATION_FOLDS = 2
# Of each of the two forests; rows that each tree sees: more change nothing but the time.
FOREST_TREES, FOREST_ROWS = 40, 4000
# What a customer-month is worth before any was seen: 4 % leave, weighed like 50 customer-months.
PRIOR_RATE = 0.04
PRIOR_WEIGHT = 50.0


def candidates() -> tuple[str, ...]:
    """Names of the candidates that can be fitted here; those in `EXPLAINED` may be put to use."""
    return (*EXPLAINED, "forest", *(["xgboost"] if find_spec("xgboost") else []))


def signed_log(values: Any) -> Any:
    """sign(x) · log(1 + |x|): tames counts and money, keeps the sign of changes."""
    return np.sign(values) * np.log1p(np.abs(values))


@contextmanager
def steady_threads() -> Iterator[None]:
    """One thread for BLAS and OpenMP.

    Waiting threads spin for longer than problems of this size take, and with one thread sums are
    taken in the same order on every machine.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def column_kinds(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Split columns into numeric and categorical; identifiers and constants are in neither."""
    numeric, categorical = [], []
    for name in table.columns:
        column = table[name]
        if column.nunique(dropna=False) < 2:
            continue
        if pd.api.types.is_numeric_dtype(column):
            numeric.append(name)
        elif column.nunique() <= min(200, max(20, len(table) // 50)):
            categorical.append(name)
    return numeric, categorical


def prepare_table(table: pd.DataFrame) -> pd.DataFrame:
    """Give a plain table the types the pipelines expect (text that is all numbers becomes numbers)."""
    result = table.copy()
    for name in result.columns:
        column = result[name]
        if pd.api.types.is_bool_dtype(column):
            result[name] = column.astype("float64")
        elif pd.api.types.is_numeric_dtype(column):
            result[name] = pd.to_numeric(column).astype("float64")
        else:
            text = column.astype("object").where(column.notna(), None)
            numbers = pd.to_numeric(text, errors="coerce")
            filled = text.map(lambda value: value is not None and str(value).strip() != "")
            if filled.any() and numbers[filled].notna().all():
                result[name] = numbers.astype("float64")
            else:
                result[name] = text.map(lambda value: "missing" if value is None else str(value))
    return result.replace([np.inf, -np.inf], np.nan)


def build(name: str, table: pd.DataFrame, *, seed: int) -> Pipeline:
    """An unfitted candidate for the columns of a table made by `prepare_table`.

    Args:
        name: One of `candidates()` or `BASELINE`.
        table: Decides which columns are numeric and which categorical.
        seed: Random state of everything random.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import Pipeline

    from ml.churn.blend import Blend

    if name == BASELINE:
        return Pipeline([("model", DummyClassifier(strategy="prior"))])
    numeric, categorical = column_kinds(table)
    signs = [DIRECTIONS.get(column, 0) for column in numeric] + [0] * len(categorical)
    if name == "logistic":
        model: Any = _logistic(signs)
    elif name == "boosting":
        model = _boosting(signs, len(numeric), seed)
    elif name == "blend":
        # both see what trees see: numbers as they are, categories as codes
        codes = list(range(len(numeric), len(signs)))
        own = _columns(list(range(len(numeric))), codes, for_trees=False)
        straight = Pipeline([("prepare", own), ("model", _logistic(signs))])
        model = Blend([straight, _boosting(signs, len(numeric), seed)])
    elif name == "forest":
        model = RandomForestClassifier(
            n_estimators=FOREST_TREES, min_samples_leaf=20, random_state=seed,
            max_samples=min(FOREST_ROWS, max(1, len(table) // 2)),
        )  # fmt: skip
    elif name == "xgboost":
        from xgboost import XGBClassifier

        model = XGBClassifier(
            n_estimators=120, learning_rate=0.06, max_depth=3, min_child_weight=10, subsample=0.8,
            colsample_bytree=0.6, tree_method="hist", n_jobs=1, random_state=seed,
        )  # fmt: skip
    else:
        raise ValueError(f"no candidate is named {name!r}")
    # A forest is a mean of models anyway: one per fold, each calibrated on the other, are another such mean.
    is_explained = name in EXPLAINED
    folds = StratifiedKFold(CALIBRATION_FOLDS)
    calibrated = CalibratedClassifierCV(
        model, method="sigmoid", cv=folds, ensemble=not is_explained
    )
    prepare = _columns(numeric, categorical, for_trees=name != "logistic")
    return Pipeline([("prepare", prepare), ("model", calibrated)])


def _logistic(signs: list[int]) -> Any:
    from ml.churn.signed_logistic import SignedLogistic

    return SignedLogistic(C=0.1, signs=signs)


def _boosting(signs: list[int], numeric: int, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        learning_rate=0.12,
        max_iter=60,
        max_leaf_nodes=5,
        min_samples_leaf=40,
        max_bins=64,
        l2_regularization=5.0,
        interaction_cst="no_interactions",
        monotonic_cst=signs,
        categorical_features=list(range(numeric, len(signs))),
        early_stopping=False,
        random_state=seed,
    )


def _columns(numeric: list[Any], categorical: list[Any], *, for_trees: bool) -> Any:
    """One output column per number; per category, one (trees) or one a value (logistic)."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import (
        FunctionTransformer,
        OneHotEncoder,
        OrdinalEncoder,
        StandardScaler,
    )

    if for_trees:  # they split on order alone and take missing values as they are
        numbers: Any = "passthrough"
        encoder: Any = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    else:
        numbers = Pipeline(
            [
                ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
                ("log", FunctionTransformer(signed_log)),
                ("scale", StandardScaler()),
            ]
        )
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    # One transformer per category, so that each output column can be traced to its feature.
    categories = [(f"category {column}", encoder, [column]) for column in categorical]
    return ColumnTransformer([("number", numbers, numeric), *categories], remainder="drop")


def fit(name: str, table: pd.DataFrame, label: pd.Series, *, seed: int) -> Pipeline:
    """Fit one candidate once, on everything given."""
    with steady_threads():
        return build(name, table, seed=seed).fit(table, label.to_numpy().astype(int))


def fit_base_rate(table: pd.DataFrame, label: pd.Series) -> Pipeline:
    """The baseline for a company too young to learn from: its own rate, pulled to the prior."""
    positives, rows = float(label.sum()), float(len(label))
    rate = (positives + PRIOR_RATE * PRIOR_WEIGHT) / (rows + PRIOR_WEIGHT)
    two_rows = pd.DataFrame(0.0, index=[0, 1], columns=list(table.columns))
    return build(BASELINE, two_rows, seed=0).fit(
        two_rows, np.array([0, 1]), model__sample_weight=np.array([1 - rate, rate])
    )


def probability(pipeline: Pipeline, table: pd.DataFrame) -> np.ndarray:
    """Probability of the positive class, shape (rows,)."""
    if len(table) == 0:
        return np.zeros(0)
    with steady_threads():
        return pipeline.predict_proba(table)[:, 1]
