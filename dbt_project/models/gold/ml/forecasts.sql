-- one row per metric, day ahead and day on which it was forecast
{{ config(materialized='table', tags=['after_ml']) }}

with

told as (

    select * from {{ source('ml', 'forecasts') }}

),

final as (

    select
        -- keys
        id,
        metric,
        target_on,
        as_of_date,
        model_version,
        -- attributes
        is_latest,
        method,
        is_fallback,
        unit,
        reporting_currency,
        -- measures
        days_ahead,
        baseline,
        pessimistic,
        optimistic
    from told

)

select * from final
