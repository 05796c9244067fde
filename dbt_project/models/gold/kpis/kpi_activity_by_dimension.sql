-- one row per month, dimension (all, tier, plan, industry, country) and value: what its customers called, asked support, and how they are.
--
-- A customer counts where it stood when the month ended; in the running month, where it stands. Calls of unknown customers have no place here.
{{ config(computed_once=['customer_months']) }}
{%- set dimensions = ['tier', 'plan', 'industry', 'country'] %}

with

history as (

    select * from {{ ref('dim_customers_history') }}
    where customer_id != 'unknown'

),

plans as (

    select * from {{ ref('dim_customer_months') }}

),

calendar as (

    select
        month_start_on,
        max(date_day) as last_day_on,
        max(case when is_month_end and is_complete then 1 else 0 end) = 1 as is_complete
    from {{ ref('dim_date') }}
    where date_day <= {{ last_known_day() }}
    group by month_start_on

),

usage_months as (

    select
        source_customer_id as customer_id,
        cast(date_trunc('month', date_partition) as date) as month_start_on,
        sum(calls) as calls,
        sum(successful_calls) as successful_calls,
        sum(client_error_calls) as client_error_calls,
        sum(server_error_calls) as server_error_calls,
        sum(compute_units) as compute_units
    from {{ ref('int_customer_usage_daily') }}
    group by source_customer_id, cast(date_trunc('month', date_partition) as date)

),

ticket_months as (

    select
        customer_id,
        cast(date_trunc('month', date_partition) as date) as month_start_on,
        {{ simple_metrics(['tickets_created', 'ratings', 'good_ratings']) }}
    from {{ ref('fact_support_tickets') }}
    group by customer_id, cast(date_trunc('month', date_partition) as date)

),

health as (

    select
        customer_id,
        date_partition,
        health_score
    from {{ ref('fact_customer_health') }}

),

customer_months as (

    select
        calendar.month_start_on,
        calendar.is_complete,
        history.customer_id,
        'all' as {{ adapter.quote('all') }},
        coalesce(history.tier, 'unknown') as tier,
        coalesce(plans.plan, 'none') as plan,
        coalesce(history.industry, 'unknown') as industry,
        coalesce(history.country, 'unknown') as country,
        coalesce(usage_months.calls, 0) as calls,
        coalesce(usage_months.successful_calls, 0) as successful_calls,
        coalesce(usage_months.client_error_calls, 0) as client_error_calls,
        coalesce(usage_months.server_error_calls, 0) as server_error_calls,
        coalesce(usage_months.compute_units, 0) as compute_units,
        coalesce(ticket_months.tickets_created, 0) as tickets_created,
        coalesce(ticket_months.ratings, 0) as ratings,
        coalesce(ticket_months.good_ratings, 0) as good_ratings,
        health.health_score
    from calendar
    inner join history
        on
            history.valid_from < {{ day_start(next_month('calendar.month_start_on')) }}
            and (history.valid_to is null or history.valid_to >= {{ day_start(next_month('calendar.month_start_on')) }})
    left join plans
        on history.customer_id = plans.customer_id and calendar.month_start_on = plans.month
    left join usage_months
        on history.customer_id = usage_months.customer_id and calendar.month_start_on = usage_months.month_start_on
    left join ticket_months
        on history.customer_id = ticket_months.customer_id and calendar.month_start_on = ticket_months.month_start_on
    left join health
        on history.customer_id = health.customer_id and calendar.last_day_on = health.date_partition

),

groups as (
    {%- for dimension in ['all'] + dimensions %}

    select
        month_start_on,
        '{{ dimension }}' as dimension,
        {{ adapter.quote(dimension) }} as value,
        is_complete,
        count(*) as customers,
        sum(case when successful_calls > 0 then 1 else 0 end) as active_customers,
        sum(calls) as calls,
        sum(successful_calls) as successful_calls,
        sum(client_error_calls) as client_error_calls,
        sum(server_error_calls) as server_error_calls,
        sum(compute_units) as compute_units,
        sum(tickets_created) as tickets_created,
        sum(ratings) as ratings,
        sum(good_ratings) as good_ratings,
        {{ simple_metric('mean_health_score') }} as health_score_mean,
        sum(case when health_score < 70 then 1 else 0 end) as customers_at_risk
    from customer_months
    group by month_start_on, {{ adapter.quote(dimension) }}, is_complete
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}

),

final as (

    select
        {{ md5_id(['month_start_on', 'dimension', 'value']) }} as id,
        month_start_on,
        dimension,
        value,
        is_complete,
        cast(customers as bigint) as customers,
        cast(active_customers as bigint) as active_customers,
        cast(calls as bigint) as calls,
        cast(successful_calls as bigint) as successful_calls,
        cast(client_error_calls as bigint) as client_error_calls,
        cast(server_error_calls as bigint) as server_error_calls,
        cast(compute_units as decimal(28, 6)) as compute_units,
        cast({{ metric('error_rate') }} as double) as error_rate,
        cast({{ metric('server_error_rate') }} as double) as server_error_rate,
        cast(tickets_created as bigint) as tickets_created,
        cast({{ metric('tickets_per_1000_calls') }} as double) as tickets_per_1000_calls,
        cast({{ metric('csat') }} as double) as csat,
        cast(health_score_mean as double) as health_score_mean,
        cast(customers_at_risk as bigint) as customers_at_risk
    from groups

)

select * from final
order by month_start_on, dimension, value
