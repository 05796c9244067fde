"""Score every paying customer's churn risk, and every customer's segments and lifetime value, as of one day.

A score is as of the start of a day that gold describes customers at (`as_of_date` 2025-07-01 knows all of 2025-06-30
and nothing later): the day gold was built for, unless another is asked for. Scoring a day again with the same model
gives the same rows; of each day the last scoring of each model is kept. History lives in `ops.duckdb`, so the
warehouse file can be thrown away; the tables of schema ml are made from it and hold, of each day, the rows of the
newest model.

Reads: gold (through `ml.features`, `ml.churn.labels`), the registry's model in use.
Writes: ops.score_history, ops.segment_history, ops.ltv_history, ops.cohort_ltv_history; of each ml.<table>.
Run: `warehouse score`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml import outlook, registry
from ml.features import snapshot_of
from ml.histories import History, write
from ml.segmentation.assignment import customer_segments, gather
from warehouse.duck import connect
from warehouse.locks import hold

if TYPE_CHECKING:
    from warehouse.settings import Settings

BANDS = ((0.2, "Low"), (0.5, "Medium"), (0.8, "High"))
FACTORS = 3
END_SET = "end_already_set"
BASE_RATE = "base_rate"

_FACTOR_COLUMNS = "".join(
    f"factor_{n}_name varchar, factor_{n}_value varchar, factor_{n}_contribution double, "
    for n in range(1, FACTORS + 1)
)
# The columns of both histories; the tables of schema ml add is_latest.
CHURN_COLUMNS = f"""
    id varchar, customer_id varchar, as_of_date date, model_version varchar, model_kind varchar,
    is_fallback boolean, churn_probability double, risk_band varchar, is_end_already_set boolean,
    {_FACTOR_COLUMNS} recommended_action varchar,
    currency varchar, mrr_minor decimal(28, 6), mrr_at_risk_minor decimal(28, 6),
    reporting_currency varchar, mrr_reporting_minor decimal(28, 6),
    mrr_at_risk_reporting_minor decimal(28, 6), model_sequence bigint
"""
SEGMENT_COLUMNS = """
    id varchar, customer_id varchar, as_of_date date, model_version varchar, cluster_segment varchar,
    rule_segment varchar, calls_7d bigint, calls_30d bigint, active_days_30d bigint, features_used_30d bigint,
    feature_adoption_30d double, days_silent bigint, days_since_signup bigint, calls_trend_30d double,
    is_paid boolean, reporting_currency varchar, mrr_reporting_minor decimal(28, 6),
    lifetime_value_reporting_minor decimal(28, 6), model_sequence bigint
"""
DRIFT_COLUMNS = """
    id varchar, as_of_date date, model_version varchar, feature_name varchar, psi double, drift_level varchar,
    model_sequence bigint
