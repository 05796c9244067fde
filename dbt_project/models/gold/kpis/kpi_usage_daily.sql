-- one row per day from the first API call to the last day that is over.

with

usage_days as (

    select * from {{ ref('agg_api_usage_daily') }}

),

customers as (

    select customer_id from {{ ref('dim_customers') }}
    where customer_id != 'unknown'

),

active_days as (

    select
        usage_days.source_customer_id as customer_id,
        usage_days.date_partition
    from {{ ref('int_customer_usage_daily') }} as usage_days
    inner join customers
        on usage_days.source_customer_id = customers.customer_id
    where usage_days.successful_calls > 0

),

days as (

    select spine.day
    from {{ date_spine('(select min(date_partition) from ' ~ ref('agg_api_usage_daily') ~ ')', last_day()) }} as spine

),

calls_by_day as (

    select
        date_partition as day,
        {{ simple_metrics([
            'calls', 'successful_calls', 'client_error_calls', 'server_error_calls', 'rate_limited_calls', 'compute_units',
            'response_time_ms',
        ]) }},
        sum(bytes_processed) as bytes_processed
    from usage_days
    group by date_partition

),

rated_days as (

    select
        *,
        {{ metric('error_rate') }} as error_rate,
        {{ metric('server_error_rate') }} as server_error_rate,
        {{ metric('mean_latency_ms') }} as mean_latency_ms
    from calls_by_day

),

{% for window in [1, 7, 28] %}
steps_{{ window }} as (

    {{ active_steps('active_days', window) }}
    union all
    select day, 0 as step from days

),

active_{{ window }} as (

    select
        day,
        sum(sum(step)) over (order by day) as customers
    from steps_{{ window }}
    group by day

),
{% endfor %}

buckets as (

    select
        day,
        bucket,
        sum(calls) as calls
    from ({{ histogram_rows(ref('agg_api_usage_daily'), ['date_partition as day']) }}) as histograms
    group by day, bucket

),

running_buckets as (

    select
        day,
        bucket,
        sum(calls) over (partition by day order by bucket) as calls_up_to,
        sum(calls) over (partition by day) as all_calls
    from buckets

),

latencies as (

    select
        day,
        {{ percentile_of_buckets(0.5) }} as latency_p50_ms,
        {{ percentile_of_buckets(0.95) }} as latency_p95_ms,
        {{ percentile_of_buckets(0.99) }} as latency_p99_ms
    from running_buckets
    group by day

),

final as (

    select
        {{ md5_id(['days.day']) }} as id,
        days.day,
        cast(coalesce(rated_days.calls, 0) as bigint) as calls,
        cast(coalesce(rated_days.successful_calls, 0) as bigint) as successful_calls,
        cast(coalesce(rated_days.client_error_calls, 0) as bigint) as client_error_calls,
        cast(coalesce(rated_days.server_error_calls, 0) as bigint) as server_error_calls,
        cast(coalesce(rated_days.rate_limited_calls, 0) as bigint) as rate_limited_calls,
        cast(coalesce(rated_days.bytes_processed, 0) as bigint) as bytes_processed,
        cast(coalesce(rated_days.compute_units, 0) as decimal(28, 6)) as compute_units,
        cast(rated_days.error_rate as double) as error_rate,
        cast(rated_days.server_error_rate as double) as server_error_rate,
        cast(rated_days.mean_latency_ms as double) as latency_mean_ms,
        latencies.latency_p50_ms,
        latencies.latency_p95_ms,
        latencies.latency_p99_ms,
        cast(coalesce(active_1.customers, 0) as bigint) as daily_active_customers,
        cast(coalesce(active_7.customers, 0) as bigint) as weekly_active_customers,
        cast(coalesce(active_28.customers, 0) as bigint) as monthly_active_customers,
        cast({{ metric('stickiness', {
            'daily_active_customers': 'coalesce(active_1.customers, 0)', 'monthly_active_customers': 'active_28.customers',
        }) }} as double) as stickiness
    from days
    left join rated_days
        on days.day = rated_days.day
    left join latencies
        on days.day = latencies.day
    left join active_1
        on days.day = active_1.day
    left join active_7
        on days.day = active_7.day
    left join active_28
        on days.day = active_28.day

)

select * from final
order by day
