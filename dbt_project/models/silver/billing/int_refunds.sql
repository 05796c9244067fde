-- one row per refund
{% set columns = stripe_head('fields') ~ ',' ~ stripe_refund('fields') %}
with objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'refund'
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

refunds as (
    select
        {{- columns }}
    from opened
),

-- a refund carries no mode of its own: it is one of ours where its charge is
final as (
    select
        refunds.object_id as refund_id,
        charges.charge_id,
        charges.customer_id,
        refunds.status,
        refunds.reason,
        refunds.currency,
        refunds.amount_minor,
        refunds.balance_transaction_id,
        refunds.created_at
    from refunds
    left join intents
        on refunds.payment_intent_id = intents.payment_intent_id
    inner join charges
        on coalesce(refunds.charge_id, intents.charge_id) = charges.charge_id
)

select * from final
