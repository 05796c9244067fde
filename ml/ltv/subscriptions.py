"""Lifetime value of subscribers: learn from who stayed, say per customer and cohort what was earned and what will be.

Value = what was earned so far + what MRR and billed usage will bring within five years, both times the gross margin, in
the reporting currency. Not discounted. Who doesn't pay now is expected to bring nothing more.

Reads: gold (through `ml.ltv.panel`), the registry. Writes: the registry.
Run: by `warehouse train` and `warehouse score`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml import registry
from ml.ltv import futures, hazards, panel
from ml.ltv.hazards import PERIOD_DAYS
from warehouse import clock
from warehouse.duck import connect
from warehouse.locks import hold

if TYPE_CHECKING:
    import duckdb

    from warehouse.settings import Settings

NAME = "ltv"
SEED = 20250702
STEP = timedelta(days=PERIOD_DAYS)
MAX_PERIODS = 60
MIN_LEFT = 10
YEAR_PERIODS = 12  # of 30 days: the year that is held out
MIN_PANEL_PERIODS = 4
TERMS = ["tier", "tenure_days", "period_days", "days_to_renewal"]
COLUMNS = [*TERMS, "mrr_reporting_minor", "is_end_set", "churns"]


def train(settings: Settings) -> registry.Model:
    """Fit hazards and changes on every settled period; nothing happens where the same data was learned from before."""
    now = clock.now(settings)
    with hold(settings.warehouse_db, what="reading who stayed", timeout=settings.lock_timeout):
        con = connect(settings.warehouse_db, read_only=True, threads=settings.threads)
        try:
            instants = training_instants(con, now)
            seen = panel.paying(con, instants or [_midnight(now)])
        finally:
            con.close()
    # of the present instant nothing is settled
    seen = seen if instants else seen.iloc[:0]
    version = registry.version_of(NAME, seen[[*panel.KEYS, *COLUMNS]], SEED)
    known = registry.settled(settings, NAME, version)
    if known is not None:
        return known
    left = int(seen["churns"].sum())
    is_enough = left >= MIN_LEFT
    model = registry.Model(
        name=NAME, version=version, kind="hazards", status="promoted" if is_enough else "fallback",
        reason=f"{left} of {len(seen)} customer-periods of 30 days ended in leaving"
        + ("" if is_enough else f": too few to tell customers apart (needs {MIN_LEFT})"),
        trained_as_of=_naive(now),
        data_from=seen["as_of"].min().to_pydatetime() if len(seen) else None,
        data_to=seen["as_of"].max().to_pydatetime() if len(seen) else None,
        training_rows=len(seen), features=TERMS, metrics=back_test(seen), details={}, seed=SEED,
        pipeline=fitted(seen),
    )  # fmt: skip
    return registry.register(settings, model, now=now)


def training_instants(con: duckdb.DuckDBPyConnection, now: datetime) -> list[datetime]:
    """Instants 30 days apart, the newest being the last whose churn is settled."""
    from ml.churn import labels

    first = con.execute("select min(occurred_at) from gold.fact_mrr_movements").fetchone()[0]
    if first is None:
        return []
    last = _midnight(labels.settled_until(con, now)) - STEP
    steps = [last - STEP * number for number in range(MAX_PERIODS)]
    return sorted(step for step in steps if step > first.replace(tzinfo=UTC))


def fitted(seen: pd.DataFrame) -> dict[str, Any]:
    """The parameters, as plain values."""
    return {
        "hazards": hazards.fit(seen).as_dict(),
        "changes": futures.changes(seen).as_dict(),
    }


def back_test(seen: pd.DataFrame) -> dict[str, Any]:
    """Predict the MRR of the newest 360 days from what was known before, and compare.

    Beside it stands METRICS.md's formula: everyone leaves at the mean rate of the six periods before. Without churn
    scores: none was made then. Empty where the company is too young.
    """
    instants = sorted(seen["as_of"].unique())
    if len(instants) < YEAR_PERIODS + MIN_PANEL_PERIODS:
        return {}
    start = instants[-YEAR_PERIODS]
    # what was settled by then
    known = seen[seen["as_of"] < start]
    rows = seen[seen["as_of"] == start].reset_index(drop=True)
    if known["churns"].sum() < MIN_LEFT or rows.empty:
        return {}
    model = fitted(known)
    rows = rows.assign(churn_probability=np.nan, monthly_value=rows["mrr_reporting_minor"].astype(float))  # fmt: skip
    told = futures.simulate(
        rows, hazards.Hazards.of(model["hazards"]), futures.Changes.of(model["changes"]), seed=SEED
    )  # fmt: skip
    after = seen[seen["as_of"] >= start]
    # the newest period is settled, but its end is not in the panel: paying at its begin counts half where he left
    weights = np.where(after["churns"], 0.5, 1.0) * futures.PER_PERIOD
    paid = (after["mrr_reporting_minor"].astype(float) * weights).groupby(after["customer_id"]).sum()  # fmt: skip
    actual = rows["customer_id"].map(paid).fillna(0.0).to_numpy(float)
    scale = YEAR_PERIODS * PERIOD_DAYS / 365
    low, high = futures.interval(told.drawn_12m * scale)
    expected = told.value_12m * scale
    recent = known[known["as_of"] >= start - 6 * pd.Timedelta(days=PERIOD_DAYS)]
    rate = float(recent["churns"].mean())
    months = (1 - (1 - rate) ** YEAR_PERIODS) / rate * futures.PER_PERIOD if rate else YEAR_PERIODS
    formula = rows["monthly_value"].to_numpy() * months
    total_low, total_high = futures.interval(told.drawn_12m.sum(axis=0) * scale)
    return {
        "from": str(pd.Timestamp(start).date()),
        "customers": len(rows),
        "total_expected_to_actual": float(expected.sum() / actual.sum()),
        "total_inside_interval": bool(total_low <= actual.sum() <= total_high),
        "share_inside_interval": float(((low <= actual + 0.5) & (actual - 0.5 <= high)).mean()),
        "mean_absolute_error_minor": float(np.abs(expected - actual).mean()),
        "formula_total_to_actual": float(formula.sum() / actual.sum()),
        "formula_mean_absolute_error_minor": float(np.abs(formula - actual).mean()),
    }


def gather(con: duckdb.DuckDBPyConnection, moment: datetime) -> pd.DataFrame:
    """One row per customer known at an instant; those who pay have terms and MRR."""
    return panel.customers(con, moment).merge(
        panel.paying(con, [moment]).drop(columns=["as_of", "churns"]), on="customer_id", how="left"
    )


def values(
    rows: pd.DataFrame, scores: pd.DataFrame, model: registry.Model, *, day: Any, settings: Settings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Value per customer, and per cohort, in the order of their keys.

    Args:
        rows: As `gather` returns them.
        scores: Churn scores of the same instant: customer_id, churn_probability.
        model: The registry's, with its parameters.
        day: The day scored.
        settings: Reporting currency and gross margin.

    Returns:
        The rows of ml.customer_ltv and of ml.cohort_ltv, money in minor units.
    """
    rows = rows.sort_values("customer_id", kind="stable").reset_index(drop=True)
    pays = rows["mrr_reporting_minor"].notna()
    here = rows[pays].merge(scores[["customer_id", "churn_probability"]], on="customer_id", how="left")  # fmt: skip
    usage = here["usage_per_month_minor"].clip(lower=0)
    here["monthly_value"] = here["mrr_reporting_minor"].astype(float) + usage
    told = futures.simulate(
        here, hazards.Hazards.of(model.pipeline["hazards"]), futures.Changes.of(model.pipeline["changes"]),
        seed=model.seed,
    )  # fmt: skip
    margin = settings.gross_margin
    low, high = futures.interval(told.drawn)
    low_12m, high_12m = futures.interval(told.drawn_12m)
    future = pd.DataFrame(
        {
            "customer_id": here["customer_id"],
            "churn_probability": here["churn_probability"],
            "tenure_months": here["tenure_days"] * 12 / 365,
            "survival_12m": told.survival_12m,
            "expected_lifetime_months": told.lifetime_months,
            "monthly_value_reporting_minor": here["monthly_value"] * margin,
            "predicted_12m_reporting_minor": told.value_12m * margin,
            "predicted_12m_low_reporting_minor": low_12m * margin,
            "predicted_12m_high_reporting_minor": high_12m * margin,
            "predicted_reporting_minor": told.value * margin,
            "predicted_low_reporting_minor": low * margin,
            "predicted_high_reporting_minor": high * margin,
        }
    )
    table = rows[["customer_id"]].merge(future, on="customer_id", how="left")
    money = [name for name in table.columns if name.endswith("_reporting_minor")]
    none = [*money, "survival_12m", "expected_lifetime_months"]
    table[none] = table[none].fillna(0.0)
    table["earned_reporting_minor"] = rows["earned_minor"].astype(float) * margin
    table = _rounded(table)
    for part in ("", "_low", "_high"):
        table[f"ltv{part}_reporting_minor"] = (
            table["earned_reporting_minor"] + table[f"predicted{part}_reporting_minor"]
        )
    table.insert(1, "as_of_date", day)
    table.insert(2, "model_version", model.version)
    table.insert(3, "customer_state", _states(rows))
    table.insert(4, "tier", rows["tier"])
    table.insert(5, "cohort_month", rows["cohort_month"])
    table.insert(6, "reporting_currency", settings.reporting_currency)
    cohorts = _cohorts(table, pays, told.drawn * margin)
    return table, _rounded(cohorts)


