-- one row per day, endpoint and class of response (2xx, 3xx, 4xx, 5xx), with a latency histogram that adds up over days.
{{ config(
    materialized='incremental',
    incremental_strategy='rebuild_days',
    unique_key='id',
    days_first=['changed_days'],
) }}

-- depends_on: {{ ref('int_removed_api_calls') }}

{% set columns = [
    'id', 'date_partition', 'endpoint', 'status_class', 'calls', 'rate_limited_calls', 'bytes_processed', 'compute_units',
    'response_time_ms_sum', 'response_time_ms_max', 'latency_histogram', 'load_id',
] %}

with

changed_days as (

    {% if is_incremental() %}
    {{ changed_usage_days(loaded_through()) }}
    {% else %}
    select distinct date_partition from {{ ref('int_api_calls') }}
    {% endif %}

),

calls as (

    select
        date_partition,
        endpoint,
        {{ status_class('response_code') }} as status_class,
        response_code,
        bytes_processed,
        compute_units,
        response_time_ms,
        {{ latency_bucket('response_time_ms') }} as latency_bucket,
        load_id
    from {{ ref('int_api_calls') }}
    {% if is_incremental() %}
    where date_partition in (select date_partition from changed_days)
    {% endif %}

),

usage_days as (

    select
        {{ md5_id(['date_partition', 'endpoint', 'status_class']) }} as id,
        date_partition,
        endpoint,
        status_class,
        cast(count(*) as bigint) as calls,
        cast(count(*) filter (where response_code = 429) as bigint) as rate_limited_calls,
        cast(sum(bytes_processed) as bigint) as bytes_processed,
        cast(sum(compute_units) as decimal(28, 6)) as compute_units,
        cast(sum(response_time_ms) as decimal(28, 3)) as response_time_ms_sum,
        cast(max(response_time_ms) as decimal(18, 3)) as response_time_ms_max,
        {{ histogram('latency_bucket') }} as latency_histogram,
        max(load_id) as load_id
    from calls
    group by date_partition, endpoint, status_class

),

final as (

    select {{ columns | join(', ') }} from usage_days
    {% if is_incremental() %}
    union all
    {{ emptied_days('changed_days', 'usage_days', columns) }}
    {% endif %}

)

select * from final
{% if not is_incremental() %}
order by date_partition
{% endif %}
