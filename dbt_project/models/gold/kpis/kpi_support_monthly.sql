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
        {{ simple_metrics(['calls']) }}
    from {{ ref('agg_api_usage_daily') }}
    group by cast(date_trunc('month', date_partition) as date)

),

ticket_months as (

    select
        month_start_on,
        {{ simple_metrics(['tickets_created', 'customers_with_tickets', 'tickets_reopened', 'ratings', 'good_ratings']) }},
        {{ percentile('first_reply_minutes', 0.5) }} as first_reply_minutes_median,
        {{ percentile('first_reply_business_minutes', 0.5) }} as first_reply_business_minutes_median,
        {{ percentile('resolution_minutes', 0.5) }} as resolution_minutes_median,
        {{ percentile('resolution_business_minutes', 0.5) }} as resolution_business_minutes_median
    from tickets
    group by month_start_on

),

months as (

    select
        ticket_months.*,
        usage_months.calls
    from ticket_months
    left join usage_months
        on ticket_months.month_start_on = usage_months.month_start_on

),

final as (

    select
        {{ md5_id(['month_start_on']) }} as id,
        month_start_on,
        last_day(month_start_on) <= {{ last_day() }} as is_complete,
        cast(tickets_created as bigint) as tickets_created,
        cast(customers_with_tickets as bigint) as customers_with_tickets,
        cast(tickets_reopened as bigint) as tickets_reopened,
        cast(ratings as bigint) as ratings,
        cast({{ metric('tickets_per_customer_with_tickets') }} as double) as tickets_per_customer_with_tickets,
        cast({{ metric('tickets_per_1000_calls') }} as double) as tickets_per_1000_calls,
        cast({{ metric('csat') }} as double) as csat,
        cast(first_reply_minutes_median as double) as first_reply_minutes_median,
        cast(first_reply_business_minutes_median as double) as first_reply_business_minutes_median,
        cast(resolution_minutes_median as double) as resolution_minutes_median,
        cast(resolution_business_minutes_median as double) as resolution_business_minutes_median
    from months

)

select * from final
order by month_start_on