"""
TABLES = {
    "feature_drift": History("drift_history", DRIFT_COLUMNS, ("feature_name",)),
    "customer_churn_scores": History("score_history", CHURN_COLUMNS),
    "customer_segments": History("segment_history", SEGMENT_COLUMNS),
    **outlook.TABLES,
}


@dataclass(frozen=True)
class ScoreReport:
    """What one scoring wrote.

    Attributes:
        as_of_date: The day scored.
        model_version: Churn model used.
        is_fallback: The model is the base rate alone.
        customers_scored: Paying customers with a score.
        customers_segmented: All customers.
        bands: Customers per risk band.
        mrr_at_risk_reporting_minor: sum of probability times MRR in the reporting currency.
        most_drifted_feature, most_drifted_psi: Feature that lies furthest from the training rows, and how far; None
            for the base rate, which has no features.
    """

    as_of_date: date
    model_version: str
    is_fallback: bool
    customers_scored: int
    customers_segmented: int
    bands: dict[str, int]
    mrr_at_risk_reporting_minor: float
    most_drifted_feature: str | None
    most_drifted_psi: float | None

    def figures(self) -> dict[str, Any]:
        """One level of plain values, for logs and Airflow."""
        told = {**vars(self), "as_of_date": self.as_of_date.isoformat()}
        return {"customers": self.customers_scored, **told}


def score(settings: Settings, as_of: datetime | date | None = None) -> ScoreReport:
    """Score an instant with the model in use, and rewrite the tables of schema ml from the history.

    Args:
        settings: Says where the warehouse is.
        as_of: Day to score (of an instant, its UTC day); the one gold was built for if None.

    Trains first when there is no model yet.
    """
    churn_model, segment_model = _models(settings)
    outlook_models = outlook.models(settings)
    with hold(settings.warehouse_db, what="reading features", timeout=settings.lock_timeout):
        con = connect(settings.warehouse_db, read_only=True, threads=settings.threads)
        try:
            moment, day = snapshot_of(con, _day(as_of))
            rows = gather(con, moment).assign(as_of_date=day)
            gathered = outlook.gather(con, moment, day)
        finally:
            con.close()
    scores = churn_scores(rows, churn_model, settings.reporting_currency)
    segments = customer_segments(rows, segment_model, settings.reporting_currency)
    tables = {
        "customer_churn_scores": scores,
        "customer_segments": segments,
        "feature_drift": feature_drift(rows, churn_model),
    }
    tables |= outlook.tables(gathered, scores, outlook_models, day=day, settings=settings)
    write(settings, TABLES, tables, day)
    drifted = tables["feature_drift"].sort_values("psi", ascending=False, kind="stable").head(1)
    return ScoreReport(
        as_of_date=day,
        model_version=churn_model.version,
        is_fallback=churn_model.status == "fallback",
        customers_scored=len(scores),
        customers_segmented=len(segments),
        bands={name: int((scores["risk_band"] == name).sum()) for name in risk_band_names()},
        mrr_at_risk_reporting_minor=float(scores["mrr_at_risk_reporting_minor"].sum()),
        most_drifted_feature=str(drifted["feature_name"].iloc[0]) if len(drifted) else None,
        most_drifted_psi=float(drifted["psi"].iloc[0]) if len(drifted) else None,
    )


def _day(as_of: datetime | date | None) -> date | None:
    return as_of.astimezone(UTC).date() if isinstance(as_of, datetime) else as_of


def risk_band(probability: float) -> str:
    """Band of a probability, lower edge inclusive (METRICS.md §6)."""
    return next((name for edge, name in BANDS if probability < edge), "Critical")


def risk_band_names() -> list[str]:
    """All bands from low to critical."""
    return [name for _, name in BANDS] + ["Critical"]


def _models(settings: Settings) -> tuple[registry.Model, registry.Model | None]:
    churn = registry.champion(settings, "churn")
    if churn is None:
        from ml.churn.training import train

        churn = train(settings).churn
    segments = registry.champion(settings, "segments")
    return (
        registry.load(settings, churn),
        None if segments is None else registry.load(settings, segments),
    )


def churn_scores(
    rows: pd.DataFrame, model: registry.Model, reporting_currency: str
) -> pd.DataFrame:
    """Scores of the paying customers among the rows, in the order of customer_id."""
    from ml.churn import models, reasons

    paying = rows[rows["mrr_minor"].notna()].sort_values("customer_id").reset_index(drop=True)
    table = paying[model.features]
    is_end_set = paying["is_end_set"].astype(bool).to_numpy()
    probability = np.round(models.probability(model.pipeline, table), 6)
    probability[is_end_set] = 1.0
    result = pd.DataFrame(
        {
            "customer_id": paying["customer_id"],
            "as_of_date": paying["as_of_date"],
            "model_version": model.version,
            "model_kind": model.kind,
            "is_fallback": model.status == "fallback",
            "churn_probability": probability,
            "risk_band": [risk_band(value) for value in probability],
            "is_end_already_set": is_end_set,
        }
    )
    names: list[list[str | None]] = [[None] * FACTORS for _ in range(len(paying))]
    values, weights = [row[:] for row in names], [row[:] for row in names]
    contributions = _contributions(model, table)
    for position in range(len(paying)):
        if is_end_set[position] or contributions.shape[1] == 0:
            names[position][0] = END_SET if is_end_set[position] else BASE_RATE
            continue
        own = contributions.iloc[position]
        strongest = own.abs().sort_values(ascending=False, kind="stable").index[:FACTORS]
        for place, name in enumerate(strongest):
            names[position][place] = name
            values[position][place] = _told(paying.at[position, name])
            weights[position][place] = round(float(own[name]), 6)
    for place in range(FACTORS):
        result[f"factor_{place + 1}_name"] = [row[place] for row in names]
        result[f"factor_{place + 1}_value"] = [row[place] for row in values]
        result[f"factor_{place + 1}_contribution"] = [row[place] for row in weights]
    result["recommended_action"] = [
        reasons.recommended_action(
            [n for n, w in zip(own, signs, strict=True) if w is not None and w > 0],
            value,
            is_end_set=bool(ended),
        )
        for own, signs, value, ended in zip(names, weights, probability, is_end_set, strict=True)
    ]
    result["currency"] = paying["currency"]
    result["mrr_minor"] = paying["mrr_minor"]
    result["mrr_at_risk_minor"] = (paying["mrr_minor"].astype(float) * probability).round(6)
    result["reporting_currency"] = reporting_currency
    result["mrr_reporting_minor"] = paying["mrr_reporting_minor"]
    result["mrr_at_risk_reporting_minor"] = (
        paying["mrr_reporting_minor"].astype(float) * probability
    ).round(6)
    return result


def feature_drift(rows: pd.DataFrame, model: registry.Model) -> pd.DataFrame:
    """How far the paying customers have drifted from those of the training; no rows for the base rate."""
    from ml.churn import drift, models

    paying = rows[rows["mrr_minor"].notna() & rows["is_end_set"].ne(True)]
    kept = model.details.get("reference", {}) if len(paying) else {}
    found = drift.stability(models.prepare_table(paying[list(kept)]), kept)
    found.insert(0, "as_of_date", rows["as_of_date"].iloc[0] if len(rows) else None)
    found.insert(1, "model_version", model.version)
    return found


def _contributions(model: registry.Model, table: pd.DataFrame) -> pd.DataFrame:
    from ml.churn import reasons

    if not model.details.get("centres") or table.empty:
        return pd.DataFrame(index=table.index)
    anchor = pd.DataFrame([model.details["anchor"]])[list(table.columns)].astype(
        table.dtypes.to_dict()
    )
    parts = reasons.anchored_terms(model.pipeline, table, anchor)
    return parts - pd.Series(model.details["centres"])[list(parts.columns)]


def _told(value: Any) -> str:
    if value is None or pd.isna(value):
        return "none"
    return value if isinstance(value, str) else f"{value:.4g}"
