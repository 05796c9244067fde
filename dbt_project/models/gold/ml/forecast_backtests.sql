-- one row per metric, method, cut-off, step of 30 days ahead and day of use
{{ config(materialized='table', tags=['after_ml']) }}

with

tested as (

    select * from {{ source('ml', 'forecast_backtests') }}

),

final as (

    select
        -- keys
        id,
        metric,
        method,
        cutoff_on,
        days_ahead,
        as_of_date,
        model_version,
        -- attributes
        is_latest,
        is_chosen,
        -- measures
        days,
        actual_mean,
        mean_absolute_error,
        naive_error,
        seasonal_naive_error,
        share_inside
    from tested

)

select * from final
