-- one row per customer and scored day
{{ config(materialized='table', tags=['after_ml']) }}

with

scored as (

    select * from {{ source('ml', 'customer_segments') }}

),

final as (

    select
        -- keys
        id,
        customer_id,
        as_of_date,
        model_version,
        -- attributes
        is_latest,
        cluster_segment,
        rule_segment,
        is_paid,
        reporting_currency,
        -- measures
        calls_7d,
        calls_30d,
        active_days_30d,
        features_used_30d,
        feature_adoption_30d,
        calls_trend_30d,
        days_silent,
        days_since_signup,
        mrr_reporting_minor,
        lifetime_value_reporting_minor
    from scored

)

select * from final
