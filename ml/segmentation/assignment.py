"""Both segments of every customer at an instant.

Reads: gold (through `ml.features` and `ml.churn.labels`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from ml import registry

if TYPE_CHECKING:
    import duckdb


def gather(con: duckdb.DuckDBPyConnection, moment: datetime) -> pd.DataFrame:
    """One row per customer: features, MRR, whether the end is set, and what the rules need."""
    from ml.churn import labels
    from ml.features import KEYS, features

    table = features(con, moment)
    paying = labels.population(con, [moment])
    extra = labels.segment_inputs(con, moment)
    return table.merge(paying, on=KEYS, how="left").merge(extra, on=KEYS, how="left")


def customer_segments(
    rows: pd.DataFrame, model: registry.Model | None, reporting_currency: str
) -> pd.DataFrame:
    """Both segments of every row, in the order of customer_id."""
    from ml.segmentation import clusters, rules

    rows = rows.sort_values("customer_id").reset_index(drop=True)
    rows = rows.assign(
        days_silent=clusters.days_silent(rows),
        is_paid=rows["mrr_minor"].notna(),
        lifetime_value=rows["lifetime_value_reporting_minor"].astype(float).fillna(0.0),
    )
    pipeline = model.pipeline if model else None
    named = model.details["names"] if model else {}

    def whole(name: str) -> pd.Series:
        return rows[name].fillna(0).round().astype("int64")

    return pd.DataFrame(
        {
            "customer_id": rows["customer_id"],
            "as_of_date": rows["as_of_date"],
            "model_version": model.version if model else "none",
            "cluster_segment": clusters.assign(pipeline, named, clusters.inputs(rows)),
            "rule_segment": rules.rule_segment(rows),
            "calls_7d": whole("calls_7d"),
            "calls_30d": whole("calls_30d"),
            "active_days_30d": whole("active_days_30d"),
            "features_used_30d": whole("features_used_30d"),
            "feature_adoption_30d": rows["feature_adoption_30d"].fillna(0.0).round(6),
            "days_silent": whole("days_silent"),
            "days_since_signup": whole("days_since_signup"),
            "calls_trend_30d": rows["calls_trend_30d"].fillna(0.0).round(6),
            "is_paid": rows["is_paid"],
            "reporting_currency": reporting_currency,
            "mrr_reporting_minor": rows["mrr_reporting_minor"].astype(float).fillna(0.0).round(6),
            "lifetime_value_reporting_minor": rows["lifetime_value"].round(6),
        }
    )
