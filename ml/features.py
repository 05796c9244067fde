"""Features of customers as of given instants: the one function training and scoring share.

Point-in-time: a value at t is made from rows that had occurred by t. Usage, logins and feature use
are counted in whole UTC days that ended by t. A test garbles every later row and expects the same.

Reads: gold.dim_customers, dim_customers_history, dim_features, fact_api_usage, fact_feature_usage,
fact_support_tickets, fact_mrr_movements, fact_subscription_events,
fact_customer_health, fact_revenue.
Writes: temporary tables of its own connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import duckdb

KEYS = ["customer_id", "as_of"]

# What people read for each feature; the order is that of the table.
FEATURES: dict[str, str] = {
    "days_since_signup": "days since signup",
    "tier": "tier",
    "calls_7d": "calls in 7 days",
    "calls_30d": "calls in 30 days",
    "calls_trend_7d": "calls of the last 7 days against the 30 before (log ratio)",
    "calls_trend_30d": "calls of the last 30 days against the 30 before (log ratio)",
    "calls_against_usual": "calls of 30 days against the usual of 180 (log ratio)",
    "calls_per_seat_30d": "calls in 30 days per seat",
    "calls_per_mrr_30d": "calls in 30 days for the money (log ratio)",
    "active_days_30d": "days with calls in 30",
    "response_ms_30d": "mean response ms in 30 days",
    "error_rate_7d": "share of failed calls in 7 days",
    "error_rate_30d": "share of failed calls in 30 days",
    "days_since_last_call": "days since the last call",
    "days_since_last_login": "days since the last login",
    "login_days_30d": "days with logins in 30",
    "login_days_90d": "days with logins in 90",
    "feature_adoption_30d": "share of features used in 30 days",
    "features_used_90d": "features used in 90 days",
    "tickets_30d": "tickets in 30 days",
    "tickets_90d": "tickets in 90 days",
    "tickets_open": "open tickets",
    "mrr_reporting": "MRR in the reporting currency",
    "mrr_change_30d": "change of MRR in 30 days (share)",
    "mrr_change_90d": "change of MRR in 90 days (share)",
    "days_since_first_mrr": "days as a paying customer",
    "contractions_90d": "contractions in 90 days",
    "was_lost_before": "had churned before",
    "seats": "seats",
    "billing_interval_months": "months between bills",
    "days_to_period_end": "days to the next bill",
    "is_renewal_due_30d": "next bill within 30 days",
    "is_past_due": "payment past due",
    "payment_failures_90d": "payment failures in 90 days",
}
CATEGORICAL = ("tier",)

# What is known of a feature's effect: 1 never lowers the risk of leaving, -1 never raises it.
DIRECTIONS: dict[str, int] = {
    "days_since_signup": -1,
    "calls_7d": -1,
    "calls_30d": -1,
    "calls_trend_7d": -1,
    "calls_trend_30d": -1,
    "calls_against_usual": -1,
    "calls_per_seat_30d": -1,
    "calls_per_mrr_30d": -1,
    "active_days_30d": -1,
    "response_ms_30d": 1,
    "error_rate_7d": 1,
    "error_rate_30d": 1,
    "days_since_last_call": 1,
    "days_since_last_login": 1,
    "login_days_30d": -1,
    "login_days_90d": -1,
    "feature_adoption_30d": -1,
    "features_used_90d": -1,
    "tickets_30d": 1,
    "tickets_90d": 1,
    "tickets_open": 1,
    "mrr_change_30d": -1,
    "mrr_change_90d": -1,
    "days_since_first_mrr": -1,
    "contractions_90d": 1,
    "was_lost_before": 1,
    "is_renewal_due_30d": 1,
    "is_past_due": 1,
    "payment_failures_90d": 1,
}


def features(con: duckdb.DuckDBPyConnection, as_of: datetime | Sequence[datetime]) -> pd.DataFrame:
    """Features of every customer signed up by each instant.

    Args:
        con: The warehouse, open for reading or writing.
        as_of: One instant or several (aware, or naive meaning UTC).

    Returns:
        DataFrame: `customer_id`, `as_of` (naive UTC) and the columns of `FEATURES`, ordered by
        customer and instant. A value that does not exist (no call ever) is missing.
    """
    instants = [as_of] if isinstance(as_of, datetime) else list(as_of)
    use_cutoffs(con, instants)
    for name, query in _PARTS.items():
        con.execute(f"create or replace temp table {name} as {query}")
    frame = con.execute(_FINAL).df()
    frame["as_of"] = frame["as_of"].astype("datetime64[us]")
    for name in FEATURES:
        if name not in CATEGORICAL:
            frame[name] = frame[name].astype("float64")
    return frame[[*KEYS, *FEATURES]]


def use_cutoffs(con: duckdb.DuckDBPyConnection, instants: Sequence[datetime]) -> None:
    """Fill the temporary tables `cutoff` (one row per instant) and `member` (per customer)."""
    naive = sorted(
        {
            moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
            for moment in instants
        }
    )
    con.execute(
        "create or replace temp table cutoff as select unnest($1::timestamp[]) as as_of", [naive]
    )
    con.execute(f"create or replace temp table member as {_MEMBER}")


_MEMBER = """
    select
        customers.customer_id,
        cutoff.as_of,
        customers.signup_date,
    from gold.dim_customers as customers
    cross join cutoff
    where customers.signup_date <= cutoff.as_of
