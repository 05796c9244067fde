"""Behavioural clusters: k-means with k = 5, named from the centroids by a stated rule.

The rule works on the centroids in scaled units, where 0 is the mean customer:
    1. Hibernating: the cluster silent for longest.
    2. Champions: of the rest, the highest engagement (mean of calls, active days, feature adoption
       and MRR).
    3. Potential Loyalists: of the rest, the newest by days since signup.
    4. At Risk: of the last two, the one with less engagement and trend of calls (their sum); Loyal
       Customers: the other one.
So a name depends on what the members do, never on the number k-means gave the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.churn.models import signed_log, steady_threads

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

CHAMPIONS, LOYAL, POTENTIAL = "Champions", "Loyal Customers", "Potential Loyalists"
AT_RISK, HIBERNATING = "At Risk", "Hibernating"
CLUSTER_SEGMENTS = (CHAMPIONS, LOYAL, POTENTIAL, AT_RISK, HIBERNATING)
UNCLASSIFIED = "Unclassified"  # a company with too few customers for five clusters
MIN_CUSTOMERS = 25
ENOUGH = 1.1

INPUTS = (
    "days_silent",
    "calls_30d",
    "active_days_30d",
    "feature_adoption_30d",
    "mrr_reporting",
    "calls_trend_30d",
    "days_since_signup",
)
ENGAGEMENT = ("calls_30d", "active_days_30d", "feature_adoption_30d", "mrr_reporting")
LOGGED = ("days_silent", "calls_30d", "mrr_reporting")
TREND_LIMIT = 1.0  # a log ratio; a newcomer's first month is no stronger trend than that


def inputs(features: pd.DataFrame) -> pd.DataFrame:
    """The clustering's inputs from a table of `ml.features`; nothing missing."""
    table = features.copy()
    table["days_silent"] = days_silent(table)
    table["calls_trend_30d"] = table["calls_trend_30d"].clip(-TREND_LIMIT, TREND_LIMIT)
    return table[list(INPUTS)].astype("float64").fillna(0.0)


def days_silent(features: pd.DataFrame) -> pd.Series:
    """Days since the last call; since signup for a customer that never called."""
    return features["days_since_last_call"].fillna(features["days_since_signup"])


def fit(table: pd.DataFrame, *, seed: int, starts: int = 40) -> tuple[Pipeline, dict[str, str]]:
    """Fit scaling and k-means once.

    Args:
        table: As `inputs` returns it, one row per customer.
        seed: Random state of the starts.
        starts: Forty make the result the same for nearly any seed.

    Returns:
        The pipeline, and the name of each cluster by its number (as text, for JSON).
    """
    from sklearn.cluster import KMeans
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    logged = ColumnTransformer(
        [("log", FunctionTransformer(signed_log), list(LOGGED))],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    pipeline = Pipeline(
        [
            ("log", logged),
            ("scale", StandardScaler()),
            ("k_means", KMeans(n_clusters=len(CLUSTER_SEGMENTS), n_init=starts, random_state=seed)),
        ]
    )
    with steady_threads():
        pipeline.fit(table)
    order = list(pipeline.named_steps["log"].get_feature_names_out())
    centroids = pd.DataFrame(pipeline.named_steps["k_means"].cluster_centers_, columns=order)
    return pipeline, {str(number): name for number, name in enumerate(names(centroids))}


def names(centroids: pd.DataFrame) -> list[str]:
    """Name five centroids by the rule above, in the order given."""
    left = list(centroids.index)
    chosen: dict[Any, str] = {}

    def take(name: str, measure: pd.Series) -> None:
        best = measure.loc[left].idxmax()
        chosen[best] = name
        left.remove(best)

    engagement = centroids[list(ENGAGEMENT)].mean(axis=1)
    take(HIBERNATING, centroids["days_silent"])
    take(CHAMPIONS, engagement)
    take(POTENTIAL, -centroids["days_since_signup"])
    take(AT_RISK, -(engagement + centroids["calls_trend_30d"]))
    take(LOYAL, engagement)
    return [chosen[position] for position in centroids.index]


def assign(
    pipeline: Pipeline | None, names_by_number: dict[str, str], table: pd.DataFrame
) -> pd.Series:
    """Name of each row's cluster; `Unclassified` where no clustering was possible."""
    if pipeline is None or table.empty:
        return pd.Series(UNCLASSIFIED, index=table.index, name="cluster_segment", dtype="object")
    with steady_threads():
        numbers = pipeline.predict(table)
    return pd.Series(
        [names_by_number[str(n)] for n in numbers], index=table.index, name="cluster_segment"
    )


def still_fits(in_use: Pipeline, table: pd.DataFrame, fresh: Pipeline) -> bool:
    """Whether the clusters in use describe a day nearly as well as fresh ones: then they, and their names, are kept.

    Both are measured in the scaling in use: the mean squared distance to the nearest centroid may lie `ENOUGH` above
    that of the fresh clusters' members to their own means.
    """
    with steady_threads():
        scaled = np.asarray(in_use[:-1].transform(table))
        kept = (in_use[-1].transform(scaled).min(axis=1) ** 2).mean()
        numbers = pd.Series(fresh.predict(table))
    frame = pd.DataFrame(scaled)
    best = ((frame - frame.groupby(numbers).transform("mean")) ** 2).sum(axis=1).mean()
    return bool(kept <= ENOUGH * best)
