-- one row per charge
{% set columns = stripe_head('fields') ~ ',' ~ stripe_charge('fields') %}
with objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'charge'
),

links as (
    select * from {{ ref('int_customer_links') }}
),

opened as (
    select
        {{ opened('raw_json', columns) }}
    from objects
),

charges as (
    select
        {{- columns }}
    from opened
),

final as (
    select
        charges.object_id as charge_id,
        charges.stripe_customer_id,
        coalesce(links.customer_id, charges.stripe_customer_id) as customer_id,
        charges.invoice_id,
        charges.payment_intent_id,
        charges.balance_transaction_id,
        charges.status,
        charges.currency,
        charges.amount_minor,
        charges.amount_captured_minor,
        charges.amount_refunded_minor,
        charges.failure_code,
        charges.created_at
    from charges
    left join links
        on charges.stripe_customer_id = links.stripe_customer_id
)

select * from final
