-- one row per model ever trained: whether it was put to use, and why.
{{ config(materialized='table', tags=['after_ml']) }}

with

decisions as (

    select * from {{ source('ml', 'model_decisions') }}

),

final as (

    select
        id,
        decision_number,
        model_name,
        model_version,
        model_kind,
        status,
        reason,
        champion_version,
        compared_customer_dates,
        gain_over_baseline,
        gain_over_baseline_low,
        fresh_churns,
        gain_over_champion,
        gain_over_champion_low,
        roc_auc,
        expected_calibration_error,
        training_rows,
        data_from,
        data_to,
        trained_as_of,
        registered_at
    from decisions

)

select * from final
