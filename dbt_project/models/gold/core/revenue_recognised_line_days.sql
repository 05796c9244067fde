-- one row per row of fact_revenue and day on which a part of it is recognised, up to the last known day; a view, computed when it is read
{{ config(materialized='view') }}
with revenue as (
    select * from {{ ref('fact_revenue') }}
    where amount_minor <> 0 and recognised_from_on <= {{ last_known_day() }}
),

service_days as (
    {{ each_number(
        'revenue', 'day_number', '0', days_between('recognised_from_on', 'least(' ~ recognised_to_on('revenue') ~ ', ' ~ last_known_day() ~ ')')
    ) }}
),

dated as (
    select
        *,
        {{ add_days('recognised_from_on', 'day_number') }} as day
    from service_days
),

final as (
    select
        id as revenue_id,
        customer_id,
        day as date_partition,
        currency,
        revenue_type,
        {{ recognised_by('dated', 'day') }} - {{ recognised_by('dated', add_days('day', -1)) }} as recognised_minor
    from dated
)

select * from final