def _states(rows: pd.DataFrame) -> pd.Series:
    return pd.Series(
        np.select(
            [rows["is_end_set"].eq(True), rows["mrr_reporting_minor"].notna(), rows["cohort_month"].notna()],
            ["ending", "paying", "lost"],
            default="never_paid",
        ),
        index=rows.index,
    )  # fmt: skip


def _cohorts(table: pd.DataFrame, pays: pd.Series, drawn: np.ndarray) -> pd.DataFrame:
    """Sums by month of first MRR; the interval is that of the sum's draws, not the sum of intervals."""
    parts = []
    position = np.cumsum(pays.to_numpy()) - 1
    for month, members in table[table["cohort_month"].notna()].groupby("cohort_month", sort=True):
        paying = members.index[pays.loc[members.index]]
        low, high = futures.interval(drawn[position[paying]].sum(axis=0))
        earned = members["earned_reporting_minor"].sum()
        predicted = members["predicted_reporting_minor"].sum()
        parts.append(
            {
                "cohort_month": month,
                "as_of_date": members["as_of_date"].iloc[0],
                "model_version": members["model_version"].iloc[0],
                "reporting_currency": members["reporting_currency"].iloc[0],
                "cohort_customers": len(members),
                "paying_customers": len(paying),
                "earned_reporting_minor": earned,
                "predicted_reporting_minor": predicted,
                "predicted_low_reporting_minor": float(low),
                "predicted_high_reporting_minor": float(high),
                "ltv_reporting_minor": earned + predicted,
                "ltv_per_customer_reporting_minor": (earned + predicted) / len(members),
            }
        )
    return pd.DataFrame(parts, columns=COHORT_COLUMNS)


COHORT_COLUMNS = [
    "cohort_month", "as_of_date", "model_version", "reporting_currency", "cohort_customers", "paying_customers",
    "earned_reporting_minor", "predicted_reporting_minor", "predicted_low_reporting_minor",
    "predicted_high_reporting_minor", "ltv_reporting_minor", "ltv_per_customer_reporting_minor",
]  # fmt: skip


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Money to the minor unit, all else to six places: sums of another order give the same row."""
    numbers = table.select_dtypes("float").columns
    places = {name: 0 if name.endswith("_reporting_minor") else 6 for name in numbers}
    return table.round(places)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
