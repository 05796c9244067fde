-- one row per payout: its newest content, with the sum of what it paid out where Stripe lists that
{% set columns = stripe_head('fields') ~ ',' ~ stripe_payout('fields') %}
with objects as (
    select * from {{ ref('int_stripe_objects') }}
    where object_type = 'payout'
),

payout_transactions as (
    select * from {{ ref('stg_stripe__payout_transactions') }}
    where coalesce(livemode, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }}
),

-- re-sent rows say the same
listed as (
    select
        payout_id,
        balance_transaction_id,
        max(transaction_type) as transaction_type,
        max(net_minor) as net_minor
    from payout_transactions
    group by payout_id, balance_transaction_id
),

-- the payout's own transaction is listed too, and would make every sum 0
paid_out as (
    select
        payout_id,
        cast(sum(case when transaction_type = 'payout' then 0 else net_minor end) as bigint) as transactions_minor,
        sum(case when transaction_type = 'payout' then 0 else 1 end) as transactions
    from listed
    group by payout_id
),

opened as (
    select
        {{ opened('raw_json', columns) }}
    from objects
),

payouts as (
    select
        {{- columns }}
    from opened
),

final as (
    select
        payouts.object_id as payout_id,
        payouts.balance_transaction_id,
        payouts.failure_balance_transaction_id,
        payouts.status,
        payouts.reconciliation_status,
        payouts.is_automatic,
        payouts.failure_code,
        payouts.currency,
        payouts.amount_minor,
        paid_out.transactions_minor,
        coalesce(cast(paid_out.transactions as bigint), 0) as transactions,
        payouts.created_at,
        payouts.arrives_at
    from payouts
    left join paid_out
        on payouts.object_id = paid_out.payout_id
)

select * from final
