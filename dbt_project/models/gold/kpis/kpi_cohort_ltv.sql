-- one row per cohort (month of first MRR) and scored day
{{ config(materialized='table', tags=['after_ml']) }}

with

valued as (

    select * from {{ source('ml', 'cohort_ltv') }}

),

final as (

    select
        -- keys
        id,
        cohort_month,
        as_of_date,
        model_version,
        -- attributes
        is_latest,
        reporting_currency,
        -- measures
        cohort_customers,
        paying_customers,
        earned_reporting_minor,
        predicted_reporting_minor,
        predicted_low_reporting_minor,
        predicted_high_reporting_minor,
        ltv_reporting_minor,
        ltv_per_customer_reporting_minor
    from valued

)

select * from final
