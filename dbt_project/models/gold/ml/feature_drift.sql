-- one row per scored day and feature of the churn model: how far customers have drifted from those it was trained on.
{{ config(materialized='table', tags=['after_ml']) }}

with

drift as (

    select * from {{ source('ml', 'feature_drift') }}

),

final as (

    select
        id,
        as_of_date,
        model_version,
        feature_name,
        is_latest,
        drift_level,
        psi
    from drift

)

select * from final
