-- one row per paying customer and scored day
{{ config(materialized='table', tags=['after_ml']) }}

with

scored as (

    select * from {{ source('ml', 'customer_churn_scores') }}

),

final as (

    select
        -- keys
        id,
        customer_id,
        as_of_date,
        model_version,
        -- attributes
        model_kind,
        is_fallback,
        is_latest,
        is_end_already_set,
        currency,
        reporting_currency,
        -- score and reasons
        churn_probability,
        risk_band,
        factor_1_name,
        factor_1_value,
        factor_1_contribution,
        factor_2_name,
        factor_2_value,
        factor_2_contribution,
        factor_3_name,
        factor_3_value,
        factor_3_contribution,
        recommended_action,
        -- measures
        mrr_minor,
        mrr_at_risk_minor,
        mrr_reporting_minor,
        mrr_at_risk_reporting_minor
    from scored

)

select * from final