"""

_PARTS: dict[str, str] = {
    # One row per customer and day with calls: a million calls shrink to what the windows need.
    "usage_day": """
        select
            customer_id,
            cast("timestamp" as date) as on_date,
            count(*) as calls,
            count(*) filter (where response_code >= 400) as failed_calls,
            sum(response_time_ms) as response_ms,
        from gold.fact_api_usage
        group by customer_id, on_date
    """,
    "usage_window": """
        select
            member.customer_id,
            member.as_of,
            sum(calls) filter (where age <= 7) as calls_7d,
            sum(calls) filter (where age <= 30) as calls_30d,
            sum(calls) filter (where age > 7 and age <= 37) as calls_before_7d,
            sum(calls) filter (where age > 30 and age <= 60) as calls_before_30d,
            count(*) filter (where age <= 30) as active_days_30d,
            sum(failed_calls) filter (where age <= 7) as failed_7d,
            sum(failed_calls) filter (where age <= 30) as failed_30d,
            sum(response_ms) filter (where age <= 30) as response_ms_30d,
            sum(calls) as calls_180d,
            max(age) as days_since_first_call_180d,
        from member
        inner join (
            select usage_day.*, cutoff.as_of, date_diff('day', on_date, cast(cutoff.as_of as date)) as age
            from usage_day
            inner join cutoff
                on usage_day.on_date < cast(cutoff.as_of as date)
                and usage_day.on_date >= cast(cutoff.as_of as date) - 180
        ) as aged
            on member.customer_id = aged.customer_id and member.as_of = aged.as_of
        group by member.customer_id, member.as_of
    """,
    "usage_last": """
        select member.customer_id, member.as_of, usage_day.on_date as last_call_on
        from member
        asof join usage_day
            on member.customer_id = usage_day.customer_id and cast(member.as_of as date) > usage_day.on_date
    """,
    # Each day's health row carries the last login by its end: the distinct ones are a login a day.
    "login_day": """
        select customer_id, last_login_date, min(calculated_at) as known_at
        from gold.fact_customer_health
        where last_login_date is not null
        group by customer_id, last_login_date
    """,
    "login_window": """
        select
            member.customer_id,
            member.as_of,
            max(last_login_date) as last_login_date,
            count(*) filter (where last_login_date > member.as_of - interval 30 day) as login_days_30d,
            count(*) filter (where last_login_date > member.as_of - interval 90 day) as login_days_90d,
        from member
        inner join login_day
            on member.customer_id = login_day.customer_id and login_day.known_at <= member.as_of
        group by member.customer_id, member.as_of
    """,
    "feature_window": """
        select
            member.customer_id,
            member.as_of,
            count(distinct feature_name) filter (where first_used_at > member.as_of - interval 30 day)
                as features_30d,
            count(distinct feature_name) as features_90d,
        from member
        inner join gold.fact_feature_usage as used
            on member.customer_id = used.customer_id
            and used.first_used_at <= member.as_of
            and used.first_used_at > member.as_of - interval 90 day
        group by member.customer_id, member.as_of
    """,
    "feature_known": """
        select cutoff.as_of, count(distinct used.feature_name) as known_features
        from cutoff
        inner join (
            select feature_name, min(first_used_at) as first_used_at
            from gold.fact_feature_usage
            group by feature_name
        ) as used
            on used.first_used_at <= cutoff.as_of
        group by cutoff.as_of
    """,
    "health_last": """
        select member.customer_id, member.as_of, health.support_tickets_open as tickets_open
        from member
        asof join gold.fact_customer_health as health
            on member.customer_id = health.customer_id and member.as_of >= health.calculated_at
    """,
    "ticket_window": """
        select
            member.customer_id,
            member.as_of,
            count(*) filter (where created_at > member.as_of - interval 30 day) as tickets_30d,
            count(*) filter (where created_at > member.as_of - interval 90 day) as tickets_90d,
        from member
        inner join gold.fact_support_tickets as tickets
            on member.customer_id = tickets.customer_id and tickets.created_at <= member.as_of
        group by member.customer_id, member.as_of
    """,
    "mrr_window": """
        select
            member.customer_id,
            member.as_of,
            sum(amount_reporting_minor) as mrr_now,
            sum(amount_reporting_minor) filter (where occurred_at <= member.as_of - interval 30 day) as mrr_30d_ago,
            sum(amount_reporting_minor) filter (where occurred_at <= member.as_of - interval 90 day) as mrr_90d_ago,
            min(occurred_at) as first_mrr_at,
            count(*) filter (
                where movement_type = 'contraction' and occurred_at > member.as_of - interval 90 day
            ) as contractions_90d,
            count(*) filter (where movement_type = 'churn') > 0 as was_lost_before,
        from member
        inner join gold.fact_mrr_movements as movements
            on member.customer_id = movements.customer_id and movements.occurred_at <= member.as_of
        group by member.customer_id, member.as_of
    """,
    "tier_then": """
        select member.customer_id, member.as_of, history.tier
        from member
        asof join gold.dim_customers_history as history
            on member.customer_id = history.customer_id and member.as_of >= history.valid_from
    """,
}
_PARTS |= {
    # State of each subscription as its last event by the instant left it.
    "subscription_then": """
        select
            member.customer_id,
            member.as_of,
            events.subscription_id,
            arg_max(events.status, (events.occurred_at, events.id)) as status,
        from member
        inner join gold.fact_subscription_events as events
            on member.customer_id = events.customer_id and events.occurred_at <= member.as_of
        group by member.customer_id, member.as_of, events.subscription_id
    """,
    # What each running subscription was billed for last: seats, and the period that was paid ahead.
    "billed_then": """
        select
            subscription_then.customer_id,
            subscription_then.as_of,
            subscription_then.subscription_id,
            max(billed.billing_period_end) as period_end,
            arg_max(billed.quantity, (billed.billing_period_end, billed.quantity)) as quantity,
            arg_max(
                date_diff('day', billed.billing_period_start, billed.billing_period_end),
                (billed.billing_period_end, billed.quantity)
            ) as period_days,
        from subscription_then
        inner join gold.fact_revenue as billed
            on subscription_then.subscription_id = billed.subscription_id
            and billed.processed_at <= subscription_then.as_of
        where
            subscription_then.status in ('active', 'past_due')
            and billed.entry_type = 'line'
            and billed.revenue_type = 'subscription'
            and not billed.is_proration
        group by subscription_then.customer_id, subscription_then.as_of, subscription_then.subscription_id
    """,
    "subscription_window": """
        select
            subscription_then.customer_id,
            subscription_then.as_of,
            sum(quantity) as seats,
            max(period_days) / (365.0 / 12) as billing_interval_months,
            min(date_diff('second', subscription_then.as_of, period_end)) filter (
                where period_end >= subscription_then.as_of
            ) / 86400.0 as days_to_period_end,
            bool_or(status = 'past_due') as is_past_due,
        from subscription_then
        left join billed_then using (customer_id, as_of, subscription_id)
        where status in ('active', 'past_due')
        group by subscription_then.customer_id, subscription_then.as_of
    """,
    "failure_window": """
        select member.customer_id, member.as_of, count(*) as payment_failures_90d
        from member
        inner join gold.fact_subscription_events as events
            on member.customer_id = events.customer_id
            and events.occurred_at <= member.as_of
            and events.occurred_at > member.as_of - interval 90 day
        where events.event_type = 'past_due'
        group by member.customer_id, member.as_of
    """,
}

_FINAL = """
    select
        member.customer_id,
        member.as_of,
        date_diff('second', member.signup_date, member.as_of) / 86400.0 as days_since_signup,
        coalesce(tier_then.tier, 'unknown') as tier,
        coalesce(calls_7d, 0) as calls_7d,
        coalesce(calls_30d, 0) as calls_30d,
        ln((coalesce(calls_7d, 0) / 7.0 + 0.2) / (coalesce(calls_before_7d, 0) / 30.0 + 0.2)) as calls_trend_7d,
        ln((coalesce(calls_30d, 0) / 30.0 + 0.1) / (coalesce(calls_before_30d, 0) / 30.0 + 0.1)) as calls_trend_30d,
        ln((coalesce(calls_30d, 0) / 30.0 + 0.1) / (coalesce(calls_180d / days_since_first_call_180d, 0) + 0.1))
            as calls_against_usual,
        calls_30d / nullif(seats, 0) as calls_per_seat_30d,
        case when mrr_now > 0 then ln((coalesce(calls_30d, 0) + 1) / (mrr_now + 1000)) end as calls_per_mrr_30d,
        coalesce(active_days_30d, 0) as active_days_30d,
        response_ms_30d / nullif(calls_30d, 0) as response_ms_30d,
        failed_7d / nullif(calls_7d, 0) as error_rate_7d,
        failed_30d / nullif(calls_30d, 0) as error_rate_30d,
        date_diff('day', last_call_on, cast(member.as_of as date)) as days_since_last_call,
        date_diff('second', last_login_date, member.as_of) / 86400.0 as days_since_last_login,
        coalesce(login_days_30d, 0) as login_days_30d,
        coalesce(login_days_90d, 0) as login_days_90d,
        coalesce(features_30d, 0) / nullif(known_features, 0) as feature_adoption_30d,
        coalesce(features_90d, 0) as features_used_90d,
        coalesce(tickets_30d, 0) as tickets_30d,
        coalesce(tickets_90d, 0) as tickets_90d,
        coalesce(tickets_open, 0) as tickets_open,
        coalesce(mrr_now, 0) as mrr_reporting,
        mrr_now / nullif(mrr_30d_ago, 0) - 1 as mrr_change_30d,
        mrr_now / nullif(mrr_90d_ago, 0) - 1 as mrr_change_90d,
        date_diff('second', first_mrr_at, member.as_of) / 86400.0 as days_since_first_mrr,
        coalesce(contractions_90d, 0) as contractions_90d,
        coalesce(was_lost_before, false) as was_lost_before,
        seats,
        billing_interval_months,
        days_to_period_end,
        days_to_period_end <= 30 as is_renewal_due_30d,
        coalesce(is_past_due, false) as is_past_due,
        coalesce(payment_failures_90d, 0) as payment_failures_90d,
    from member
    left join usage_window using (customer_id, as_of)
    left join usage_last using (customer_id, as_of)
    left join login_window using (customer_id, as_of)
    left join feature_window using (customer_id, as_of)
    left join feature_known using (as_of)
    left join health_last using (customer_id, as_of)
    left join ticket_window using (customer_id, as_of)
    left join mrr_window using (customer_id, as_of)
    left join tier_then using (customer_id, as_of)
    left join subscription_window using (customer_id, as_of)
    left join failure_window using (customer_id, as_of)
    order by customer_id, as_of
"""
