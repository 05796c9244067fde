-- one row per feature that came later than the warehouse's first 28 days of calls, and day of its first 60.
--
-- A feature is launched on the day of its first successful call by a customer we know; what was there from the beginning has no
-- launch that we saw. Adoption = customers who used it in the last 30 days, or since the launch, / customers active in the same days.

with

feature_days as (

    select * from {{ ref('fact_feature_usage') }}
    where
        customer_id != 'unknown'
        and successful_count > 0

),

usage_days as (

    select * from {{ ref('int_customer_usage_daily') }}
    where
        successful_calls > 0
        and source_customer_id in (select customer_id from {{ ref('dim_customers') }})

),

launches as (

    select
        feature_name,
        min(date_partition) as launched_on
    from feature_days
    group by feature_name
    having min(date_partition) >= (select {{ add_days('min(date_partition)', 28) }} from usage_days)

),

days as (

    select
        launches.feature_name,
        launches.launched_on,
        calendar.date_day as day,
        {{ days_between('launches.launched_on', 'calendar.date_day') }} as days_since_launch,
        greatest(launches.launched_on, {{ add_days('calendar.date_day', -29) }}) as counted_from
    from launches
    inner join {{ ref('dim_date') }} as calendar
        on
            calendar.is_complete
            and calendar.date_day between launches.launched_on and {{ add_days('launches.launched_on', 59) }}

),

active as (

    select
        days.feature_name,
        days.day,
        count(distinct usage_days.source_customer_id) as active_customers
    from days
    inner join usage_days
        on usage_days.date_partition between days.counted_from and days.day
    group by days.feature_name, days.day

),

adopters as (

    select
        days.feature_name,
        days.day,
        count(distinct feature_days.customer_id) as adopting_customers
    from days
    inner join feature_days
        on
            days.feature_name = feature_days.feature_name
            and feature_days.date_partition between days.counted_from and days.day
    group by days.feature_name, days.day

),

final as (

    select
        {{ md5_id(['days.feature_name', 'days.day']) }} as id,
        days.feature_name,
        days.day,
        days.launched_on,
        cast(days.days_since_launch as bigint) as days_since_launch,
        cast(coalesce(adopters.adopting_customers, 0) as bigint) as adopting_customers,
        cast(coalesce(active.active_customers, 0) as bigint) as active_customers,
        cast({{ metric('adoption_rate', {
            'adopting_customers': 'coalesce(adopters.adopting_customers, 0)', 'active_customers': 'active.active_customers',
        }) }} as double) as adoption_rate
    from days
    left join active
        on
            days.feature_name = active.feature_name
            and days.day = active.day
    left join adopters
        on
            days.feature_name = adopters.feature_name
            and days.day = adopters.day

)

select * from final
order by feature_name, day
