-- one row per customer, feature and day with at least one call that used the feature.
--
-- Incremental: the days that changed in silver, and the days whose calls of unknown customers have found their customer since.
{{ config(
    materialized='incremental',
    incremental_strategy='rebuild_days',
    unique_key='id',
    days_first=['changed_days'],
) }}

-- depends_on: {{ ref('int_api_calls') }}, {{ ref('int_removed_api_calls') }}

{% set columns = [
    'id', 'customer_id', 'feature_name', 'usage_count', 'successful_count', 'compute_units', 'first_used_at', 'last_used_at', 'date_partition',
    'load_id',
] %}

with

{% if is_incremental() %}
unknown_before as (

    select date_partition, sum(usage_count) as calls from {{ this }}
    where customer_id = 'unknown'
    group by date_partition

),

unknown_now as (

    select date_partition, count(*) as calls from {{ ref('fact_api_usage') }}
    where customer_id = 'unknown' and feature is not null
    group by date_partition

),

changed_days as (

    {{ changed_usage_days(loaded_through()) }}
    union
    select unknown_before.date_partition
    from unknown_before
    left join unknown_now
        on unknown_before.date_partition = unknown_now.date_partition
    where unknown_before.calls != coalesce(unknown_now.calls, 0)

),
{% endif %}

calls as (

    select * from {{ ref('fact_api_usage') }}
    where
        feature is not null
        {% if is_incremental() %}
        and date_partition in (select date_partition from changed_days)
        {% endif %}

),

feature_days as (

    select
        {{ md5_id(['customer_id', 'feature', 'date_partition']) }} as id,
        customer_id,
        feature as feature_name,
        cast(count(*) as bigint) as usage_count,
        cast(count(*) filter (where is_success) as bigint) as successful_count,
        cast(sum(compute_units) as decimal(28, 6)) as compute_units,
        min({{ quoted('timestamp') }}) as first_used_at,
        max({{ quoted('timestamp') }}) as last_used_at,
        date_partition,
        max(load_id) as load_id
    from calls
    group by customer_id, feature, date_partition

),

final as (

    select {{ columns | join(', ') }} from feature_days
    {% if is_incremental() %}
    union all
    {{ emptied_days('changed_days', 'feature_days', columns) }}
    {% endif %}

)

select * from final
{% if not is_incremental() %}
order by date_partition
{% endif %}
