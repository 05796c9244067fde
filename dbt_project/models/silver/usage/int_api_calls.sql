-- one row per API call (request_id), however often and in however many versions it was delivered.
--
-- Incremental by load id: what was newly landed is deduplicated within itself and against the days it touches, and those
-- days are rebuilt. Of several versions of a call the latest `called_at` wins, then the larger content; never the arrival.
-- A call that a file no longer says is forgotten, and looked up anew among all that is still said.
--
-- A full build reads what was landed three times, once for the hashes of the ids, and keeps its order, which is roughly by day: a
-- hundred million calls are neither held nor sorted.
{{ config(
    materialized='incremental',
    incremental_strategy='rebuild_days',
    unique_key='request_id',
    computed_once=['landed'],
    partition_by='date_partition',
    days_first=['touched_days'],
) }}

-- depends_on: {{ ref('int_removed_api_calls') }}

{% set content = [
    'called_at', 'source_customer_id', 'endpoint', 'method', 'feature', 'region', 'response_code', 'response_time_ms', 'bytes_processed',
] %}
{% set columns = ['request_id'] + content + ['compute_units', 'date_partition', 'also_seen_on', 'load_id'] %}
{% set candidates = 'candidates' if is_incremental() else 'landed' %}
{% set anew = '' if is_incremental() else read_anew() %}

with

multipliers as (

    select
        endpoint,
        cast(multiplier as decimal(9, 3)) as multiplier
    from {{ ref('endpoint_multipliers') }}

),

{% if is_incremental() %}
removed as (

    select request_id, date_partition from {{ ref('int_removed_api_calls') }}
    where load_id > {{ loaded_through() }}

),
{% endif %}

said as {{ anew }} (

    select * from {{ ref('stg_usage__api_calls') }}
    {% if is_incremental() %}
    where load_id > {{ loaded_through() }}
    union all
    select * from {{ ref('stg_usage__api_calls') }}
    where load_id <= {{ loaded_through() }} and request_id in (select request_id from removed)
    {% endif %}

),

landed as {{ anew }} (

    select
        calls.request_id,
        calls.called_at,
        calls.customer_id as source_customer_id,
        calls.endpoint,
        calls.method,
        calls.feature,
        calls.region,
        calls.status_code as response_code,
        calls.response_time_ms,
        calls.bytes_processed,
        -- METRICS.md §3: 1 × the endpoint's multiplier × max(1, seconds)
        cast(
            coalesce(multipliers.multiplier, 1) * greatest(1.000000, coalesce(calls.response_time_ms, 0) * 0.001)
            as decimal(18, 6)
        ) as compute_units,
        {{ reporting_date('calls.called_at') }} as date_partition,
        {{ no_days() }} as also_seen_on,
        calls.load_id
    from said as calls
    left join multipliers
        on calls.endpoint = multipliers.endpoint
    -- landing sets calls without a key aside; one that came another way must not pass for an emptied day
    where calls.request_id is not null

),

{% if is_incremental() %}
touched_days as (

    select date_partition from landed
    union
    select date_partition from removed
    union
    select date_partition from {{ this }}
    where request_id in (select request_id from landed)

),

candidates as (

    select {{ columns | join(', ') }} from landed
    union all
    select {{ columns | join(', ') }} from {{ this }}
    where
        date_partition in (select date_partition from touched_days)
        and request_id not in (select request_id from removed)

),
{% endif %}

repeated_hashes as (

    select {{ key_hash('request_id') }} as id_hash
    from {{ candidates }}
    group by id_hash
    having count(*) > 1

),

-- most calls are delivered once: only the others are worth sorting. Ids that share a hash are among these, and told apart there
single_calls as (

    select {{ columns | join(', ') }}
    from {{ candidates }}
    where {{ key_hash('request_id') }} not in (select id_hash from repeated_hashes)

),

ranked_copies as (

    select
        {{ columns | join(', ') }},
        row_number() over (
            partition by request_id
            order by {% for column in content %}{{ column }} desc nulls last{{ ", " if not loop.last }}{% endfor %}
        ) as rank_in_call
    from {{ candidates }}
    where {{ key_hash('request_id') }} in (select id_hash from repeated_hashes)

),

days_of_repeated as (

    select request_id, date_partition from ranked_copies
    union
    {{ each_of_list('ranked_copies', ['request_id'], 'also_seen_on', 'date_partition') }}

),

repeated_calls as (

    select
        winners.request_id,
        {% for column in content %}
        winners.{{ column }},
        {% endfor %}
        winners.compute_units,
        winners.date_partition,
        other_days.days as also_seen_on,
        deliveries.load_id
    from ranked_copies as winners
    inner join (
        -- the last load that brought the call, so that the loads taken in can be read off this table
        select request_id, max(load_id) as load_id
        from ranked_copies
        group by request_id
    ) as deliveries
        on winners.request_id = deliveries.request_id
    left join (
        select
            days_of_repeated.request_id,
            {{ sorted_list('days_of_repeated.date_partition') }} as days
        from days_of_repeated
        inner join ranked_copies as kept
            on
                days_of_repeated.request_id = kept.request_id
                and kept.rank_in_call = 1
                and days_of_repeated.date_partition != kept.date_partition
        group by days_of_repeated.request_id
    ) as other_days
        on winners.request_id = other_days.request_id
    where winners.rank_in_call = 1
    order by winners.date_partition

),

calls as (

    select {{ columns | join(', ') }} from single_calls
    union all
    select {{ columns | join(', ') }} from repeated_calls

),

final as (

    select {{ columns | join(', ') }} from calls
    {% if is_incremental() %}
    union all
    {{ emptied_days('(select distinct date_partition from touched_days) as days', 'calls', columns) }}
    {% endif %}

)

select * from final
