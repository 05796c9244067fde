-- one row per calendar day of the reporting time zone up to the last one that is known: what metrics are counted along (no future months)
with dates as (
    select * from {{ ref('dim_date') }}
),

final as (
    select
        id,
        date_day
    from dates
    where date_day <= {{ last_known_day() }}
)

select * from final
