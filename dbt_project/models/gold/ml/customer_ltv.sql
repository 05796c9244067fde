-- one row per customer and scored day
{{ config(materialized='table', tags=['after_ml']) }}

with

valued as (

    select * from {{ source('ml', 'customer_ltv') }}

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
        customer_state,
        tier,
        cohort_month,
        reporting_currency,
        -- how long
        churn_probability,
        tenure_months,
        survival_12m,
        expected_lifetime_months,
        -- measures
        monthly_value_reporting_minor,
        predicted_12m_reporting_minor,
        predicted_12m_low_reporting_minor,
        predicted_12m_high_reporting_minor,
        predicted_reporting_minor,
        predicted_low_reporting_minor,
        predicted_high_reporting_minor,
        earned_reporting_minor,
        ltv_reporting_minor,
        ltv_low_reporting_minor,
        ltv_high_reporting_minor
    from valued

)

select * from final
