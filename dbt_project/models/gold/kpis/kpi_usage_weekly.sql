-- one row per calendar week (Monday to Sunday) with at least one API call.

with

usage_days as (

    select * from {{ ref('int_customer_usage_daily') }}

),

customers as (

    select customer_id from {{ ref('dim_customers') }}
    where customer_id != 'unknown'

),

customer_weeks as (

    select
        usage_days.source_customer_id as customer_id,
        cast(date_trunc('week', usage_days.date_partition) as date) as week_start_on,
        sum(usage_days.calls) as calls,
        sum(usage_days.successful_calls) as successful_calls,
        sum(usage_days.compute_units) as compute_units
    from usage_days
    inner join customers
        on usage_days.source_customer_id = customers.customer_id
    group by usage_days.source_customer_id, cast(date_trunc('week', usage_days.date_partition) as date)

),

weeks as (

    select
        week_start_on,
        sum(calls) as calls,
        sum(compute_units) as compute_units,
        count(*) filter (where successful_calls >= 1) as weekly_active_customers,
        count(*) filter (where successful_calls >= 5) as weekly_active_producers
    from customer_weeks
    group by week_start_on

),

final as (

    select
        {{ md5_id(['week_start_on']) }} as id,
        week_start_on,
        {{ add_days('week_start_on', 6) }} <= {{ last_day() }} as is_complete,
        cast(calls as bigint) as calls,
        cast(compute_units as decimal(28, 6)) as compute_units,
        cast(weekly_active_customers as bigint) as weekly_active_customers,
        cast(weekly_active_producers as bigint) as weekly_active_producers,
        {{ rate('calls - lag(calls) over (order by week_start_on)', 'lag(calls) over (order by week_start_on)') }} as calls_growth_rate
    from weeks

)

select * from final
order by week_start_on
