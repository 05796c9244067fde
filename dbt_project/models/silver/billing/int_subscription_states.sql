-- one row per subscription and state in which it was seen: after an event, before an update, in a list
{% set columns = stripe_head('fields') ~ ',' ~ stripe_subscription('fields') %}
with events as (
    select * from {{ ref('int_stripe_events') }}
    where object_type = 'subscription'
),

records as (
    select * from {{ ref('stg_stripe__subscriptions') }}
    where coalesce(livemode, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }} and not is_tombstone
),

-- what an event found (`after`), what stood before an update (`before`), what a list showed (`record`)
states as (
    select
        event_id as state_id,
        'after' as origin,
        event_type,
        occurred_at as known_at,
        object_json as state_json
    from events
    union all
    select
        event_id || ':before' as state_id,
        'before' as origin,
        event_type,
        occurred_at as known_at,
        {{ merged_json('object_json', 'previous_json') }} as state_json
    from events
    where previous_json is not null
    union all
    select
        'record:' || cast(extracted_at as varchar) || md5(raw_json) as state_id,
        'record' as origin,
        cast(null as varchar) as event_type,
        extracted_at as known_at,
        min(raw_json) as state_json
    from records
    group by extracted_at, md5(raw_json)
),

opened as (
    select
        state_id,
        origin,
        event_type,
        known_at,
        {{ opened('state_json', columns) }}
    from states
),

typed as (
    select
        state_id,
        origin,
        event_type,
        known_at,
        {{- columns }}
    from opened
),

items as (
    {{ each_element('typed', ['state_id'], 'items_json') }}
),

item_texts as (
    select
        state_id,
        {{ text_at('element', 'id') }} as item_id,
        concat_ws(
            ':',
            {{ text_at('element', 'id') }},
            coalesce({{ id_at('element', 'price') }}, {{ id_at('element', 'plan') }}),
            coalesce({{ text_at('element', 'quantity') }}, ''),
            -- only ids: whether a discount or a rate came expanded is no change
            {{ ids_text('element', 'discounts') }},
            {{ ids_text('element', 'tax_rates') }}
        ) as item_text
    from items
),

item_keys as (
    select
        state_id,
        {{ joined_text('item_text', ';', 'item_id') }} as items_key
    from item_texts
    group by state_id
),

final as (
    select
        typed.*,
        md5(concat_ws(
            '|', typed.status, typed.currency, typed.trial_end_at, typed.canceled_at, typed.cancel_at,
            typed.is_cancel_at_period_end, typed.ended_at, typed.pause_behavior, typed.pause_resumes_at,
            typed.is_automatic_tax,
            coalesce({{ ids_text('typed.discounts_json', '') }}, {{ text_at('typed.discount_json', 'id') }}, ''),
            coalesce({{ ids_text('typed.default_tax_rates_json', '') }}, ''),
            coalesce(item_keys.items_key, '')
        )) as state_key
    from typed
    left join item_keys
        on typed.state_id = item_keys.state_id
)

select * from final
