-- one row per dispute, with the instant at which it was closed
{% set columns = stripe_head('fields') ~ ',' ~ stripe_dispute('fields') ~ ',' ~ instant_at('fields', 'balance_transactions[1].created') ~ ' as returned_at' %}
with objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'dispute'
),

events as (
    select * from {{ ref('int_stripe_events') }}
    where event_type = 'charge.dispute.closed'
),

charges as (
    select * from {{ ref('int_charges') }}
),

-- newer payments name only their intent: its charge is the one that succeeded
intents as (
    select
        payment_intent_id,
        max(charge_id) as charge_id
    from charges
    where status = 'succeeded' and payment_intent_id is not null
    group by payment_intent_id
),

opened as (
    select
        known_at,
        {{ opened('raw_json', columns) }}
    from objects
),

disputes as (
    select
        known_at,
        {{- columns }}
    from opened
),

closings as (
    select
        subject_id as dispute_id,
        min(occurred_at) as closed_at
    from events
    group by subject_id
),

final as (
    select
        disputes.object_id as dispute_id,
        charges.charge_id,
        charges.customer_id,
        disputes.status,
        disputes.reason,
        disputes.currency,
        disputes.amount_minor,
        disputes.created_at,
        -- without the event: when the money came back, else when the end was first seen
        case
            when disputes.status in ('won', 'lost') then coalesce(closings.closed_at, disputes.returned_at, disputes.known_at)
        end as closed_at
    from disputes
    left join intents
        on disputes.payment_intent_id = intents.payment_intent_id
    inner join charges
        on coalesce(disputes.charge_id, intents.charge_id) = charges.charge_id
    left join closings
        on disputes.object_id = closings.dispute_id
)

select * from final
