-- one row per API call.
--
-- A full build keeps the order of int_api_calls, which is roughly by day. Incremental: the days that changed in silver, and the days with calls of customers who have become known since.
{{ config(
    materialized='incremental',
    incremental_strategy='rebuild_days',
    unique_key='id',
    partition_by='date_partition',
    days_first=['changed_days'],
) }}

-- depends_on: {{ ref('int_removed_api_calls') }}

{% set columns = [
    'id', 'customer_id', 'source_customer_id', 'request_id', 'endpoint', 'method', 'feature', 'region', 'response_code', 'is_success',
    'response_time_ms', 'bytes_processed', 'compute_units', quoted('timestamp'), 'date_partition', 'load_id',
] %}

with

customers as (

    select customer_id from {{ ref('dim_customers') }}
    where customer_id != 'unknown'

),

{% if is_incremental() %}
changed_days as (

    {{ changed_usage_days(loaded_through()) }}
    union
    select date_partition from {{ this }}
    where customer_id = 'unknown' and source_customer_id in (select customer_id from customers)

),
{% endif %}

calls as (

    select * from {{ ref('int_api_calls') }}
    {% if is_incremental() %}
    where date_partition in (select date_partition from changed_days)
    {% endif %}

),

api_usage as (

    select
        {{ md5_id(['calls.request_id']) }} as id,
        coalesce(customers.customer_id, 'unknown') as customer_id,
        calls.source_customer_id,
        calls.request_id,
        calls.endpoint,
        calls.method,
        calls.feature,
        calls.region,
        calls.response_code,
        calls.response_code < 400 as is_success,
        calls.response_time_ms,
        calls.bytes_processed,
        calls.compute_units,
        calls.called_at as {{ quoted('timestamp') }},
        calls.date_partition,
        calls.load_id
    from calls
    left join customers
        on calls.source_customer_id = customers.customer_id

),

final as (

    select {{ columns | join(', ') }} from api_usage
    {% if is_incremental() %}
    union all
    {{ emptied_days('changed_days', 'api_usage', columns) }}
    {% endif %}

)

select * from final
