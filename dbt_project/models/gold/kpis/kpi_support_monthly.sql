-- one row per month in which tickets were created.
--
-- Times and ratings belong to the month in which the ticket was created; CSAT is NULL under {{ var('min_responses') }} ratings.

with

tickets as (

    select
        *,
        cast(date_trunc('month', date_partition) as date) as month_start_on
    from {{ ref('fact_support_tickets') }}

),

usage_months as (

    select
        cast(date_trunc('month', date_partition) as date) as month_start_on,
        sum(calls) as calls
    from {{ ref('agg_api_usage_daily') }}
    group by cast(date_trunc('month', date_partition) as date)

),

months as (

    select
        month_start_on,
        count(*) as tickets_created,
        count(distinct customer_id) filter (where customer_id != 'unknown') as customers_with_tickets,
        count(*) filter (where is_reopened) as tickets_reopened,
        count(*) filter (where satisfaction is not null) as ratings,
        count(*) filter (where satisfaction = 'good') as good_ratings,
        {{ percentile('first_reply_minutes', 0.5) }} as first_reply_minutes_median,
        {{ percentile('first_reply_business_minutes', 0.5) }} as first_reply_business_minutes_median,
        {{ percentile('resolution_minutes', 0.5) }} as resolution_minutes_median,
        {{ percentile('resolution_business_minutes', 0.5) }} as resolution_business_minutes_median
    from tickets
    group by month_start_on

),

final as (

    select
        {{ md5_id(['months.month_start_on']) }} as id,
        months.month_start_on,
        last_day(months.month_start_on) <= {{ last_day() }} as is_complete,
        cast(months.tickets_created as bigint) as tickets_created,
        cast(months.customers_with_tickets as bigint) as customers_with_tickets,
        cast(months.tickets_reopened as bigint) as tickets_reopened,
        cast(months.ratings as bigint) as ratings,
        {{ rate('months.tickets_created', 'months.customers_with_tickets') }} as tickets_per_customer_with_tickets,
        {{ rate('months.tickets_created * 1000', 'usage_months.calls') }} as tickets_per_1000_calls,
        case when months.ratings >= {{ var('min_responses') }} then {{ rate('months.good_ratings', 'months.ratings') }} end as csat,
        cast(months.first_reply_minutes_median as double) as first_reply_minutes_median,
        cast(months.first_reply_business_minutes_median as double) as first_reply_business_minutes_median,
        cast(months.resolution_minutes_median as double) as resolution_minutes_median,
        cast(months.resolution_business_minutes_median as double) as resolution_business_minutes_median
    from months
    left join usage_months
        on months.month_start_on = usage_months.month_start_on

)

select * from final
order by month_start_on
