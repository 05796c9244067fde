-- one row per scored day, scheme and segment
{{ config(materialized='table', tags=['after_ml']) }}

with

segments as (

    select * from {{ ref('customer_segments') }}

),

scores as (

    select * from {{ ref('customer_churn_scores') }}

),

lifetime_values as (

    select * from {{ ref('customer_ltv') }}

),

members as (

    select
        'cluster' as scheme,
        cluster_segment as segment,
        *
    from segments
    union all
    select
        'rule' as scheme,
        rule_segment as segment,
        *
    from segments

),

described as (

    select
        members.as_of_date,
        members.scheme,
        members.segment,
        members.is_latest,
        members.reporting_currency,
        count(*) as customers,
        count(*) filter (where members.is_paid) as paying_customers,
        sum(members.calls_30d) as calls_30d,
        median(members.calls_30d) as calls_30d_median,
        median(members.active_days_30d) as active_days_30d_median,
        median(members.features_used_30d) as features_used_30d_median,
        median(members.days_silent) as days_silent_median,
        median(members.days_since_signup) as days_since_signup_median,
        sum(members.mrr_reporting_minor) as mrr_reporting_minor,
        sum(scores.mrr_at_risk_reporting_minor) as mrr_at_risk_reporting_minor,
        sum(lifetime_values.earned_reporting_minor) as earned_reporting_minor,
        sum(lifetime_values.predicted_reporting_minor) as predicted_reporting_minor
    from members
    left join scores
        on members.customer_id = scores.customer_id and members.as_of_date = scores.as_of_date
    left join lifetime_values
        on members.customer_id = lifetime_values.customer_id and members.as_of_date = lifetime_values.as_of_date
    group by members.as_of_date, members.scheme, members.segment, members.is_latest, members.reporting_currency

),

final as (

    select
        -- keys
        {{ md5_id(['as_of_date', 'scheme', 'segment']) }} as id,
        as_of_date,
        scheme,
        segment,
        -- attributes
        is_latest,
        reporting_currency,
        -- measures
        cast(customers as bigint) as customers,
        cast(paying_customers as bigint) as paying_customers,
        cast(calls_30d as bigint) as calls_30d,
        cast(calls_30d_median as double) as calls_30d_median,
        cast(active_days_30d_median as double) as active_days_30d_median,
        cast(features_used_30d_median as double) as features_used_30d_median,
        cast(days_silent_median as double) as days_silent_median,
        cast(days_since_signup_median as double) as days_since_signup_median,
        cast(mrr_reporting_minor as decimal(28, 6)) as mrr_reporting_minor,
        cast(coalesce(mrr_at_risk_reporting_minor, 0) as decimal(28, 6)) as mrr_at_risk_reporting_minor,
        cast(coalesce(earned_reporting_minor, 0) as decimal(28, 6)) as earned_reporting_minor,
        cast(coalesce(predicted_reporting_minor, 0) as decimal(28, 6)) as predicted_reporting_minor
    from described

)

select * from final
order by as_of_date, scheme, segment
