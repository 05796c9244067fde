-- one row per dispute, with the instant at which it was closed
{% set columns = stripe_head('fields') ~ ',' ~ stripe_dispute('fields') ~ ',' ~ json_below('fields', 'balance_transactions') ~ ' as transactions_json' %}
with objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'dispute'
),

events as (
    select * from {{ ref('int_stripe_events') }}
    where event_type in ('charge.dispute.closed', 'charge.dispute.funds_reinstated')
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
        {{ opened('raw_json', columns) }}
    from objects
),

disputes as (
    select
        {{- columns }}
    from opened
),

closings as (
    select
        subject_id as dispute_id,
        min(occurred_at) as closed_at,
        -- what was lost may be won on appeal
        min(case when status_then = 'won' then occurred_at end) as won_at
    from (
        select
            *,
            {{ text_at('object_json', 'status') }} as status_then
        from events
    ) as told
    group by subject_id
),

transaction_elements as (
    {{ each_element('disputes', ['object_id'], 'transactions_json') }}
),

-- money that came back
returns as (
    select
        object_id as dispute_id,
        min({{ instant_at('element', 'created') }}) as returned_at
    from transaction_elements
    where {{ whole_at('element', 'amount') }} > 0
    group by object_id
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
        -- Without the event: when the money came back; else its opening, so that a win of unknown date took nothing. Never when
        -- we came to know of it, which another order of loads would change.
        case
            when disputes.status in ('won', 'lost')
                then coalesce(
                    case when disputes.status = 'won' then closings.won_at end,
                    closings.closed_at, returns.returned_at, disputes.created_at
                )
        end as closed_at
    from disputes
    left join intents
        on disputes.payment_intent_id = intents.payment_intent_id
    inner join charges
        on coalesce(disputes.charge_id, intents.charge_id) = charges.charge_id
    left join closings
        on disputes.object_id = closings.dispute_id
    left join returns
        on disputes.object_id = returns.dispute_id
)

select * from final
