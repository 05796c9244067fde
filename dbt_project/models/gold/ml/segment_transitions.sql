-- one row per scheme, month, pair of segments and day of use
{{ config(materialized='table', tags=['after_ml']) }}

with

moved as (

    select * from {{ source('ml', 'segment_transitions') }}

),

final as (

    select
        -- keys
        id,
        scheme,
        month_start_on,
        from_segment,
        to_segment,
        as_of_date,
        model_version,
        -- attributes
        is_latest,
        -- measures
        customers,
        from_customers,
        probability_30d
    from moved

)

select * from final
