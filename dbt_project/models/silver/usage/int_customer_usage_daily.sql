-- one row per customer, as the usage log names it, and day with at least one call.
--
-- Keyed by the log's own customer id: nothing here has to be pointed again when a customer becomes known later.
{{ config(
    materialized='incremental',
    incremental_strategy='rebuild_days',
    unique_key='calls',
    days_first=['changed_days'],
) }}

-- depends_on: {{ ref('int_removed_api_calls') }}

{% set columns = ['source_customer_id', 'date_partition', 'calls', 'successful_calls', 'client_error_calls', 'rate_limited_calls', 'server_error_calls',
    'endpoints_used', 'features_used', 'bytes_processed', 'compute_units', 'response_time_ms_sum', 'first_called_at', 'last_called_at',
    'first_success_at', 'load_id'] %}

with

changed_days as (

    {% if is_incremental() %}
    {{ changed_usage_days(loaded_through()) }}
    {% else %}
    select distinct date_partition from {{ ref('int_api_calls') }}
    {% endif %}

),

calls as (

    select * from {{ ref('int_api_calls') }}
    {% if is_incremental() %}
    where date_partition in (select date_partition from changed_days)
    {% endif %}

),

customer_days as (

    select
        source_customer_id,
        date_partition,
        count(*) as calls,
        count(*) filter (where response_code < 400) as successful_calls,
        count(*) filter (where response_code between 400 and 499) as client_error_calls,
        count(*) filter (where response_code = 429) as rate_limited_calls,
        count(*) filter (where response_code >= 500) as server_error_calls,
        count(distinct endpoint) as endpoints_used,
        count(distinct feature) as features_used,
        sum(bytes_processed) as bytes_processed,
        sum(compute_units) as compute_units,
        sum(response_time_ms) as response_time_ms_sum,
        min(called_at) as first_called_at,
        max(called_at) as last_called_at,
        min(called_at) filter (where response_code < 400) as first_success_at,
        max(load_id) as load_id
    from calls
    group by source_customer_id, date_partition

),

final as (

    select {{ columns | join(', ') }} from customer_days
    {% if is_incremental() %}
    union all
    {{ emptied_days('changed_days', 'customer_days', columns) }}
    {% endif %}

)

select * from final
{% if not is_incremental() %}
order by date_partition
{% endif %}
