-- one row per subscription and state in which it was seen: after an event, before an update, in a list
{{ config(
    materialized='incremental',
    incremental_strategy='replace_rows',
    wide_text=['items_json'],
    unique_key='state_id',
) }}
{% set columns = stripe_head('fields') ~ ',' ~ stripe_subscription('fields') %}
with events as (
    select * from {{ ref('int_stripe_events') }}
    where
        object_type = 'subscription'
        {%- if is_incremental() %}
        and load_id > {{ loaded_through() }}
        {%- endif %}
),

records as (
    select
        extracted_at,
        load_id,
        raw_json
    from {{ ref('stg_stripe__subscriptions') }}
    {%- if is_incremental() %}
    where load_id > {{ loaded_through() }}
    {%- endif %}
),

-- what an event found (`after`), what stood before an update (`before`), what a list showed (`record`)
states as (
    select
        event_id as state_id,
        'after' as origin,
        event_type,
        occurred_at as known_at,
        object_json as state_json,
        load_id
    from events
    union all
    select
        event_id || ':before' as state_id,
        'before' as origin,
        event_type,
        occurred_at as known_at,
        {{ merged_json('object_json', 'previous_json') }} as state_json,
        load_id
    from events
    where previous_json is not null
    union all
    select
        'record:' || cast(extracted_at as string) || md5(raw_json) as state_id,
        'record' as origin,
        cast(null as string) as event_type,
        extracted_at as known_at,
        min(raw_json) as state_json,
        max(load_id) as load_id
    from records
    group by extracted_at, md5(raw_json)
),

opened as (
    select
        state_id,
        origin,
        event_type,
        known_at,
        load_id,
        {{ opened('state_json', columns) }}
    from states
),

typed as (
    select
        state_id,
        origin,
        event_type,
        known_at,
        load_id,
        {{- columns }}
    from opened
),

final as (
    select
        typed.*,
        md5({{ joined_parts('|', [
            'typed.status', 'typed.currency', 'typed.trial_end_at', 'typed.canceled_at', 'typed.cancel_at',
            'typed.is_cancel_at_period_end', 'typed.ended_at', 'typed.pause_behavior', 'typed.pause_resumes_at',
            'typed.is_automatic_tax',
            'coalesce(' ~ ids_text('typed.discounts_json', '') ~ ', ' ~ text_at('typed.discount_json', 'id') ~ ", '')",
            'coalesce(' ~ ids_text('typed.default_tax_rates_json', '') ~ ", '')",
            'coalesce(' ~ items_text('typed.items_json') ~ ", '')",
        ]) }}) as state_key
    from typed
    where not is_tombstone and {{ of_our_mode() }}
)

select * from final
