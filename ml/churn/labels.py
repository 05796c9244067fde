"""Who can churn at an instant, whether they did within 30 days, and whose end was set already.

Label (METRICS.md §6): MRR above 0 at t and a churn movement in (t, t + 30 days].

Reads: gold.fact_mrr_movements, fact_subscription_events, fact_customer_months, fact_revenue,
fact_feature_usage, fact_api_usage, dim_date, complete_through.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from ml.features import use_cutoffs

if TYPE_CHECKING:
    import duckdb

# A churn is known only when no other subscription began within the grace of plan migrations.
SETTLING = timedelta(days=2)

_POPULATION = """
    with

    -- Minor units of the reporting currency for one minor unit, as gold itself valued MRR by the end of a day.
    valued as (

        select
            currency,
            case when is_complete then cast(month + interval 1 month as date) - 1 else last_day.on_date end as on_date,
            max(closing_mrr_reporting_minor / closing_mrr_minor) as rate,
        from gold.fact_customer_months
        cross join (select max(date_day) as on_date from gold.dim_date where is_complete) as last_day
        where closing_mrr_minor >= 1
        group by all
        union all
        select currency, date_partition as on_date, max(amount_reporting_minor / amount_minor) as rate
        from gold.fact_mrr_movements
        where abs(amount_minor) >= 1
        group by all

    ),

    rates as (

        select currency, on_date, max(rate) as rate
        from valued
        group by currency, on_date

    ),

    paying as (

        select
            member.customer_id,
            member.as_of,
            movements.currency,
            sum(movements.amount_minor) as mrr_minor,
            sum(movements.amount_reporting_minor) as moved_reporting_minor,
        from member
        inner join gold.fact_mrr_movements as movements
            on member.customer_id = movements.customer_id and movements.occurred_at <= member.as_of
        group by member.customer_id, member.as_of, movements.currency
        having sum(movements.amount_minor) > 0

    ),

    paying_valued as (

        select
            paying.customer_id,
            paying.as_of,
            paying.currency,
            paying.mrr_minor,
            cast(coalesce(paying.mrr_minor * rates.rate, moved_reporting_minor) as decimal(28, 6))
                as mrr_reporting_minor,
        from paying
        asof left join rates
            on paying.currency = rates.currency and cast(paying.as_of as date) > rates.on_date

    ),

    -- One row per customer: with several currencies, that of the largest part stands for it.
    customers as (

        select
            customer_id,
            as_of,
            arg_max(currency, (mrr_reporting_minor, currency)) as currency,
            arg_max(mrr_minor, (mrr_reporting_minor, currency)) as mrr_minor,
            sum(mrr_reporting_minor) as mrr_reporting_minor,
        from paying_valued
        group by customer_id, as_of

    ),

    leaving as (

        select distinct customers.customer_id, customers.as_of
        from customers
        inner join gold.fact_mrr_movements as movements
            on customers.customer_id = movements.customer_id
            and movements.movement_type = 'churn'
            and movements.occurred_at > customers.as_of
            and movements.occurred_at <= customers.as_of + interval 30 day

    ),

    subscriptions as (

        select
            customers.customer_id,
            customers.as_of,
            events.subscription_id,
            arg_max(events.status, (events.occurred_at, events.id)) as status,
            coalesce(
                arg_max(events.event_type, events.occurred_at)
                    filter (where events.event_type in ('cancel_requested', 'cancel_withdrawn'))
                = 'cancel_requested',
                false
            ) as is_ending,
        from customers
        inner join gold.fact_subscription_events as events
            on customers.customer_id = events.customer_id and events.occurred_at <= customers.as_of
        group by customers.customer_id, customers.as_of, events.subscription_id

    ),

    -- The end is set when no subscription goes on: each that runs is to end, or none runs and MRR is only held
    -- through the grace of a plan migration.
    ends as (

        select
            customer_id,
            as_of,
            count(*) filter (where status in ('active', 'past_due') and not is_ending) = 0 as is_end_set,
        from subscriptions
        group by customer_id, as_of

    )

    select
        customers.customer_id,
        customers.as_of,
        customers.currency,
        customers.mrr_minor,
        customers.mrr_reporting_minor,
        coalesce(ends.is_end_set, false) as is_end_set,
        leaving.customer_id is not null as churns,
    from customers
    left join leaving using (customer_id, as_of)
    left join ends using (customer_id, as_of)
    order by customers.customer_id, customers.as_of
"""

_SEGMENT_INPUTS = """
    with

    calls as (

        select customer_id, count(*) as active_calls_7d
        from gold.fact_api_usage
        where "timestamp" >= $1::timestamp - interval 7 day and "timestamp" < $1::timestamp and response_code < 400
        group by customer_id

    ),

    used as (

        select customer_id, count(distinct feature_name) as features_used_30d
        from gold.fact_feature_usage
        where first_used_at > $1::timestamp - interval 30 day and first_used_at <= $1::timestamp
        group by customer_id

    ),

    revenue as (

        select customer_id, sum(amount_reporting_minor) as lifetime_value_reporting_minor
        from gold.fact_revenue
        where processed_at <= $1::timestamp
        group by customer_id

    )

    select
        member.customer_id,
        member.as_of,
        coalesce(calls.active_calls_7d, 0) as active_calls_7d,
        coalesce(used.features_used_30d, 0) as features_used_30d,
        coalesce(revenue.lifetime_value_reporting_minor, 0) as lifetime_value_reporting_minor,
    from member
    left join calls using (customer_id)
    left join used using (customer_id)
    left join revenue using (customer_id)
    order by member.customer_id
"""


def population(con: duckdb.DuckDBPyConnection, as_of: Sequence[datetime]) -> pd.DataFrame:
    """Every customer with MRR above 0 at each instant.

    Returns:
        DataFrame: customer_id, as_of, currency, mrr_minor, mrr_reporting_minor, is_end_set, and
        `churns`, which is settled only for instants at least 30 days before `settled_until`.
    """
    use_cutoffs(con, as_of)
    frame = con.execute(_POPULATION).df()
    frame["as_of"] = frame["as_of"].astype("datetime64[us]")
    return frame


def settled_until(con: duckdb.DuckDBPyConnection, now: datetime) -> datetime:
    """The instant (aware) up to which gold's churns are final: no later than its movements are complete.

    Where Stripe failed for days, or gold is old, nobody has left since, as far as gold knows: that is no label. Without
    a word of gold about movements (Stripe is off) the clock alone tells.
    """
    [through] = con.execute(
        "select min(complete_through) from gold.complete_through where source = 'stripe' and stream = 'mrr_movements'"
    ).fetchone()
    by_the_clock = now.astimezone(UTC) - SETTLING
    return by_the_clock if through is None else min(by_the_clock, through.replace(tzinfo=UTC))


def empty() -> pd.DataFrame:
    """The population of no instant."""
    return pd.DataFrame(
        {
            "customer_id": pd.Series(dtype="object"),
            "as_of": pd.Series(dtype="datetime64[us]"),
            "is_end_set": pd.Series(dtype="bool"),
            "churns": pd.Series(dtype="bool"),
        }
    )


def segment_inputs(con: duckdb.DuckDBPyConnection, as_of: datetime) -> pd.DataFrame:
    """What the rule segments need beside the features: one row per customer."""
    use_cutoffs(con, [as_of])
    moment = con.execute("select as_of from cutoff").fetchone()[0]
    frame = con.execute(_SEGMENT_INPUTS, [moment]).df()
    frame["as_of"] = frame["as_of"].astype("datetime64[us]")
    return frame
