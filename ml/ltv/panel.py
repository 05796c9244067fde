"""What lifetime value is learned from and computed of: customers at instants, point-in-time.

Reads: gold.dim_customers, dim_customers_history, fact_mrr_movements, fact_revenue, and what `ml.churn.labels` reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from ml.churn import labels

if TYPE_CHECKING:
    import duckdb

KEYS = ["customer_id", "as_of"]

# The tier then, and the periods that were billed by then of what a customer pays for.
_TERMS = """
    with

    -- when a stretch of paying began
    begun as (

        select customer_id, occurred_at as paying_since
        from gold.fact_mrr_movements
        where movement_type in ('new', 'reactivation')
        group by customer_id, occurred_at

    ),

    billed as (

        select customer_id, processed_at, max_by(billing_period_end, billing_period_end) as period_end,
            max_by(date_diff('day', billing_period_start, billing_period_end), billing_period_end) as period_days,
        from gold.fact_revenue
        where entry_type = 'line' and revenue_type = 'subscription' and not is_proration
        group by customer_id, processed_at

    )

    select
        payer.customer_id,
        payer.as_of,
        date_diff('second', begun.paying_since, payer.as_of) / 86400.0 as tenure_days,
        coalesce(tiers.tier, 'unknown') as tier,
        billed.period_days,
        date_diff('second', payer.as_of, billed.period_end) / 86400.0 as days_to_renewal,
    from payer
    asof left join begun
        on payer.customer_id = begun.customer_id and payer.as_of >= begun.paying_since
    asof left join billed
        on payer.customer_id = billed.customer_id and payer.as_of >= billed.processed_at
    asof left join gold.dim_customers_history as tiers
        on payer.customer_id = tiers.customer_id and payer.as_of >= tiers.valid_from
    order by payer.customer_id, payer.as_of
"""

# A line is earned evenly over its period; a reversal at once for what has elapsed of it. At the rate of its own day.
_CUSTOMERS = """
    with

    earned as (

        select
            customer_id,
            sum(
                amount_reporting_minor * case
                    when billing_period_end > billing_period_start then least(1.0, greatest(0.0,
                        date_diff('second', billing_period_start, $1::timestamp)
                        / date_diff('second', billing_period_start, billing_period_end)
                    ))
                    else 1.0
                end
            ) as earned_minor,
            sum(amount_reporting_minor) filter (
                where revenue_type = 'usage' and processed_at > $1::timestamp - interval 91 day
            ) / 3.0 as usage_per_month_minor,
        from gold.fact_revenue
        where processed_at <= $1::timestamp
        group by customer_id

    ),

    first_paid as (

        select customer_id, min(occurred_at) as first_mrr_at
        from gold.fact_mrr_movements
        where occurred_at <= $1::timestamp
        group by customer_id

    )

    select
        customers.customer_id,
        coalesce(earned.earned_minor, 0.0) as earned_minor,
        coalesce(earned.usage_per_month_minor, 0.0) as usage_per_month_minor,
        date_trunc('month', first_paid.first_mrr_at)::date as cohort_month,
    from gold.dim_customers as customers
    left join earned using (customer_id)
    left join first_paid using (customer_id)
    where
        customers.signup_date <= $1::timestamp
        or first_paid.customer_id is not null
        or earned.customer_id is not null
    order by customers.customer_id
"""


def paying(con: duckdb.DuckDBPyConnection, as_of: Sequence[datetime]) -> pd.DataFrame:
    """Everyone with MRR at each instant, and the terms on which he pays.

    Returns:
        DataFrame: what `labels.population` gives, tenure_days (of the present stretch), tier, period_days of the newest
        billed period and days_to_renewal, its end from the instant on; both missing where nothing was billed yet.
    """
    population = labels.population(con, as_of)
    con.register("payer", population[KEYS])
    terms = con.execute(_TERMS).df()
    con.unregister("payer")
    terms["as_of"] = terms["as_of"].astype("datetime64[us]")
    return population.merge(terms, on=KEYS, how="left")


def customers(con: duckdb.DuckDBPyConnection, as_of: datetime) -> pd.DataFrame:
    """Every customer known at an instant.

    Returns:
        DataFrame: customer_id, earned_minor (net revenue earned by then) and usage_per_month_minor (mean of three
        months), both in the reporting currency; cohort_month, missing where he never paid.
    """
    return con.execute(_CUSTOMERS, [_naive(as_of)]).df()


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
