-- one row per balance transaction: its newest content, with the automatic payout that paid it out
with transactions as (
    select * from {{ ref('int_stripe_balance_transactions') }}
),

payout_transactions as (
    select * from {{ ref('stg_stripe__payout_transactions') }}
    where coalesce(livemode, {{ var('expected_livemode') }}) = {{ var('expected_livemode') }}
),

-- re-sent rows say the same: a transaction is paid out once
paid_out as (
    select
        balance_transaction_id,
        min(payout_id) as payout_id
    from payout_transactions
    group by balance_transaction_id
),

final as (
    select
        transactions.object_id as balance_transaction_id,
        transactions.source_id,
        paid_out.payout_id,
        transactions.transaction_type,
        transactions.reporting_category,
        transactions.transaction_description,
        transactions.status,
        transactions.currency,
        transactions.amount_minor,
        transactions.fee_minor,
        transactions.net_minor,
        transactions.created_at,
        transactions.available_at
    from transactions
    left join paid_out
        on transactions.object_id = paid_out.balance_transaction_id
)

select * from final
