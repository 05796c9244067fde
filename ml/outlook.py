"""What customers will be worth and where they move, and what the company will be: the part of scoring that looks ahead.

Reads: gold, the registry. Writes: nothing itself; `ml.scoring` keeps the tables that it returns.
Run: by `warehouse train` and `warehouse score`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ml import registry
from ml.forecasting import company
from ml.histories import History
from ml.ltv import subscriptions
from ml.segmentation import transitions

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from warehouse.settings import Settings

LTV_COLUMNS = """
    id varchar, customer_id varchar, as_of_date date, model_version varchar, customer_state varchar, tier varchar,
    cohort_month date, reporting_currency varchar, churn_probability double, tenure_months double,
    survival_12m double, expected_lifetime_months double, monthly_value_reporting_minor decimal(28, 6),
    predicted_12m_reporting_minor decimal(28, 6), predicted_12m_low_reporting_minor decimal(28, 6),
    predicted_12m_high_reporting_minor decimal(28, 6), predicted_reporting_minor decimal(28, 6),
    predicted_low_reporting_minor decimal(28, 6), predicted_high_reporting_minor decimal(28, 6),
    earned_reporting_minor decimal(28, 6), ltv_reporting_minor decimal(28, 6),
    ltv_low_reporting_minor decimal(28, 6), ltv_high_reporting_minor decimal(28, 6), model_sequence bigint
"""
COHORT_LTV_COLUMNS = """
    id varchar, cohort_month date, as_of_date date, model_version varchar, reporting_currency varchar,
    cohort_customers bigint, paying_customers bigint, earned_reporting_minor decimal(28, 6),
    predicted_reporting_minor decimal(28, 6), predicted_low_reporting_minor decimal(28, 6),
    predicted_high_reporting_minor decimal(28, 6), ltv_reporting_minor decimal(28, 6),
    ltv_per_customer_reporting_minor decimal(28, 6), model_sequence bigint
"""
FORECAST_COLUMNS = """
    id varchar, metric varchar, target_on date, as_of_date date, model_version varchar, method varchar,
    is_fallback boolean, unit varchar, reporting_currency varchar, days_ahead bigint, baseline double,
    pessimistic double, optimistic double, model_sequence bigint
"""
BACKTEST_COLUMNS = """
    id varchar, metric varchar, method varchar, cutoff_on date, days_ahead bigint, as_of_date date,
    model_version varchar, is_chosen boolean, days bigint, actual_mean double, mean_absolute_error double,
    naive_error double, seasonal_naive_error double, share_inside double, model_sequence bigint
"""
TRANSITION_COLUMNS = """
    id varchar, scheme varchar, month_start_on date, from_segment varchar, to_segment varchar, as_of_date date,
    model_version varchar, customers bigint, from_customers bigint, probability_30d double, model_sequence bigint
"""
TABLES = {
    "customer_ltv": History("ltv_history", LTV_COLUMNS),
    "cohort_ltv": History("cohort_ltv_history", COHORT_LTV_COLUMNS, ("cohort_month",)),
    "segment_transitions": History(
        "segment_transition_history",
        TRANSITION_COLUMNS,
        ("scheme", "month_start_on", "from_segment", "to_segment"),
    ),
    "forecasts": History("forecast_history", FORECAST_COLUMNS, ("metric", "target_on")),
    "forecast_backtests": History(
        "forecast_backtest_history",
        BACKTEST_COLUMNS,
        ("metric", "method", "cutoff_on", "days_ahead"),
    ),
}


@dataclass(frozen=True)
class Gathered:
    """What is read of gold at an instant."""

    customers: pd.DataFrame
    days: pd.DataFrame


@dataclass(frozen=True)
class Models:
    """The models in use, with their parameters."""

    ltv: registry.Model
    forecasts: registry.Model
    transitions: registry.Model


def train(settings: Settings) -> dict[str, registry.Model]:
    """Fit what looks ahead; the models now in use, by name."""
    return {
        subscriptions.NAME: subscriptions.train(settings),
        company.NAME: company.train(settings),
        transitions.NAME: transitions.train(settings),
    }


def figures(trained: dict[str, registry.Model]) -> dict[str, Any]:
    """One level of plain values of what `train` returned, for logs and Airflow; what was not measured is missing."""
    told: dict[str, Any] = {f"{name}_version": model.version for name, model in trained.items()}
    for metric, found in trained[company.NAME].metrics.items():
        told |= {f"forecast_{metric}_{name}": value for name, value in found.items()}
    told |= {f"ltv_{name}": value for name, value in trained[subscriptions.NAME].metrics.items()}
    moves = trained[transitions.NAME].metrics
    return told | {f"segments_{name}": value for name, value in moves.items()}


def models(settings: Settings) -> Models:
    """The models in use; where there is none yet, it is trained."""
    ltv = registry.champion(settings, subscriptions.NAME) or subscriptions.train(settings)
    forecasts = registry.champion(settings, company.NAME) or company.train(settings)
    moves = registry.champion(settings, transitions.NAME) or transitions.train(settings)
    return Models(
        ltv=registry.load(settings, ltv),
        forecasts=registry.load(settings, forecasts),
        transitions=registry.load(settings, moves),
    )


def gather(con: duckdb.DuckDBPyConnection, moment: datetime, day: date) -> Gathered:
    """Read all that an instant, the beginning of a day, needs, so that the warehouse is held once."""
    return Gathered(customers=subscriptions.gather(con, moment), days=company.history(con, day))


def tables(
    gathered: Gathered, scores: pd.DataFrame, used: Models, *, day: date, settings: Settings
) -> dict[str, pd.DataFrame]:
    """The day's rows, by the names of `TABLES`.

    Args:
        gathered: As `gather` returns it.
        scores: Churn scores of the same instant.
        used: As `models` returns them.
        day: The day scored.
        settings: Reporting currency and gross margin.
    """
    customers, cohorts = subscriptions.values(
        gathered.customers, scores, used.ltv, day=day, settings=settings
    )
    told, tested = company.values(gathered.days, used.forecasts, day=day, settings=settings)
    return {
        "customer_ltv": customers,
        "cohort_ltv": cohorts,
        "segment_transitions": transitions.values(used.transitions, day=day),
        "forecasts": told,
        "forecast_backtests": tested,
    }
