-- one row per day and endpoint with at least one API call.

with

usage_days as (

    select * from {{ ref('agg_api_usage_daily') }}

),

endpoint_days as (

    select
        date_partition as day,
        endpoint,
        sum(calls) as calls,
        sum(calls) filter (where status_class = '4xx') as client_error_calls,
        sum(calls) filter (where status_class = '5xx') as server_error_calls,
        sum(rate_limited_calls) as rate_limited_calls,
        sum(compute_units) as compute_units,
        sum(response_time_ms_sum) as response_time_ms_sum,
        max(response_time_ms_max) as latency_max_ms
    from usage_days
    group by date_partition, endpoint

),

buckets as (

    select
        day,
        endpoint,
        bucket,
        sum(calls) as calls
    from ({{ histogram_rows(ref('agg_api_usage_daily'), ['date_partition as day', 'endpoint']) }}) as histograms
    group by day, endpoint, bucket

),

running_buckets as (

    select
        day,
        endpoint,
        bucket,
        sum(calls) over (partition by day, endpoint order by bucket) as calls_up_to,
        sum(calls) over (partition by day, endpoint) as all_calls
    from buckets

),

latencies as (

    select
        day,
        endpoint,
        {{ percentile_of_buckets(0.5) }} as latency_p50_ms,
        {{ percentile_of_buckets(0.95) }} as latency_p95_ms,
        {{ percentile_of_buckets(0.99) }} as latency_p99_ms
    from running_buckets
    group by day, endpoint

),

final as (

    select
        {{ md5_id(['endpoint_days.day', 'endpoint_days.endpoint']) }} as id,
        endpoint_days.day,
        endpoint_days.endpoint,
        cast(endpoint_days.calls as bigint) as calls,
        cast(coalesce(endpoint_days.client_error_calls, 0) as bigint) as client_error_calls,
        cast(coalesce(endpoint_days.server_error_calls, 0) as bigint) as server_error_calls,
        cast(coalesce(endpoint_days.rate_limited_calls, 0) as bigint) as rate_limited_calls,
        cast(endpoint_days.compute_units as decimal(28, 6)) as compute_units,
        {{ rate(
            'coalesce(endpoint_days.client_error_calls, 0) + coalesce(endpoint_days.server_error_calls, 0)',
            'endpoint_days.calls',
        ) }} as error_rate,
        {{ rate('endpoint_days.response_time_ms_sum', 'endpoint_days.calls') }} as latency_mean_ms,
        latencies.latency_p50_ms,
        latencies.latency_p95_ms,
        latencies.latency_p99_ms,
        cast(endpoint_days.latency_max_ms as double) as latency_max_ms
    from endpoint_days
    left join latencies
        on
            endpoint_days.day = latencies.day
            and endpoint_days.endpoint = latencies.endpoint

)

select * from final
order by day, endpoint
