-- one row per paying customer and scored day
{{ config(materialized='table', tags=['after_ml']) }}

with

scored as (

    select * from {{ source('ml', 'customer_churn_scores') }}

),

ltv as (

    select customer_id, as_of_date, predicted_reporting_minor from {{ ref('customer_ltv') }}

),

final as (

    select
        -- keys
        scored.id,
        scored.customer_id,
        scored.as_of_date,
        scored.model_version,
        -- attributes
        scored.model_kind,
        scored.is_fallback,
        scored.is_latest,
        scored.is_end_already_set,
        scored.currency,
        scored.reporting_currency,
        -- score and reasons
        scored.churn_probability,
        scored.risk_band,
        scored.factor_1_name,
        scored.factor_1_value,
        scored.factor_1_contribution,
        scored.factor_2_name,
        scored.factor_2_value,
        scored.factor_2_contribution,
        scored.factor_3_name,
        scored.factor_3_value,
        scored.factor_3_contribution,
        scored.recommended_action,
        -- measures
        scored.mrr_minor,
        scored.mrr_at_risk_minor,
        scored.mrr_reporting_minor,
        scored.mrr_at_risk_reporting_minor,
        cast(scored.churn_probability * ltv.predicted_reporting_minor as decimal(28, 6)) as expected_ltv_impact_reporting_minor
    from scored
    left join ltv
        on scored.customer_id = ltv.customer_id and scored.as_of_date = ltv.as_of_date

)

select * from final
