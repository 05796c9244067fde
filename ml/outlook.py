"""What customers will be worth: the part of scoring that looks ahead.

Reads: gold, the registry. Writes: nothing itself; `ml.scoring` keeps the tables that it returns.
Run: by `warehouse train` and `warehouse score`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from ml import registry
from ml.histories import History
from ml.ltv import subscriptions

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
TABLES = {
    "customer_ltv": History("ltv_history", LTV_COLUMNS),
    "cohort_ltv": History("cohort_ltv_history", COHORT_LTV_COLUMNS, ("cohort_month",)),
}


@dataclass(frozen=True)
class Gathered:
    """What is read of gold at an instant."""

    customers: pd.DataFrame


@dataclass(frozen=True)
class Models:
    """The models in use, with their parameters."""

    ltv: registry.Model


def train(settings: Settings) -> dict[str, registry.Model]:
    """Fit what looks ahead; the models now in use, by name."""
    return {subscriptions.NAME: subscriptions.train(settings)}


def models(settings: Settings) -> Models:
    """The models in use; where there is none yet, it is trained."""
    ltv = registry.champion(settings, subscriptions.NAME) or subscriptions.train(settings)
    return Models(ltv=registry.load(settings, ltv))


def gather(con: duckdb.DuckDBPyConnection, moment: datetime) -> Gathered:
    """Read all that an instant needs, so that the warehouse is held once."""
    return Gathered(customers=subscriptions.gather(con, moment))


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
    return {"customer_ltv": customers, "cohort_ltv": cohorts}
