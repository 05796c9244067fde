-- one row per day and endpoint with at least one API call.

with

usage_days as (

    select * from {{ ref('agg_api_usage_daily') }}

),

endpoint_days as (

    select
        date_partition as day,
        endpoint,
        {{ simple_metrics([
            'calls', 'client_error_calls', 'server_error_calls', 'rate_limited_calls', 'compute_units', 'response_time_ms',
        ]) }},
        max(response_time_ms_max) as latency_max_ms
    from usage_days
    group by date_partition, endpoint

),

rated_days as (

    select
        *,
        {{ metric('error_rate') }} as error_rate,
        {{ metric('mean_latency_ms') }} as mean_latency_ms
    from endpoint_days

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
        {{ md5_id(['rated_days.day', 'rated_days.endpoint']) }} as id,
        rated_days.day,
        rated_days.endpoint,
        cast(rated_days.calls as bigint) as calls,
        cast(rated_days.client_error_calls as bigint) as client_error_calls,
        cast(rated_days.server_error_calls as bigint) as server_error_calls,
        cast(rated_days.rate_limited_calls as bigint) as rate_limited_calls,
        cast(rated_days.compute_units as decimal(28, 6)) as compute_units,
        cast(rated_days.error_rate as double) as error_rate,
        cast(rated_days.mean_latency_ms as double) as latency_mean_ms,
        latencies.latency_p50_ms,
        latencies.latency_p95_ms,
        latencies.latency_p99_ms,
        cast(rated_days.latency_max_ms as double) as latency_max_ms
    from rated_days
    left join latencies
        on
            rated_days.day = latencies.day
            and rated_days.endpoint = latencies.endpoint

)

select * from final
order by day, endpoint
