-- one row per charge
{{ config(materialized='view') }}
with charges as (
    select * from {{ ref('int_stripe_charges') }}
),

links as (
    select * from {{ ref('int_customer_links') }}
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
        charges.created_at,
        charges.load_id
    from charges
    left join links
        on charges.stripe_customer_id = links.stripe_customer_id
)

select * from final
